"""One run directory for all processes of a job: the first one has it, the others follow what it does."""

import contextlib
import pathlib
import sys

from errors import UserError
from runs.pauses import Pauses
from runs.run_directory import Finished
from training.divergence import expect_finite


def open_run(processes, open_directory):
    """`open_directory()` in the first process, a `Follower` in the others. What it raises, all raise."""
    if not processes.is_first:
        return Follower(processes)
    with _failure_told(processes):
        run = open_directory()
    _tell(processes, run)
    return run


def go_back(processes, run, reason):
    """`run.go_back(reason)` in all processes."""
    if not processes.is_first:
        run.listen()
        return
    with _failure_told(processes):
        run.go_back(reason)
    _tell(processes, run)


class Follower:
    """What a process other than the first one has for a `RunDirectory`: the same pauses, no files."""

    def __init__(self, processes):
        self._processes, self._pauses = processes, Pauses(processes, quiet=True)
        self._opened = contextlib.ExitStack()
        self.monitors = self.report = _Unwritten()
        self.listen()

    def listen(self):
        """Take up what the first process has read."""
        news = self._processes.announce(None)
        if "error" in news:
            raise UserError(news["error"])
        if "finished" in news:
            raise Finished(news["finished"], pathlib.Path(news["path"]))
        arrays = self._processes.announce_arrays(None)
        self.path, self.rate_factor = pathlib.Path(news["path"]), news["rate_factor"]
        self.resumed = (_grouped(arrays), news["state"]) if news["state"] else None

    def __enter__(self):
        self._opened.enter_context(self._pauses.watch())
        return self

    def __exit__(self, *_):
        self._opened.close()

    @property
    def signal(self):
        """The number of the signal that asked this process for a stop, or 0: one after the last pause ends nothing."""
        return self._pauses.signal

    def save(self, groups, state):
        """Raises `Diverged` where the first process does."""
        for name, arrays in groups.items():
            expect_finite(arrays, name)

    def pause_point(self, save, due=False):
        """As `RunDirectory.pause_point`, and at the same time."""
        number, wanted, _ = self._pauses.decide(due)
        if wanted:
            save()
        if number:
            sys.exit(128 + number)

    def finish(self, result):
        """The first process does that."""


class _Unwritten:
    """Monitors and report of a process that writes none."""

    def series(self, *_):
        pass

    row = update = write_evaluation = series


@contextlib.contextmanager
def _failure_told(processes):
    try:
        yield
    except UserError as error:
        processes.announce({"error": str(error)})
        raise
    except Finished as finished:
        processes.announce({"finished": finished.result, "path": str(finished.path)})
        raise


def _tell(processes, run):
    groups, state = run.resumed or ({}, None)
    processes.announce({"path": str(run.path), "rate_factor": run.rate_factor, "state": state})
    processes.announce_arrays({f"{name}/{key}": array for name, arrays in groups.items() for key, array in arrays.items()})


def _grouped(arrays):
    groups = {}
    for path, array in arrays.items():
        name, _, key = path.partition("/")
        groups.setdefault(name, {})[key] = array
    return groups
