"""Find a recurrent cell for a language model: the previous node and the function of every node."""

import args
from models.controller import RecurrentController
from runs import jobs
from runs.language_jobs import language_search_task
from runs.parallel import report_and_exit
from runs.sampling import searched_options
from search_spaces.recurrent import RecurrentSpace


def main():
    config = args.parse("recurrent", "search")
    if config.sampling_only:
        config = searched_options(config)
    space = RecurrentSpace(config.num_nodes)

    def make_controller(scope):
        return RecurrentController(space, config, scope, config.num_candidate)

    return jobs.run_search(config, space, make_controller, lambda log: language_search_task(config, log))


if __name__ == "__main__":
    report_and_exit(main)
