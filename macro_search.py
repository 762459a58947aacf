"""Find a macro architecture: an operation and the skip connections of every layer."""

import args
from runs.jobs import script
from runs.parallel import report_and_exit
from spaces import MACRO

main = script(MACRO, args.SEARCH)

if __name__ == "__main__":
    report_and_exit(main)
