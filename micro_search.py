"""Find a micro architecture: the normal cell and the reduction cell that the network repeats."""

import args
from models.controller import MicroController
from models.final_networks import micro as make_final_network
from models.micro_cnn import SharedNetwork
from runs import jobs
from runs.parallel import report_and_exit
from runs.sampling import searched_options
from search_spaces.micro import MicroSpace


def main():
    config = args.parse("micro", "search")
    if config.sampling_only:
        config = searched_options(config)
    space = MicroSpace(config.num_nodes - 2, operations=config.operations)

    def make_controller(scope):
        return MicroController(space, config, scope, config.num_candidate)

    def make_network(scope, num_classes):
        return SharedNetwork(
            scope, config.output_filter, num_classes, config.num_cells, config.keep_prob, config.auxiliary_head
        )

    def make_task(log):
        return jobs.image_search_task(config, make_network, make_final_network, log)

    return jobs.run_search(config, space, make_controller, make_task)


if __name__ == "__main__":
    report_and_exit(main)
