"""Find a micro architecture: the normal cell and the reduction cell that the network repeats."""

import args
from runs.jobs import script
from runs.parallel import report_and_exit
from spaces import MICRO

main = script(MICRO, args.SEARCH)

if __name__ == "__main__":
    report_and_exit(main)
