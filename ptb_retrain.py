"""Train a language model with a recurrent cell from scratch and measure it on the test text."""

import args
from runs import jobs
from runs.language_jobs import language_retraining_task
from runs.parallel import report_and_exit


def main():
    config = args.parse("recurrent", "retrain")
    return jobs.run_retraining(config, lambda architecture, log: language_retraining_task(config, log))


if __name__ == "__main__":
    report_and_exit(main)
