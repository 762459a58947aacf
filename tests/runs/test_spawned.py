"""Processes that the first one starts itself: how many, what they compute, how they end."""

import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from errors import UserError
from runs import spawned
from tests.runs.test_parallel import ROOT, run, several
from tests.toys import contents

TOY = "-c cpu --preset quick --train-size 64 --validation-size 100 -b 16 --quiet --cpu-kernels nnabla -e 1 -C 3"
TOY += " --controller-steps 2 --num-derive 3 --num-layers 3 --output-filter 4 -m run"


def options(**changes):
    """What `number_of_processes` reads."""
    usual = {"processes": None, "context": "cpu", "cpu_threads": None, "batch_size": 128, "sampling_only": False}
    return SimpleNamespace(**usual | changes)


@pytest.fixture
def eight_cores(monkeypatch, tmp_path):
    """A machine with all that is needed, and nothing that says how many threads there are."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(8)))
    monkeypatch.setattr(spawned, "_launcher", lambda: tmp_path)


@pytest.mark.parametrize("changes, count", [
    ({}, 4), ({"batch_size": 64}, 2), ({"batch_size": 63}, 1), ({"batch_size": 50}, 2), ({"batch_size": 46}, 1),
    ({"batch_size": 256}, 8), ({"batch_size": 1000}, 8),
    ({"batch_size": 225}, 5), ({"batch_size": 16}, 1), ({"cpu_threads": 2}, 1), ({"context": "cudnn"}, 1),
    ({"sampling_only": True}, 1), ({"evaluate_only": True}, 1), ({"processes": 3, "batch_size": 48}, 3), ({"processes": 1}, 1),
    ({"processes": 2, "cpu_threads": 2}, 2), ({"processes": 2, "batch_size": 16}, 2),
])  # fmt: skip
def test_a_process_for_each_core_that_has_a_share_worth_it(eight_cores, changes, count):
    assert spawned.number_of_processes(options(**changes)) == count


@pytest.mark.parametrize("context, installed, count", [(None, False, 4), (None, True, 1), ("cpu", True, 4)])
def test_where_a_gpu_may_be_there_is_one_process(eight_cores, monkeypatch, context, installed, count):
    monkeypatch.setattr("runs.cuda_libraries.installed", lambda: installed)
    assert spawned.number_of_processes(options(context=context)) == count


def test_one_process_without_mpi_or_where_the_threads_are_given(eight_cores, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    assert spawned.number_of_processes(options()) == 1
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr(spawned, "_launcher", lambda: None)
    assert spawned.number_of_processes(options()) == 1
    with pytest.raises(UserError, match=r"2 processes need mpi4py, Open MPI and Linux .*; pip install '.\[distributed\]'"):
        spawned.in_processes(2, lambda: None)


def test_where_processes_cannot_watch_each_other_there_is_one(monkeypatch):
    monkeypatch.delattr(os, "pidfd_open")
    assert spawned._launcher() is None


def test_where_none_can_be_started_this_one_works_alone_unless_several_were_asked_for(eight_cores, monkeypatch):
    def refuse(count):
        raise UserError(f"no {count} processes")

    monkeypatch.setattr(spawned, "_start", refuse)
    told = []
    assert spawned.in_processes(2, lambda: "done", told.append) == "done" and told == ["no 2 processes"]
    with pytest.raises(UserError, match="no 2 processes"):
        spawned.in_processes(2, lambda: "done")


def test_shares_that_cannot_be_equal_are_refused_before_a_process_is_started(eight_cores):
    with pytest.raises(UserError, match="--batch-size must be a multiple .* found 128 for 3 processes"):
        spawned.number_of_processes(options(processes=3))


def test_drawing_architectures_is_for_one_process(eight_cores):
    assert spawned.number_of_processes(options(processes=2, sampling_only=True)) == 1


def test_several_gpus_need_mpirun(eight_cores):
    with pytest.raises(UserError, match="--processes is for CPUs; .* mpirun"):
        spawned.number_of_processes(options(processes=2, context="cudnn"))


def test_those_of_mpirun_are_as_many_as_they_are(eight_cores, monkeypatch):
    monkeypatch.setattr("runs.parallel.all_processes", lambda: SimpleNamespace(size=4))
    assert [spawned.number_of_processes(options(processes=asked)) for asked in (None, 1, 4)] == [4, 4, 4]
    with pytest.raises(UserError, match="--processes 2 contradicts the 4 processes that were started"):
        spawned.number_of_processes(options(processes=2))
    assert spawned.in_processes(4, lambda: "here") == "here"


def start(script, *words, cwd, **more):
    """A script of the project in two processes."""
    command = [sys.executable, str(ROOT / script), *words, "--processes", "2"]
    return subprocess.Popen(command, cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)


@several
def test_they_do_what_those_of_mpirun_do(tmp_path):
    for name in ("spawned", "mpirun"):
        (tmp_path / name).mkdir()
    process = start("macro_search.py", *TOY.split(), "-i", "2", cwd=tmp_path / "spawned")
    output, errors = process.communicate(timeout=100)
    assert (process.returncode, output, errors) == (0, "", "")
    status, _, errors = run(ROOT / "macro_search.py", *TOY.split(), "-i", "2", cwd=tmp_path / "mpirun")
    assert status == 0, errors
    found, wanted = (contents(tmp_path / name / "run") for name in ("spawned", "mpirun"))
    assert set(found) == set(wanted)
    for path in ("architectures.csv", "controller_params.h5", "Training-loss.series.txt"):
        assert found[path] == wanted[path]
    assert json.loads((tmp_path / "spawned" / "run" / "config.json").read_text())["processes"] == 2


@several
def test_a_mistake_is_told_once(tmp_path):
    process = start("macro_search.py", "-c", "cpu", "--preset", "quick", "-b", "15", cwd=tmp_path)
    output, errors = process.communicate(timeout=100)
    assert (process.returncode, output) == (2, "")
    assert errors == (
        "macro_search.py: error: --batch-size must be a multiple of the number of processes, found 15 for 2 processes\n"
    )
    assert list(tmp_path.iterdir()) == []


def at_work(folder):
    """A long search in two processes that has written a checkpoint."""
    words = [*TOY.split(), "-i", "500", "--checkpoint-interval", "0.001"]
    process = start("macro_search.py", *words, cwd=folder, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    while not any(folder.glob("run/checkpoint/0*")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    return process


def others(process):
    """The PIDs of the processes with its command line."""
    found = []
    for folder in os.listdir("/proc"):
        if folder.isdecimal() and int(folder) != process.pid:
            try:
                with open(f"/proc/{folder}/cmdline") as file:
                    command = file.read().split("\0")
                if os.readlink(f"/proc/{folder}/cwd") == os.readlink(f"/proc/{process.pid}/cwd") and "--processes" in command:
                    found.append(int(folder))
            except OSError:
                continue
    return found


def ended(pids, seconds=20):
    """Are they gone soon?"""
    end = time.monotonic() + seconds
    while any(os.path.exists(f"/proc/{pid}") for pid in pids):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


@several
def test_ctrl_c_is_for_all_of_them_and_one_process_goes_on(tmp_path):
    process = at_work(tmp_path)
    rest = others(process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "stopped; this resumes the run in run: " in errors
    assert len(rest) == 1 and ended(rest)
    command = [sys.executable, ROOT / "macro_search.py", *TOY.replace("--quiet", "").split(), "-i", "500"]
    alone = subprocess.Popen([*command, "--processes", "1"], cwd=tmp_path, text=True, stdout=subprocess.PIPE)
    lines = iter(alone.stdout.readline, "")
    assert any("resuming the run in run" in line for line in lines)
    alone.kill()
    alone.communicate()


@several
@pytest.mark.parametrize("victim", ["first", "other"])
def test_when_one_is_killed_none_stays_behind(tmp_path, victim):
    process = at_work(tmp_path)
    rest = others(process)
    os.kill(process.pid if victim == "first" else rest[0], signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert ended(rest)
    if victim == "other":
        assert process.returncode == 1
        assert errors == "process 1 of 2 has ended before the others; the same command resumes the run\n"
