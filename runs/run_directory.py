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
import socket
import sys
import time

import nnabla as nn
import numpy as np

from errors import UserError
from file_names import CONFIG, CONTROLLER, EVALUATION, TABLE
from files import atomic_write
from reporting.monitors import Monitors
from reporting.report import RunReport
from runs.checkpoint import Checkpoints
from runs.found_architecture import OWN, FoundArchitecture
from runs.interruption import Interruption
from training.divergence import expect_finite
from training.processes import SINGLE

# What a run leaves in its directory. Results are moved to previous-N, the rest with them, before another run begins.
RESULTS = ("*.series.txt", TABLE, CONTROLLER, "params_*.h5", "*.nnp", EVALUATION)
OTHER_FILES = (OWN, "network.json", "report.html", "*.svg", "tensorboard")
LEAST_RATE_FACTOR = 2.0**-8  # the learning rate is not halved more often than that


class Finished(Exception):  # noqa: N818 - not an error
    """The run that was asked for has been finished before; holds what it recorded and its folder."""

    def __init__(self, result, path=None):
        super().__init__("finished")
        self.result, self.path = result, path


class RunDirectory:
    """An opened, locked run directory with its monitors and checkpoints. Inside its `with` block signals only ask for a stop.

    `resumed` is (groups, state) of the checkpoint to go on from, or None; `rate_factor` is what the learning rates are multiplied
    with after `go_back`; `architecture_files` is its `FoundArchitecture`. Opening raises `Finished` when the same run is
    complete, UserError when the directory cannot be used, is in use, or holds an unfinished run with other options.
    """

    def __init__(
        self, path, job, options, restart=False, log=print, free=(), checkpoint_interval=600.0, next_command=None,
        group=SINGLE, defaults=None, command=None,
    ):  # fmt: skip
        """`options`: dict for JSON, compared with those of an unfinished run but for the names in `free`.

        `defaults`: dict by name, what an option that the earlier run's code did not have stood for; `checkpoint_interval`:
        seconds; `next_command`: for the report, what to type when the run is finished; `group`: the processes that pause with
        this one; `command`: what to type to begin or to continue this run.
        """
        self._group = group
        self._job, self._options, self._log = job, json.loads(json.dumps(options)), log
        self._defaults = json.loads(json.dumps(defaults or {}))
        self._checkpoint_interval, self._interruption = checkpoint_interval, Interruption()
        self._opened = contextlib.ExitStack()
        self.resumed, self.rate_factor = None, 1.0
        self._last_save = time.monotonic()
        self._command, self._done = command or shlex.join(sys.argv), False
        try:
            self.path = run_folder(path, job)
            self._make()
            self._opened.callback(_release, _lock(self.path / ".lock"))
            self.monitors, self.report = Monitors(self.path, self._options.get("tensorboard")), RunReport(self.path)
            self.report.next_command, self.report.interval = next_command, checkpoint_interval
            self.architecture_files = FoundArchitecture(self.path, log)
            self.checkpoints = Checkpoints(self.path / "checkpoint")
            self._take_up(restart, free)
        except OSError as error:
            self._opened.close()
            raise UserError(f"cannot use the run directory {path}: {error.strerror}; choose another --monitor-path") from error
        except BaseException:
            self._opened.close()
            raise

    def __enter__(self):
        self._opened.enter_context(self._interruption.watch())
        return self

    def __exit__(self, kind=None, error=None, _=None):
        with self._opened:
            if error is not None and not self._done:
                self._report_end(error)

    def _report_end(self, error):
        """Let the report say that the run goes on no longer, where the system still allows that."""
        reason = "" if isinstance(error, (SystemExit, KeyboardInterrupt)) else str(error).strip() or type(error).__name__
        with contextlib.suppress(OSError, UserError):
            self.report.update(ended=reason.partition("\n")[0])

    def _make(self):
        if self.path.exists() and not self.path.is_dir():
            raise UserError(f"the run directory {self.path} is a file; choose another --monitor-path")
        self.path.mkdir(parents=True, exist_ok=True)
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise UserError(f"cannot write in the run directory {self.path}; choose another --monitor-path")

    # ---- the run that was here before ---------------------------------------------------------------------------

    def _take_up(self, restart, free):
        self._finish_setting_aside()
        earlier = _read_config(self.path)
        finished = earlier is not None and earlier["finished"] is not None
        changed = _changes(self._defaults | earlier["options"], self._options, free) if earlier else []
        if finished and self.checkpoints.left_over():  # its process was killed in `finish`
            self._tidy()
        if finished and not changed and not restart:
            raise Finished(earlier["finished"], self.path)
        if earlier is None and not restart and self.checkpoints.exist():
            raise UserError(f"{self.path} holds checkpoints without a {CONFIG}; put it back, or --restart starts over")
        if earlier is None or finished or restart or not self.checkpoints.exist():
            self._begin()
        elif changed:
            raise _other_options(self.path, changed)
        else:
            self._continue(earlier)

    def _begin(self):
        self._set_aside()
        self.checkpoints.remove()
        self._times = {"started": _now(), "continued": []}
        self._write_config(None)

    def _continue(self, earlier):
        self._times = {"started": earlier["started"], "continued": [*earlier["continued"], _now()]}
        self._load()
        self._write_config(None)
        self._log(f"resuming the run in {self.path}")

    def _load(self):
        groups, state = self.checkpoints.load(self._log)
        self.monitors.restore(state["monitors"])
        self.rate_factor = state["rate_factor"]
        self.resumed = groups, state

    def _set_aside(self):
        """Move what another run left to a folder of its own; a process killed meanwhile leaves that to the next one."""
        results = RESULTS if self._job.endswith("_retrain") else (*RESULTS, OWN)  # a retraining begins with writing its own
        if any(path for pattern in results for path in self.path.glob(pattern)):
            (self.path / ".previous").mkdir()
            self._finish_setting_aside()

    def _finish_setting_aside(self):
        moving = self.path / ".previous"
        if not moving.exists():
            return
        for pattern in (*RESULTS, *OTHER_FILES, CONFIG):
            for path in self.path.glob(pattern):
                # A retraining may have read its own copy: that stays until the next run has its own.
                put = shutil.copy if path.name == OWN and self._job.endswith("_retrain") else shutil.move
                put(path, moving / path.name)
        number = 1
        while (self.path / f"previous-{number}").exists():
            number += 1
        moving.rename(self.path / f"previous-{number}")
        self._log(f"what an earlier run left in {self.path} is now in {self.path / f'previous-{number}'}")

    def _write_config(self, result):
        document = {
            "job": self._job,
            "options": self._options,
            "command": self._command,
            "versions": {"python": platform.python_version(), "nnabla": nn.__version__, "numpy": np.__version__},
            "machine": platform.platform(),
            "processes": self._group.size,
            **self._times,
            "finished": result,
        }
        with atomic_write(self.path / CONFIG, "w") as file:
            json.dump(document, file, indent=1)
            file.write("\n")

    # ---- the run that is here now -------------------------------------------------------------------------------

    def save(self, groups, state):
        """Write a checkpoint: groups of arrays, and a state for JSON to which the options and the monitors' lengths are added.

        Raises `Diverged` instead when a number in the arrays is not finite.
        """
        for name, arrays in groups.items():
            expect_finite(arrays, name)
        position = {"monitors": self.monitors.state(), "rate_factor": self.rate_factor}
        self.checkpoints.save(groups, {"job": self._job, "options": self._options} | state | position)
        self._last_save = time.monotonic()

    def pause_point(self, save, due=False):
        """Where the run can stop and go on: `save()` is called if it is `due`, after the interval, and before a signal's exit.

        Raises SystemExit(128 + number) after SIGINT, SIGTERM or SIGUSR1.
        """
        late = time.monotonic() - self._last_save > self._checkpoint_interval
        number, due = self._group.agree(self._interruption.signal or 0, due or late)
        if due or number:
            save()
        if late:
            self.report.update(still=True)
        if number:
            print(f"stopped; this resumes the run in {self.path}: {self._command}", file=sys.stderr)
            sys.exit(128 + number)

    def go_back(self, reason):
        """After `Diverged`: make the last checkpoint `resumed` again, with half the learning rate.

        Raises UserError when the rate has been halved too often.
        """
        if self.rate_factor <= LEAST_RATE_FACTOR:
            raise UserError(f"{reason}, even with {self.rate_factor:g} times the learning rates; choose lower ones and --restart")
        rate_factor = self.rate_factor / 2
        self._load()
        self.rate_factor = rate_factor
        self._log(f"{reason}: back to the last checkpoint, with {rate_factor:g} times the learning rates")

    def finish(self, result):
        """Mark the run as complete (`result`: what to say when it is asked for again) and remove the checkpoints."""
        self._write_config(result)
        self._done = True
        self._tidy()

    def _tidy(self):
        self.report.update()
        self.checkpoints.remove()


