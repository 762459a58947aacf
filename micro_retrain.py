"""Train a micro architecture from scratch and measure it on the test set."""

import args
from runs.jobs import script
from runs.parallel import report_and_exit
from spaces import MICRO

main = script(MICRO, args.RETRAIN)

if __name__ == "__main__":
    report_and_exit(main)
