"""config.json of a run directory: what the run was asked for, with what it was made, what it recorded at its end."""

import contextlib
import datetime
import json
import os
import pathlib
import platform
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

import nnabla as nn
import numpy as np

from datasets.record import difference
from datasets.text_files import listed
from errors import UserError
from file_names import CONFIG, SPLIT
from files import atomic_write
from reporting.run_files import home_of


@dataclass(frozen=True)
class Request:
    """What a run is asked to do. `options`: dict for JSON; those whose names are not in `free` decide the result."""

    job: str  # space and job: "macro_search"
    options: dict
    free: tuple = ()
    restart: bool = False  # start over whatever is there
    command: str = field(default_factory=lambda: shlex.join(sys.argv))  # what to type to begin or to resume the run
    data: object = None  # the record of what it learns from, as `datasets.record.ImageRecord`
    length: str | None = None  # the option that says how many rounds there are
    bound_to_length: str | None = None  # why a longer run is another one from its first step on; None: it is not
    keep_checkpoint: bool = False  # at the end, so that the run can be made longer
    expect_beginning: Callable = lambda: None  # raises UserError for what keeps a new run from beginning

    def __post_init__(self):
        object.__setattr__(self, "options", json.loads(json.dumps(self.options)))  # as they are read back

    def other_data(self, earlier):
        """In words how the data differ from those in the dict `earlier`, a config.json; empty if they do not."""
        return difference(earlier.get("data"), self.data.facts) if self.data else ""

    def changes(self, earlier):
        """[(option, value in the dict `earlier`, a config.json, value now)] of those that decide the result and differ.

        Where equal data lie decides nothing.
        """
        options = earlier["options"]
        free = {*self.free, "data_dir"} if self.data and earlier.get("data") == self.data.facts else set(self.free)
        names = sorted((options.keys() | self.options.keys()) - free)
        rows = [(name, options.get(name), self.options.get(name)) for name in names]
        return [row for row in rows if row[1] != row[2]]

    def lengthens(self, earlier):
        """Is it the run in the dict `earlier`, a config.json, with more rounds?"""
        changed = self.changes(earlier)
        return [name for name, *_ in changed] == [self.length] and changed[0][2] > changed[0][1]


class RunConfig:
    """Writes config.json in a folder: of a `Request` that `processes` (how many) carry out."""

    def __init__(self, folder, request, processes=1, next_command=None):
        """`next_command`: what to type when the run is finished, for its report."""
        self._path, self._request, self._processes = pathlib.Path(folder) / CONFIG, request, processes
        self._next_command = next_command
        self._times = {}

    def begin(self):
        """Of a new run."""
        self._times = {"started": _now(), "continued": []}
        self._write(None)
        self._write_split()

    def resume(self, earlier):
        """Of the run whose config.json was the dict `earlier`."""
        self._times = {"started": earlier["started"], "continued": [*earlier["continued"], _now()]}
        self._write(None)
        self._write_split()

    def finish(self, result):
        """The run is complete; `result`: dict for JSON, what to say when it is asked for again."""
        self._times |= {"ended": _now()}
        self._write(result)

    def _write_split(self):
        """Which image is in which part, beside; a table of an earlier run goes."""
        path = self._path.with_name(SPLIT)
        if self._request.data is None or not self._request.data.write_split(path):
            path.unlink(missing_ok=True)

    def _write(self, result):
        document = {
            "job": self._request.job,
            "options": self._request.options,
            **({"data": self._request.data.facts} if self._request.data else {}),
            "command": self._request.command,
            "next_command": self._next_command,
            "versions": {"python": platform.python_version(), "nnabla": nn.__version__, "numpy": np.__version__},
            "machine": _machine(),
            "processes": self._processes,
            **self._times,
            "finished": result,
        }
        with atomic_write(self._path, "w") as file:
            json.dump(document, file, indent=1)
            file.write("\n")


def read_options(path, job):
    """Options of the run of `job` in a run directory. Raises UserError if there is none."""
    config = read_config(run_folder(path, job))
    if config is None or config["job"] != job:
        raise UserError(f"{path} holds no {job} run (no {CONFIG} of one); give its --monitor-path")
    return config["options"]


def run_folder(path, job):
    """`path`, or the folder of this job in it when `path` is the run directory of another job; a pathlib.Path."""
    path = pathlib.Path(path)
    config = read_config(path)
    if config is None or config["job"] == job:
        return path
    return path / job.rpartition("_")[2]


def recorded_path(config, value):
    """A path of a config.json (dict), or several with commas between; relative ones begin in the folder of its command."""
    return ",".join(os.path.join(home_of(config), path) for path in listed(value) or [value])


def read_config(folder):
    """The dict in the config.json of a folder, None if it has none. Raises UserError if it cannot be one of a run."""
    path = folder / CONFIG
    try:
        text = path.read_text()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path} ({getattr(error, 'strerror', None) or error}); {_OTHER_PATH}") from error
    try:
        return _checked(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise UserError(f"{path} does not belong to a run of this project ({reason}); {_OTHER_PATH}") from error


_OTHER_PATH = "remove it or choose another --monitor-path"


def _checked(config):
    kinds = {"job": str, "options": dict, "started": str, "continued": list, "finished": (dict, type(None))}
    for name, kind in kinds.items():
        if not isinstance(config[name], kind):
            raise TypeError(f"its {name!r} is {config[name]!r}"[:200])
    if config["finished"] is not None and not all(isinstance(line, str) for line in config["finished"]["summary"]):
        raise TypeError("its summary is not text")
    if config["finished"] is not None and not isinstance(config["finished"].get("status", 0), int):
        raise TypeError("its status is not a number")
    return config


def _machine():
    """The processor, how many of them this process may use, the system."""
    processor = platform.machine()
    with contextlib.suppress(OSError, StopIteration):
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        processor = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return f"{processor}, {len(os.sched_getaffinity(0))} CPUs, {platform.platform()}"


def _now():
    return datetime.datetime.now().isoformat(timespec="seconds")
