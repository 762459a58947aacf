"""The jobs that a script can do."""

import args
from runs.parallel import all_processes
from runs.retrain_job import RetrainJob
from runs.sampling import sample_only, searched_options
from runs.search_job import SearchJob


def script(space, job):
    """`main` of the script that does a job, "search" or "retrain", in a `spaces.Space`; it returns the exit status."""

    def main():
        config = args.parse(space.name, job)
        if job == args.RETRAIN:
            return RetrainJob(space, config).run()
        if not config.sampling_only:
            return SearchJob(space, config).run()
        config = searched_options(config)
        return sample_only(space, config) if all_processes().is_first else 0

    return main
