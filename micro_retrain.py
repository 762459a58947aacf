"""Train a micro architecture from scratch and measure it on the test set."""

import args
from models.final_networks import micro
from runs import jobs
from runs.parallel import report_and_exit


def main():
    config = args.parse("micro", "retrain")
    return jobs.run_retraining(config, lambda architecture, log: jobs.image_retraining_task(config, micro, log))


if __name__ == "__main__":
    report_and_exit(main)
