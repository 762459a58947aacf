"""Several architectures in one command: a run directory each, a page at the end, failures, a kill, a signal."""

import shlex
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import args
from deployment.export import write_nnp
from errors import UserError
from runs.jobs import script
from runs.several import members
from spaces import MACRO
from tests.test_scripts import ROOT
from tests.toys import contents

SMALL = ["-c", "cpu", "--cpu-threads", "1", "--preset", "quick", "--train-size", "40", "-b", "20", "--output-filter=4", "-r", "1"]
NUMBERS = {"a": (0, 1, 1, 2, 0, 1), "b": (0, 0, 1, 2, 0, 1), "c": (2, 1, 0, 1, 0, 0)}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with three architectures."""
    monkeypatch.chdir(tmp_path)
    for name, numbers in NUMBERS.items():
        np.save(f"{name}.npy", numbers)
    return tmp_path


@pytest.fixture
def retrain(here, monkeypatch, capsys):
    """Function of words: (exit status, what it prints, what it complains of)."""

    def run(*words):
        monkeypatch.setattr("sys.argv", ["macro_retrain.py", *SMALL, *map(str, words)])
        status = script(MACRO, "retrain")()
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


def parsed(*words):
    return args.parse("macro", args.RETRAIN, list(words))


def test_each_has_a_run_directory_and_a_page_compares_them(retrain, here):
    status, out, _ = retrain("--recommended-arch", "a.npy", "b.npy", "2 1 0 1 0 0", "-m", "all", "-o", "weights")
    found = [line.partition(": test accuracy")[0] for line in out.splitlines()[-4:-1]]
    assert status == 0 and found[:2] == ["a", "b"] and found[2].startswith("arch-")
    page = (here / "all" / "comparison.html").read_text()
    assert "comparison of 3 runs" in page and "architecture a" in page
    for name in found:
        assert f'href="{name}/report.html"' in page and (here / "all" / name / "report.html").exists()
        assert (here / "weights" / name / "model.nnp").exists()
    before = (here / "all" / "a" / "config.json").read_bytes()
    status, out, _ = retrain("--recommended-arch", "a.npy", "c.npy", "-m", "all", "-o", "weights")
    assert status == 0 and out.count("this run is finished") == 1 and (here / "all" / "c").is_dir()
    assert (here / "all" / "a" / "config.json").read_bytes() == before


def test_a_failure_says_so_and_the_others_go_on(retrain, here):
    (here / "all").mkdir()
    (here / "all" / "a").write_text("in the way")
    status, out, err = retrain("--recommended-arch", "a.npy", "b.npy", "-m", "all")
    assert status == 2 and "a: failed, see above\nb: test accuracy" in out
    assert err.count("\n") == 1 and "the run directory all/a is a file" in err
    assert "comparison of 1 run<" in (here / "all" / "comparison.html").read_text()


@pytest.fixture
def signal_at_export(monkeypatch):
    """Function of (name of a retraining, signal): the signal comes when that one writes its network, after its last pause."""

    def prepare(name, number):
        def write(path, *arguments):
            if path.parent.name == name:
                signal.raise_signal(number)
            write_nnp(path, *arguments)

        monkeypatch.setattr("runs.retrain_job.write_nnp", write)

    return prepare


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_at_the_end_of_one_stops_before_the_next(retrain, here, capsys, signal_at_export, number):
    signal_at_export("a", number)
    with pytest.raises(SystemExit) as stop:
        retrain("--recommended-arch", "a.npy", "b.npy", "-m", "all")
    assert stop.value.code == 128 + number and "this resumes all 2 retrainings: cd " in capsys.readouterr().err
    assert (here / "all" / "a" / "model.nnp").exists() and not (here / "all" / "b").exists()
    status, out, _ = retrain("--recommended-arch", "a.npy", "b.npy", "-m", "all")
    assert status == 0 and out.count("this run is finished") == 1


def test_a_signal_and_a_failure_at_the_end_of_one_stop_before_the_next(retrain, here, capsys, monkeypatch):
    def fail(*arguments):
        signal.raise_signal(signal.SIGTERM)
        raise UserError("no room for the network")

    monkeypatch.setattr("runs.retrain_job.write_nnp", fail)
    with pytest.raises(SystemExit) as stop:
        retrain("--recommended-arch", "a.npy", "b.npy", "-m", "all")
    assert stop.value.code == 128 + signal.SIGTERM and "no room for the network" in capsys.readouterr().err
    assert not (here / "all" / "b").exists()


def test_a_signal_at_the_end_of_the_last_stops_nothing(retrain, here, signal_at_export):
    signal_at_export("b", signal.SIGTERM)
    status, _, err = retrain("--recommended-arch", "a.npy", "b.npy", "-m", "all")
    assert status == 0 and "resumes" not in err and (here / "all" / "comparison.html").exists()


def test_without_a_place_they_get_one_of_the_options(here):
    places = {name: member.monitor_path for name, member in members(parsed("--recommended-arch", "a.npy", "enas-macro")).items()}
    assert places == {"a": "tmp.macro_enas_several/a", "enas-macro": "tmp.macro_enas_several/enas-macro"}
    config = parsed("--preset", "quick", "--seed", "1", "--recommended-arch", "a.npy", "b.npy")
    assert config.monitor_path == "tmp.macro_quick_seed-1_several"


def test_names(here):
    for folder in ("one", "two"):
        (here / folder).mkdir()
        np.save(here / folder / "arch.npy", NUMBERS["a"])
        np.save(here / folder / "x.npy", NUMBERS["a" if folder == "one" else "b"])
    names = list(members(parsed("--recommended-arch", "one/arch.npy", "two/arch.npy", "one/x.npy", "two/x.npy")))
    assert names[:2] == ["one", "two"] and all(name.startswith("x-") for name in names[2:]) and len(set(names)) == 4


REFUSED = {
    "cannot read it .*did you mean a.npy": ["--recommended-arch", "b.npy", "aa.npy"],
    "names the same architecture more than once: a.npy, ./a.npy": ["--recommended-arch", "a.npy", "./a.npy"],
    "put the numbers of an architecture in quotes": ["--recommended-arch", "0", "1", "1"],
    "are of one architecture, found several": ["--recommended-arch", "a.npy", "b.npy", "--initial-weights", "x.h5"],
    "--evaluate-only measures one run": ["--recommended-arch", "a.npy", "b.npy", "--evaluate-only"],
    "this is a micro architecture": ["--recommended-arch", "a.npy", "enas-micro"],
    "is the run directory of another run": ["--recommended-arch", "a.npy", "b.npy", "-m", "run"],
}


@pytest.mark.parametrize("message", REFUSED)
def test_bad_input_is_refused_before_the_first_begins(retrain, here, message):
    (here / "run").mkdir()
    (here / "run" / "config.json").write_text("{}")
    before = sorted(here.rglob("*"))
    with pytest.raises(UserError, match=message):
        retrain(*REFUSED[message])
    assert sorted(here.rglob("*")) == before


def test_one_architecture_is_one_run(retrain, here):
    status, out, _ = retrain("--recommended-arch", "a.npy", "-m", "one")
    assert status == 0 and (here / "one" / "config.json").exists() and "comparison" not in out


def command(place):
    words = [*SMALL, "--train-size", "160", "-r", "3", "--recommended-arch", "a.npy", "b.npy", "-m", place]
    return [sys.executable, str(ROOT / "macro_retrain.py"), *words, "--checkpoint-interval", "0.00001"]


def in_the_second(here, place):
    """A process that has written checkpoints of the second retraining."""
    earlier = set((here / place).glob("b/checkpoint/0*"))
    process = subprocess.Popen(command(place), cwd=here, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while len(set((here / place).glob("b/checkpoint/0*")) - earlier) < 2:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.005)
    return process


@pytest.mark.slow
def test_killed_and_stopped_it_goes_on_where_it_was(here):
    assert subprocess.run(command("whole"), cwd=here, capture_output=True).returncode == 0
    process = in_the_second(here, "run")
    process.send_signal(signal.SIGKILL)
    process.wait()
    process = in_the_second(here, "run")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130
    line = next(line for line in errors.splitlines() if line.startswith("this resumes all 2 retrainings: "))
    folder, again = line.partition(": ")[2].removeprefix("cd ").split(" && ")
    done = subprocess.run(shlex.split(again), cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("this run is finished") == 1 and "resuming the run in run/b" in done.stdout
    whole, resumed = contents(here / "whole"), contents(here / "run")
    names = [name for name in whole if name.endswith((".h5", ".series.txt"))]  # an .nnp knows its run directory
    assert len(names) == 10 and [name for name in names if whole[name] != resumed[name]] == []
    assert "comparison.html" in resumed
