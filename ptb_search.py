"""Find a recurrent cell for a language model: the previous node and the function of every node."""

import args
from runs.jobs import script
from runs.parallel import report_and_exit
from spaces import RECURRENT

main = script(RECURRENT, args.SEARCH)

if __name__ == "__main__":
    report_and_exit(main)
