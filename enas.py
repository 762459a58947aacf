"""ENAS from Python, as in a notebook that runs in the checkout: what the scripts do, with results as objects.

    import enas

    found = enas.search("macro", preset="quick", seed=1, monitor_path="runs/1")
    found.architecture, found.accuracy, found.curves["Validation-accuracy"], found.report
    trained = enas.retrain(found, epoch_on_retrain=5)
    trained.accuracy, trained.model
    enas.sample(found, 3)

Options are those of the scripts, with underscores (`python macro_search.py --help-all` lists them). A run that was interrupted
resumes when it is asked for again; one that is finished is only read. Wrong input raises `errors.UserError`.
"""

import contextlib
import pathlib

import args
from choices import wrong_choice
from errors import UserError
from runs import jobs, sampling
from runs.commands import retraining_of
from runs.found_architecture import OWN
from runs.results import RetrainResult, RunResult, SearchResult
from runs.run_config import run_folder
from spaces import SPACES

__all__ = ["RetrainResult", "SearchResult", "retrain", "sample", "search"]


def search(space, **options):
    """Search a space, "macro", "micro" or "recurrent", to its end; returns a `SearchResult`.

    Raises UserError for input that cannot be, KeyboardInterrupt when it is interrupted; called again it resumes.
    """
    space = _space(space)
    with _interruptible():
        return jobs.search(space, args.parse(space.name, args.SEARCH, _words(options)))


def retrain(architecture, space=None, **options):
    """Train an architecture from scratch; returns a `RetrainResult`. Raises as `search`.

    architecture: a `SearchResult`, whose data set and sizes are then taken over as the command does that a search prints; an
    object of `search_spaces`; or what --recommended-arch takes, a file or a published name, and then `space` says of which space.
    """
    if isinstance(architecture, RunResult):
        return _retrain_found(architecture, options)
    with _interruptible():
        if hasattr(architecture, "to_numbers"):
            return _retrain_object(architecture, options)
        if space is None:
            raise UserError(f"the space of {architecture} is not given; pass space={', space='.join(map(repr, SPACES))}")
        space, options = _space(space), {**options, "recommended_arch": architecture}
        return jobs.retrain(space, args.parse(space.name, args.RETRAIN, _words(options)))


def sample(run, count, **options):
    """List of `count` architectures drawn from the controller of a finished search, a `SearchResult` or a folder.

    The same call gives the same ones; `seed` is another draw. Raises UserError where there is no controller.
    """
    result = run if isinstance(run, RunResult) else RunResult(pathlib.Path(run).absolute(), {})
    space = _space(result.space)
    options = {**options, "sampling_only": True, "num_sampling": count, "monitor_path": result.folder}
    return sampling.sample(space, sampling.searched_options(args.parse(space.name, args.SEARCH, _words(options))))


def _retrain_found(result, options):
    space, words = _space(result.space), retraining_of(result.architecture_file)
    if words is None:
        raise UserError(f"{result.folder} holds nothing to retrain; give the result of a search that found an architecture")
    with _interruptible():
        return jobs.retrain(space, args.parse(space.name, args.RETRAIN, [*words, *_words(options)]))


def _retrain_object(architecture, options):
    """In the run directory of a command with the architecture's numbers; the file that an error or a resume names is its own."""
    space, words = _space(architecture.space), _words(options)
    path = args.parse(space.name, args.RETRAIN, [*words, f"--recommended-arch={architecture.to_text()}"]).monitor_path
    file = run_folder(path, f"{space.name}_{args.RETRAIN}") / OWN
    words += [f"--monitor-path={path}", f"--recommended-arch={file}"]
    return jobs.retrain(space, args.parse(space.name, args.RETRAIN, words), architecture)


def _space(name):
    if name not in SPACES:
        raise UserError(f"the space {wrong_choice(str(name), SPACES)}")
    return SPACES[name]


def _words(options):
    """The options as a script would get them."""
    return [f"--{name.replace('_', '-')}={_text(value)}" for name, value in options.items()]


def _text(value):
    return ",".join(value) if isinstance(value, (list, tuple)) else str(value)


@contextlib.contextmanager
def _interruptible():
    """A stop by signal ends a script; a caller in Python goes on."""
    try:
        yield
    except SystemExit as stop:
        raise KeyboardInterrupt("stopped; the same call resumes") from stop