def read_options(path, job):
    """Options of the run of `job` in a run directory. Raises UserError if there is none."""
    config = _read_config(run_folder(path, job))
    if config is None or config["job"] != job:
        raise UserError(f"{path} holds no {job} run (no {CONFIG} of one); give its --monitor-path")
    return config["options"]


def run_folder(path, job):
    """`path`, or the folder of this job in it when `path` is the run directory of another job; a pathlib.Path."""
    path = pathlib.Path(path)
    config = _read_config(path)
    if config is None or config["job"] == job:
        return path
    return path / job.rpartition("_")[2]


def _read_config(folder):
    path = folder / CONFIG
    try:
        text = path.read_text()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path} ({getattr(error, 'strerror', None) or error}); {_OTHER_PATH}") from error
    try:
        return _checked_config(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{path} is not of a run here ({type(error).__name__}: {error}); {_OTHER_PATH}") from error


_OTHER_PATH = "remove it or choose another --monitor-path"


def _checked_config(config):
    kinds = {"job": str, "options": dict, "started": str, "continued": list, "finished": (dict, type(None))}
    for name, kind in kinds.items():
        if not isinstance(config[name], kind):
            raise TypeError(f"its {name!r} is {config[name]!r}"[:200])
    if config["finished"] is not None and not all(isinstance(line, str) for line in config["finished"]["summary"]):
        raise TypeError("its summary is no text")
    if config["finished"] is not None and not isinstance(config["finished"].get("status", 0), int):
        raise TypeError("its status is no number")
    return config


def _lock(path):
    """An open file that no other process can lock as long as this one lives."""
    while True:
        handle = open(path, "a+")  # noqa: SIM115 - held as long as the run; the system frees it with the process
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            with handle:
                raise _refused_lock(handle, path.parent, error) from error
        if path.exists() and os.path.samestat(os.fstat(handle.fileno()), path.stat()):
            break
        handle.close()  # the owner before removed it between the two calls
    handle.truncate(0)
    handle.write(f"process {os.getpid()} on {socket.gethostname()}")
    handle.flush()
    return handle


def _refused_lock(handle, folder, error):
    if not isinstance(error, BlockingIOError):
        return UserError(f"cannot lock the run directory {folder}: {error.strerror}; choose another --monitor-path")
    handle.seek(0)
    owner = handle.read(200) or "another process"
    return UserError(f"{owner} is running in {folder}; wait for its end or choose another --monitor-path")


def _release(handle):
    with contextlib.suppress(OSError):
        os.unlink(handle.name)
    handle.close()


def _now():
    return datetime.datetime.now().isoformat(timespec="seconds")


def _changes(before, now, free):
    """[(option, value before, value now)] of those that differ."""
    names = sorted(set(before) | set(now))
    return [(name, before.get(name), now.get(name)) for name in names if name not in free and before.get(name) != now.get(name)]


def _other_options(folder, changed):
    rows = [(f"--{name.replace('_', '-')}", str(before), str(now)) for name, before, now in changed]
    names = ", ".join(name for name, *_ in rows)
    return UserError(
        f"{folder} holds an unfinished run with another value of {names}; repeat them to resume it, or --restart starts over",
        details=_table([("option", "unfinished run", "now"), *rows]),
    )


def _table(rows):
    """Lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
