"""The directory of one run (`--monitor-path`): who may use it, what was asked for, where the run stands."""

import contextlib
import datetime
import fcntl
import json
import os
import pathlib
import platform
import shlex
import shutil
import signal
import sys
import time

import nnabla as nn
import numpy as np

from errors import UserError
from files import atomic_write
from reporting.monitors import Monitors
from training.checkpoint import Checkpoints

# What a run leaves in its directory; moved to previous-N when another run follows a finished one.
RUN_FILES = (
    "config.json", "*.series.txt", "architectures.csv", "controller_params.h5", "params_*.h5",
    "report.html", "*.svg", "model.nnp",
)  # fmt: skip


class Finished(Exception):  # noqa: N818 - not an error
    """The run that was asked for has been finished before; holds what it recorded."""

    def __init__(self, result):
        super().__init__("finished")
        self.result = result


class RunDirectory:
    """An opened, locked run directory with its monitors and checkpoints.

    `resumed` is (groups, state) of the checkpoint to go on from, or None. Raises `Finished` when the same run is complete, UserError
    when the directory cannot be used, is in use, or holds an unfinished run with other options.
    """

    def __init__(self, path, job, options, restart=False, log=print, free=(), checkpoint_interval=600.0):
        self.path = _own_folder(pathlib.Path(path), job)
        self._job, self._options, self._log = job, options, log
        self._checkpoint_interval, self._interruption = checkpoint_interval, Interruption()
        self._make()
        self._lock = _lock(self.path)
        self.monitors = Monitors(self.path)
        self.checkpoints = Checkpoints(self.path / "checkpoint")
        self.resumed = None
        self._last_save = time.monotonic()
        self._take_up(_read_config(self.path), restart, free)

    def _make(self):
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"cannot make the run directory {self.path}: {error.strerror}; choose another --monitor-path"
            ) from error
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise UserError(f"cannot write in the run directory {self.path}; choose another --monitor-path")

    def _take_up(self, earlier, restart, free):
        if earlier and earlier["finished"] is None and not self.checkpoints.exist():
            earlier = None  # it had not got anywhere
        changed = _changes(earlier["options"], self._options, free) if earlier else []
        if earlier and earlier["finished"] is not None:
            if not changed and not restart:
                raise Finished(earlier["finished"])
            self._set_aside()
        elif earlier and restart:
            self.checkpoints.remove()
        elif earlier and changed:
            raise UserError(_changes_message(self.path, changed))
        elif earlier:
            self.resumed = self.checkpoints.load(self._log)
        if self.resumed:
            self.monitors.restore(self.resumed[1]["monitors"])
            self._log(f"continuing the run in {self.path}")
        else:
            self.monitors.restore({})
        self._write_config(None)

    def _set_aside(self):
        number = 1
        while (self.path / f"previous-{number}").exists():
            number += 1
        folder = self.path / f"previous-{number}"
        folder.mkdir()
        for pattern in RUN_FILES:
            for path in self.path.glob(pattern):
                shutil.move(path, folder / path.name)
        self._log(f"the finished run that was in {self.path} is now in {folder}")

    def _write_config(self, result):
        document = {
            "job": self._job,
            "options": self._options,
            "command": shlex.join(sys.argv),
            "versions": {"python": platform.python_version(), "nnabla": nn.__version__, "numpy": np.__version__},
            "machine": platform.platform(),
            "started": datetime.datetime.now().isoformat(timespec="seconds"),
            "finished": result,
        }
        with atomic_write(self.path / "config.json", "w") as file:
            json.dump(document, file, indent=1)
            file.write("\n")

    def save(self, groups, state):
        """Write a checkpoint: groups of arrays, and a state for JSON to which the monitors' lengths are added."""
        self.checkpoints.save(groups, state | {"monitors": self.monitors.state()})
        self._last_save = time.monotonic()

    def watch_signals(self):
        """Context in which SIGINT and SIGTERM end the run at the next `pause_point`."""
        return self._interruption.watch()

    def pause_point(self, save):
        """Where the run could stop and go on: `save()` is called after the interval, and before a signal's exit (SystemExit)."""
        number = self._interruption.signal
        if number is not None or time.monotonic() - self._last_save > self._checkpoint_interval:
            save()
        if number is not None:
            print(f"\nstopped; the same command continues the run in {self.path}", file=sys.stderr)
            sys.exit(128 + number)

    def finish(self, result):
        """Mark the run as complete (`result`: what to say when it is asked for again) and remove the checkpoints."""
        self._write_config(result)
        self.checkpoints.remove()

    def close(self):
        """Give the directory free for another process."""
        self._lock.close()


def read_options(path, job):
    """Options of the run of `job` in a run directory. Raises UserError if there is none."""
    config = _read_config(_own_folder(pathlib.Path(path), job))
    if config is None or config["job"] != job:
        raise UserError(f"{path} holds no {job} run (no config.json of one); give its --monitor-path")
    return config["options"]


class Interruption:
    """SIGINT and SIGTERM ask for a stop at the next good moment; a second SIGINT ends the process at once."""

    def __init__(self):
        self.signal = None

    @contextlib.contextmanager
    def watch(self):
        """Handle the two signals inside the block."""
        earlier = {number: signal.signal(number, self._handle) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield self
        finally:
            for number, handler in earlier.items():
                signal.signal(number, handler)

    def _handle(self, number, frame):
        if self.signal == signal.SIGINT == number:
            os._exit(128 + number)
        self.signal = number


def _own_folder(path, job):
    """`path`, or the folder of this job in it when `path` is the run directory of another job."""
    config = _read_config(path)
    if config is None or config["job"] == job:
        return path
    return path / job.rpartition("_")[2]


def _read_config(folder):
    path = folder / "config.json"
    if folder.exists() and not folder.is_dir():
        raise UserError(f"the run directory {folder} is a file; choose another --monitor-path")
    if not path.exists():
        return None
    try:
        config = json.loads(path.read_text())
        return {"job": config["job"], "options": dict(config["options"]), "finished": config["finished"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"cannot read {path} ({type(error).__name__}); remove it or choose another --monitor-path") from error


def _lock(folder):
    handle = open(folder / ".lock", "w")  # noqa: SIM115 - held as long as the run; the system frees it with the process
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.close()
        raise UserError(f"another process is running in {folder}; wait for it or choose another --monitor-path") from error
    return handle


def _changes(before, now, free):
    names = sorted(set(before) | set(now))
    return [(name, before.get(name), now.get(name)) for name in names if name not in free and before.get(name) != now.get(name)]


def _changes_message(folder, changed):
    table = "; ".join(f"--{name.replace('_', '-')} was {before}, is {now}" for name, before, now in changed)
    return f"{folder} holds an unfinished run with other options: {table}. Give the same options to continue it, or --restart"
