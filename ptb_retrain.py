"""Train a language model with a recurrent cell from scratch and measure it on the test text."""

import args
from runs.jobs import script
from runs.parallel import report_and_exit
from spaces import RECURRENT

main = script(RECURRENT, args.RETRAIN)

if __name__ == "__main__":
    report_and_exit(main)
