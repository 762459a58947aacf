"""Find a macro architecture: an operation and the skip connections of every layer."""

import args
from models.controller import MacroController
from models.final_networks import macro as make_final_network
from models.macro_cnn import SharedNetwork
from runs import jobs
from runs.parallel import report_and_exit
from runs.sampling import searched_options
from search_spaces.macro import MacroSpace


def main():
    config = args.parse("macro", "search")
    if config.sampling_only:
        config = searched_options(config)
    space = MacroSpace(config.num_layers, operations=config.operations)

    def make_controller(scope):
        return MacroController(space, config, scope, config.num_candidate)

    def make_network(scope, num_classes):
        return SharedNetwork(scope, config.output_filter, num_classes, config.keep_prob)

    def make_task(log):
        return jobs.image_search_task(config, make_network, make_final_network, log)

    return jobs.run_search(config, space, make_controller, make_task)


if __name__ == "__main__":
    report_and_exit(main)
