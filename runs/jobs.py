"""The jobs that a script or a caller in Python can have done."""

import pathlib

import args
from errors import UserError
from runs.evaluation import Evaluation
from runs.parallel import all_processes
from runs.results import RetrainResult, SearchResult
from runs.retrain_job import RetrainJob
from runs.sampling import sample_to_files, searched_options
from runs.search_job import SearchJob
from runs.several import Several
from runs.spawned import in_processes, number_of_processes


def script(space, job):
    """`main` of the script that does a job, "search" or "retrain", in a `spaces.Space`; it returns the exit status."""

    def main():
        config = args.parse(space.name, job)
        count, otherwise = number_of_processes(config), None if config.processes else _tell_of_one(config)
        return in_processes(count, lambda: work(space, config), otherwise)

    work = {args.SEARCH: _search, args.RETRAIN: _retrain}[job]
    return main


def _tell_of_one(config):
    return lambda reason: None if config.quiet else print(f"one process: {reason}")


def _search(space, config):
    """What the options ask a searching script to do; returns the exit status."""
    if not config.sampling_only:
        return _status(search(space, config))
    config = searched_options(config)
    return sample_to_files(space, config) if all_processes().is_first else 0


def _retrain(space, config):
    """What the options ask a retraining script to do; returns the exit status."""
    if config.evaluate_only:
        return Evaluation(space, config).run()
    if config.architectures:
        return Several(config, lambda one: RetrainJob(space, one)).run()
    return _status(retrain(space, config))


def search(space, config):
    """Bring the search with the options `config` to its end; returns a `SearchResult`."""
    if config.sampling_only:
        raise UserError("--sampling-only is an option of the scripts; enas.sample draws architectures of a finished search")
    folder, outcome = SearchJob(space, config).run()
    return SearchResult(folder.absolute(), outcome)


def retrain(space, config, architecture=None):
    """Bring the retraining with the options `config` to its end; returns a `RetrainResult`.

    architecture: in place of the one in the file that the options name.
    """
    if config.evaluate_only:
        raise UserError("--evaluate-only is an option of the scripts; the result of a finished retraining holds its accuracy")
    folder, outcome = RetrainJob(space, config, architecture).run()
    return RetrainResult(folder.absolute(), outcome, pathlib.Path(config.monitor_save_path or folder).absolute())


def _status(result):
    return result.outcome.get("status", 0)
