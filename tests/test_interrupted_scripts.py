"""The scripts as a user starts them: killed, stopped by a signal, started again. (`python -m tests.kill` does more of it.)"""

import html
import os
import pathlib
import random
import resource
import signal
import subprocess
import tempfile
import time

import pytest

from tests import kill
from tests.toys import contents


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A place for all runs, in memory where there is some: a checkpoint after every step takes its time on some disks."""
    parent = "/dev/shm" if os.access("/dev/shm", os.W_OK) else tmp_path_factory.mktemp("runs")
    with tempfile.TemporaryDirectory(dir=parent) as place:
        yield pathlib.Path(place, "here")


@pytest.fixture(scope="module")
def undisturbed(folder):
    """Function of a script: (files, seconds) of a run that nobody disturbs; the folder is ready for the next."""
    known = {}

    def find(script):
        if script not in known:
            known[script] = kill.undisturbed(script, folder)
        kill.prepare(script, folder)
        return known[script]

    return find


@pytest.mark.parametrize("script", ["macro_search", "ptb_retrain", "ptb2018_search", "ptb2018_retrain"])
def test_killed_at_random_moments(script, folder, undisturbed):
    wanted, seconds = undisturbed(script)
    kills, _ = kill.disturbed(script, folder, seconds, random.Random(script))
    assert kills
    kill.compare(wanted, contents(folder), script)


@pytest.mark.slow
@pytest.mark.parametrize("script", kill.SCRIPTS)
def test_killed_at_more_random_moments(script, folder):
    kill.check(script, 3, random.randrange(10**6), folder)


def begun(script, folder):
    """A process that has written a first line into a series."""
    process = kill.start(script, folder)
    while not list(folder.glob("run/*.series.txt")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.005)
    return process


def finished_as(wanted, script, folder):
    """Continue the run; its files must be those of the undisturbed one."""
    kill.finish(kill.start(script, folder), f"{script}, continued")
    kill.compare(wanted, contents(folder), script)


@pytest.mark.parametrize(
    "script, number",
    [
        ("micro_retrain", signal.SIGTERM), ("macro_search", signal.SIGINT), ("ptb_retrain", signal.SIGINT),
        ("ptb2018_search", signal.SIGTERM), ("ptb2018_retrain", signal.SIGINT),
    ],
)  # fmt: skip
def test_stopped_by_a_signal_and_continued(script, number, folder, undisturbed):
    wanted, _ = undisturbed(script)
    process = begun(script, folder)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "Traceback" not in errors and errors.count("\n") <= 3
    # A thread says that the run is stopping, and on a busy machine it may say so after the run has stopped.
    [command] = [line for line in errors.splitlines() if line.startswith("stopped; this resumes the run in run: ")]
    command = command.partition(": ")[2]
    page = html.unescape((folder / "run" / "report.html").read_text())
    assert "<b>stopped after " in page and command.strip() in page
    if number == signal.SIGTERM:
        subprocess.run(["bash", "-c", command], cwd="/", check=True)  # as it stands, from anywhere
        kill.compare(wanted, contents(folder), script)
    finished_as(wanted, script, folder)


def test_a_disk_that_gets_full(folder, undisturbed):
    """The limit on the size of files is set from outside, and lifted for the next process. Any file may meet it first."""
    wanted, _ = undisturbed("macro_search")
    process = begun("macro_search", folder)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert errors.count("\n") == 1 and "File too large" in errors and "same command" in errors
    finished_as(wanted, "macro_search", folder)


def test_the_second_process_is_refused_and_the_first_goes_on(folder, undisturbed):
    wanted, _ = undisturbed("macro_search")
    first = begun("macro_search", folder)
    first.send_signal(signal.SIGSTOP)
    try:
        second = kill.start("macro_search", folder)
        _, errors = second.communicate(timeout=60)
    finally:
        first.send_signal(signal.SIGCONT)
    assert second.returncode == 2 and f"process {first.pid} on " in errors and errors.count("\n") == 1
    kill.finish(first, "the first process")
    kill.compare(wanted, contents(folder), "the first process")


def test_standard_output_that_is_closed(folder, undisturbed):
    """As under `| head`: a line, no traceback, and the run can go on."""
    wanted, _ = undisturbed("macro_search")
    process = kill.start("macro_search", folder, quiet="", stdout=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()
    assert process.wait(60) == 2 and errors.splitlines()[-1].endswith("Broken pipe; the same command resumes the run")
    assert "Traceback" not in errors
    finished_as(wanted, "macro_search", folder)
