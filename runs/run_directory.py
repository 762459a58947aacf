"""The directory of one run (`--monitor-path`): opening it, going on from a checkpoint, pausing, finishing."""

import contextlib
import os
import sys

from errors import UserError
from file_names import CHECKPOINTS, CONFIG, LAST_CHECKPOINT
from reporting.monitors import Monitors
from reporting.report import RunReport
from runs.checkpoint import Checkpoints
from runs.found_architecture import FoundArchitecture
from runs.pauses import Pauses
from runs.previous_run import PreviousRun
from runs.run_config import RunConfig, read_config, run_folder
from runs.run_lock import locked
from training.divergence import expect_finite
from training.processes import SINGLE

MOST_TOLD = 3  # options of a refusal
TELLING = ("preset", "dataset", "architecture")  # those that explain the others come first
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

    def __init__(self, path, request, log=print, checkpoint_interval=600.0, next_command=None, processes=SINGLE):
        """`request`: a `Request`; `checkpoint_interval`: seconds; `next_command`: for the report, what to type when the run is
        finished; `processes`: those that pause with this one.
        """
        self.resumed, self.rate_factor = None, 1.0
        self._request, self._log, self._pauses = request, log, Pauses(processes, checkpoint_interval)
        self._done = False
        try:
            self.path = run_folder(path, request.job)
            self._make()
            with contextlib.ExitStack() as opened:
                opened.enter_context(locked(self.path))
                self._config = RunConfig(self.path, request, processes.size, next_command)
                self.monitors, self.report = Monitors(self.path, request.options.get("tensorboard")), RunReport(self.path)
                self.report.interval = checkpoint_interval
                self.architecture_files = FoundArchitecture(self.path, log)
                self.checkpoints = Checkpoints(self.path / CHECKPOINTS)
                self._take_up()
                self._opened = opened.pop_all()
        except OSError as error:
            raise UserError(f"cannot use the run directory {path}: {error.strerror}; choose another --monitor-path") from error

    def __enter__(self):
        self._opened.enter_context(self._pauses.watch())
        return self

    def __exit__(self, kind=None, error=None, _=None):
        with self._opened:
            if error is not None and not self._done:
                self._report_end(error)

    @property
    def signal(self):
        """The number of the signal that asked this process for a stop, or 0: one after the last pause ends nothing."""
        return self._pauses.signal

    def _report_end(self, error):
        """Let the report say that the run goes on no longer, where the system still allows that."""
        reason = "" if isinstance(error, (SystemExit, KeyboardInterrupt)) else str(error).strip() or type(error).__name__
        with contextlib.suppress(OSError, UserError):
            self.report.update(ended=reason.partition("\n")[0])

    # ---- opening ------------------------------------------------------------------------------------------------

    def _make(self):
        if self.path.exists() and not self.path.is_dir():
            raise UserError(f"the run directory {self.path} is a file; choose another --monitor-path")
        self.path.mkdir(parents=True, exist_ok=True)
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise UserError(f"cannot write in the run directory {self.path}; choose another --monitor-path")

    def _take_up(self):
        previous, restart = PreviousRun(self.path, self._request.job.endswith("_retrain"), self._log), self._request.restart
        previous.finish()
        earlier = read_config(self.path)
        finished = earlier is not None and earlier["finished"] is not None
        changed = self._request.changes(earlier) if earlier else []
        other_data = self._request.other_data(earlier) if earlier else ""
        if finished and self.checkpoints.left_over():  # its process was killed in `finish`
            self._tidy()
        if finished and not changed and not other_data and not restart:
            raise Finished(earlier["finished"], self.path)
        if finished and not restart and not other_data and self._can_be_longer(earlier):
            self.checkpoints.take_back(self.path / LAST_CHECKPOINT)
            return self._continue(earlier)
        if earlier is None and not restart and self.checkpoints.exist():
            raise UserError(f"{self.path} holds checkpoints but no {CONFIG}; restore it, or use --restart to start over")
        if earlier is None or finished or restart or not self.checkpoints.exist():
            self._begin(previous)
        elif changed:
            raise _other_options(self.path, changed)
        elif other_data:
            raise _changed_data(self.path, other_data)
        else:
            self._continue(earlier)

    def _can_be_longer(self, earlier):
        """Does the finished run in the dict `earlier`, a config.json, go on as the longer one would have? A line says why not."""
        request = self._request
        if not request.lengthens(earlier):
            return False
        reason = request.bound_to_length
        if reason is None and not (self.path / LAST_CHECKPOINT).exists():
            reason = "its last checkpoint was not kept (--keep-checkpoint)"
        if reason is not None:
            option = f"--{request.length.replace('_', '-')}"
            self._log(f"starting over: the run in {self.path} cannot be continued with a larger {option}, because {reason}")
        return reason is None

    def _begin(self, previous):
        self._request.expect_beginning()
        previous.set_aside()
        self.checkpoints.remove()
        self._config.begin()

    def _continue(self, earlier):
        self._load()
        self._config.resume(earlier)
        self._log(f"resuming the run in {self.path}")

    def _load(self):
        groups, state = self.checkpoints.load(self._log)
        self.monitors.restore(state["monitors"])
        self.rate_factor = state["rate_factor"]
        self.resumed = groups, state

    # ---- while it is open ---------------------------------------------------------------------------------------

    def save(self, groups, state):
        """Write a checkpoint: groups of arrays, and a state for JSON to which the options and the monitors' lengths are added.

        Raises `Diverged` instead when a number in the arrays is not finite.
        """
        for name, arrays in groups.items():
            expect_finite(arrays, name)
        position = {"monitors": self.monitors.state(), "rate_factor": self.rate_factor}
        self.checkpoints.save(groups, {"job": self._request.job, "options": self._request.options} | state | position)
        self._pauses.saved()

    def pause_point(self, save, due=False):
        """Where the run can stop and go on: `save()` is called if it is `due`, after the interval, and before a signal's exit.

        Raises SystemExit(128 + number) after SIGINT, SIGTERM or SIGUSR1.
        """
        number, wanted, late = self._pauses.decide(due)
        if wanted:
            save()
        if late:
            self.report.update(still=True)
        if number:
            print(f"stopped; this resumes the run in {self.path}: {self._request.command}", file=sys.stderr)
            sys.exit(128 + number)

    def go_back(self, reason):
        """After `Diverged`: make the last checkpoint `resumed` again, with half the learning rate.

        Raises UserError when the rate has been halved too often.
        """
        if self.rate_factor <= LEAST_RATE_FACTOR:
            advice = "choose lower ones and use --restart"
            raise UserError(f"{reason}, even with {self.rate_factor:g} times the learning rates; {advice}")
        rate_factor = self.rate_factor / 2
        self._load()
        self.rate_factor = rate_factor
        self._log(f"{reason}: back to the last checkpoint, with {rate_factor:g} times the learning rates")

    def finish(self, result):
        """Mark the run as complete (`result`: what to say when it is asked for again) and remove the checkpoints."""
        self._config.finish(result)
        self._done = True
        self._tidy()

    def _tidy(self):
        self.report.update()
        if self._request.keep_checkpoint:
            self.checkpoints.retire(self.path / LAST_CHECKPOINT)
        self.checkpoints.remove()


def _changed_data(folder, how):
    advice = "restore them to resume it, or use --restart to start over"
    return UserError(f"the data have changed since the unfinished run in {folder} began ({how}); {advice}")


def _other_options(folder, changed):
    told = sorted(changed, key=lambda row: row[0] not in TELLING)[:MOST_TOLD]
    rows = [(f"--{name.replace('_', '-')}", _cut(before), _cut(now)) for name, before, now in told]
    more = [f"and {len(changed) - len(told)} more"] if len(changed) > len(told) else []
    names = " ".join([", ".join(name for name, *_ in rows), *more])
    return UserError(
        f"{folder} holds an unfinished run with another value of {names}; repeat them to resume it, choose another "
        "--monitor-path, or use --restart to start over",
        details=[*_table([("option", "unfinished run", "now"), *rows]), *more],
    )


def _cut(value):
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _table(rows):
    """Lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
