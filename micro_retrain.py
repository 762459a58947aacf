"""Train a micro architecture from scratch and measure it on the test set."""

import args
from errors import report_and_exit
from models.micro_cnn import FinalNetwork
from training import jobs


def main():
    config = args.parse("micro", "retrain")

    def make_network(scope, num_classes):
        filters = config.output_filter + config.additional_filters_on_retrain
        return FinalNetwork(
            scope, filters, num_classes, config.num_cells, config.keep_prob, config.auxiliary_head, config.drop_path_keep_prob
        )

    return jobs.run_retraining(config, lambda architecture, log: jobs.image_retraining_task(config, make_network, log))


if __name__ == "__main__":
    report_and_exit(main)
