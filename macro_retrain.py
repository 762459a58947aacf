"""Train a macro architecture from scratch and measure it on the test set."""

import args
from models.final_networks import macro
from runs import jobs
from runs.parallel import report_and_exit


def main():
    config = args.parse("macro", "retrain")
    return jobs.run_retraining(config, lambda architecture, log: jobs.image_retraining_task(config, macro, log))


if __name__ == "__main__":
    report_and_exit(main)
