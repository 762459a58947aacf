"""A run that was interrupted, wherever that was, ends with the files of one that was not, to the byte."""

import errno
import os
import pathlib
import shutil
import signal
import sys
import tempfile

import pytest

from errors import report_and_exit
from runs import run_directory
from tests import toys
from tests.toys import contents

# What Python reports before it asks the system to change something (PEP 578).
CHANGES = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.chmod")


def search_best_candidate(folder):
    toys.search(folder, schedule="best-candidate")


def search_with_a_late_controller(folder):
    toys.search(folder, controller_start=1)


JOBS = [toys.search, search_best_candidate, search_with_a_late_controller, toys.retrain]


def child(function):
    """Run `function` as a script's main in a forked process; returns (exit status or -signal, standard error)."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        os.dup2(writer, 2)
        sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115 - for the rest of this process
        sys.argv = ["toy"]
        os.fsync = lambda handle: None  # only a power failure would tell the difference
        run_directory.RunReport = toys.ToyReport
        try:
            report_and_exit(function)
        except SystemExit as end:
            os._exit(end.code or 0)
        except BaseException as error:
            print(f"Traceback: {error!r}", file=sys.stderr)
        os._exit(1)
    os.close(writer)
    with open(reader) as file:
        text = file.read()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), text


def at_changes(folder, act):
    """Call `act(number, writes)` before each change below `folder` in this process; `writes`: it needs room on the disk."""
    numbers = iter(range(10**6))

    def hook(event, arguments):
        if event not in CHANGES or not _is_below(arguments[0], folder):
            return
        needs_room = event == "os.mkdir" or event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if needs_room or event != "open":
            act(next(numbers), needs_room)

    sys.addaudithook(hook)


def _is_below(path, folder):
    """A relative path comes from rmtree, which works inside the folder that it removes."""
    return isinstance(path, str | os.PathLike) and (not os.path.isabs(path) or os.fspath(path).startswith(f"{folder}{os.sep}"))


def whole_run(job, folder, start=None):
    """Files of a run in `folder` that nothing interrupts, and how many changes it takes; `start`: folder to begin with."""
    _prepare(folder, start)
    counts = folder.parent / f"{folder.name}.count"

    def run():
        at_changes(folder, lambda number, _: counts.write_text(str(number)))
        job(folder)

    assert child(run) == (0, "")
    return contents(folder), int(counts.read_text()) + 1


def interrupted_run(job, folder, act, start=None):
    """(status, standard error) of a run in `folder` in which `act(number, needs_room)` is called before each change."""
    _prepare(folder, start)

    def run():
        at_changes(folder, act)
        job(folder)

    return child(run)


def _prepare(folder, start):
    shutil.copytree(start, folder) if start else folder.mkdir()


@pytest.fixture
def memory(tmp_path):
    """A folder in memory, where there is one: thousands of files take minutes on some disks."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield pathlib.Path(folder)


def check_interruptions(job, memory, interrupt, statuses, lines, stride, start=None, end=None):
    """Interrupt runs at every `stride`th change by `interrupt(number)`; continued they must end as if they had not been."""
    wanted, total = whole_run(job, memory / "whole", start)
    assert total > 50
    for number in range(0, total if end is None else end, stride):
        folder = memory / "run"
        status, errors = interrupted_run(job, folder, interrupt(number), start)
        assert status in statuses and errors.count("\n") <= lines and "Traceback" not in errors, (number, status, errors)
        assert child(lambda: job(folder)) == (0, ""), number  # noqa: B023 - called here and now
        assert contents(folder) == wanted, number
        shutil.rmtree(folder)


def kill(number):
    def act(current, _):
        if current == number:
            os.kill(os.getpid(), signal.SIGKILL)

    return act


def fill_disk(number):
    def act(current, needs_room):
        if current >= number and needs_room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return act


def terminate(number):
    def act(current, _):
        if current == number:
            os.kill(os.getpid(), signal.SIGTERM)

    return act


INTERRUPTIONS = [  # how, exit statuses, most lines on standard error
    (kill, {-signal.SIGKILL}, 0),
    (fill_disk, {2, 0}, 1),  # 0: only what is done without room was left to do
    (terminate, {128 + signal.SIGTERM, 0}, 3),
]


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("interrupt, statuses, lines", INTERRUPTIONS)
def test_interrupted_at_some_changes_of_files(memory, job, interrupt, statuses, lines):
    check_interruptions(job, memory, interrupt, statuses, lines, 17)


@pytest.mark.slow
@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("interrupt, statuses, lines", INTERRUPTIONS)
def test_interrupted_at_every_change_of_a_file(memory, job, interrupt, statuses, lines):
    check_interruptions(job, memory, interrupt, statuses, lines, 1)


@pytest.mark.parametrize("interrupt, statuses, lines", INTERRUPTIONS)
def test_interrupted_while_a_finished_run_is_set_aside(memory, interrupt, statuses, lines):
    """The files of the first run are all in previous-1 in the end."""
    whole_run(toys.search, memory / "first")

    def another_search(folder):
        toys.search(folder, seed=1)

    check_interruptions(another_search, memory, interrupt, statuses, lines, 1, memory / "first", 30)
    assert not (memory / "whole" / "run" / "previous-2").exists()
