import fcntl
import json
import os
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest

from errors import UserError
from runs.run_config import Request, read_options
from runs.run_directory import Finished
from tests import toys
from tests.toys import open_run, snapshot
from training.divergence import Diverged


@pytest.fixture(autouse=True)
def no_drawings(monkeypatch):
    monkeypatch.setattr("runs.run_directory.RunReport", toys.ToyReport)


def leave_unfinished(folder, **options):
    """A run with a checkpoint and a line in a series."""
    with open_run(folder, **options) as run:
        run.monitors.series("loss", 0, 1)
        run.save({"child": {"W": np.ones(2)}}, {"unit": 1})


def leave_finished(folder, **options):
    with open_run(folder, **options) as run:
        run.monitors.series("loss", 0, 1)
        run.save({}, {})
        run.finish({"summary": ["the best of all"]})


def config(folder):
    return json.loads((folder / "run" / "config.json").read_text())


def refusal(folder, **options):
    """The error of opening; no file may have changed."""
    before = snapshot(folder)
    with pytest.raises(UserError) as error:
        open_run(folder, **options)
    assert snapshot(folder) == before
    assert "\n" not in str(error.value)
    return error.value


# ---- beginning, continuing, finishing ---------------------------------------------------------------------------------


def test_a_new_run(tmp_path):
    with open_run(tmp_path, lr=0.5) as run:
        assert run.resumed is None and run.rate_factor == 1
        document = config(tmp_path)
    assert document["job"] == "macro_search" and document["options"]["lr"] == 0.5
    assert document["finished"] is None and document["continued"] == []
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["config.json"]  # no lock


def test_the_same_command_continues(tmp_path):
    leave_unfinished(tmp_path)
    started = config(tmp_path)["started"]
    with open(tmp_path / "run" / "loss.series.txt", "a") as file:
        file.write("1 2\n")
    lines = []
    with open_run(tmp_path, log=lines.append) as run:
        groups, state = run.resumed
    assert groups["child"]["W"].tolist() == [1, 1] and state["unit"] == 1
    assert state["job"] == "macro_search" and state["options"]["seed"] == 0
    assert (tmp_path / "run" / "loss.series.txt").read_text() == "0 1\n"
    assert lines == [f"resuming the run in {run.path}"]
    assert config(tmp_path)["started"] == started and len(config(tmp_path)["continued"]) == 1


def test_a_finished_run_is_told_again_and_leaves_no_checkpoint(tmp_path):
    leave_finished(tmp_path)
    before = snapshot(tmp_path)
    assert not (tmp_path / "run" / "checkpoint").exists()
    with pytest.raises(Finished) as finished:
        open_run(tmp_path)
    assert finished.value.result == {"summary": ["the best of all"]}
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("options", [{"restart": True}, {"lr": 2}])
def test_a_finished_run_is_set_aside_for_another(tmp_path, options):
    leave_finished(tmp_path)
    for number in (1, 2):
        lines = []
        with open_run(tmp_path, log=lines.append, **options) as run:
            assert run.resumed is None
            assert not list(run.path.glob("*.series.txt"))
            run.monitors.series("loss", 0, number)
            run.finish({"summary": []})
        assert (run.path / f"previous-{number}" / "config.json").exists()
        assert lines == [f"moved the files of an earlier run in {run.path} to {run.path}/previous-{number}"]
        options = {"lr": 3}
    assert (tmp_path / "run" / "previous-1" / "loss.series.txt").read_text() == "0 1\n"
    assert (tmp_path / "run" / "previous-2" / "loss.series.txt").read_text() == "0 1\n"
    assert (tmp_path / "run" / "loss.series.txt").read_text() == "0 2\n"


def finished(folder, job, **options):
    with open_run(folder, job, **options) as run:
        run.monitors.series("loss", 0, 1)
        run.finish({"summary": []})
    return run.path


def test_a_retraining_goes_along_with_its_search(tmp_path):
    finished(tmp_path, "macro_search", lr=1)
    before = snapshot(finished(tmp_path, "macro_retrain"))
    path = finished(tmp_path, "macro_search", lr=2)
    assert not (path / "retrain").exists()
    assert snapshot(path / "previous-1" / "retrain") == before and (path / "previous-1" / "loss.series.txt").exists()
    (tmp_path / "another").mkdir()
    (path / "previous-1").rename(tmp_path / "another" / "run")
    with pytest.raises(Finished):  # it is found beside its search as before
        open_run(tmp_path / "another", "macro_retrain")


def test_a_retraining_under_way_is_not_moved(tmp_path):
    path = finished(tmp_path, "macro_search", lr=1)
    with open_run(tmp_path, "macro_retrain"):
        before = snapshot(path)
        assert "is running in" in str(refusal(tmp_path, lr=2))
        assert snapshot(path) == before


def test_files_of_another_program_are_set_aside_too(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "Training-loss.series.txt").write_text("0 1\n")
    (tmp_path / "run" / "notes.csv").write_text("mine\n")
    with open_run(tmp_path) as run:
        pass
    assert (run.path / "previous-1" / "Training-loss.series.txt").read_text() == "0 1\n"
    assert (run.path / "notes.csv").read_text() == "mine\n"


def test_a_run_without_a_checkpoint_has_not_begun(tmp_path):
    with open_run(tmp_path):
        pass
    with open_run(tmp_path, lr=2) as run:
        assert run.resumed is None
    assert not (run.path / "previous-1").exists()


def test_an_architecture_file_alone_is_moved_by_a_search_and_left_to_a_retraining_that_may_read_it(tmp_path):
    for job, moved in (("macro_retrain", False), ("macro_search", True)):
        path = tmp_path / job / "run" / "arch.npy"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"mine")
        with open_run(tmp_path / job, job):
            pass
        assert path.exists() is not moved and (path.parent / "previous-1" / "arch.npy").exists() is moved


def test_the_run_of_another_job_gets_a_folder_of_its_own(tmp_path):
    leave_finished(tmp_path)
    before = snapshot(tmp_path)
    with open_run(tmp_path, "macro_retrain") as run:
        assert run.path == tmp_path / "run" / "retrain"
    assert before.items() <= snapshot(tmp_path).items()
    assert read_options(tmp_path / "run", "macro_search")["seed"] == 0
    with pytest.raises(UserError, match="holds no micro_search run"):
        read_options(tmp_path / "run", "micro_search")


# ---- refusing -------------------------------------------------------------------------------------------------------


def test_changed_options_are_refused_with_a_table(tmp_path):
    leave_unfinished(tmp_path, lr=0.5, quiet=False, batch_size=8)
    error = refusal(tmp_path, lr=0.25, quiet=True, batch_size=8, cutout=16)
    assert "another value of --cutout, --lr" in str(error) and "--restart" in str(error)
    assert error.details == (
        "option    unfinished run  now",
        "--cutout  None            16",
        "--lr      0.5             0.25",
    )


def test_of_many_changed_options_three_are_told_the_preset_first(tmp_path):
    names = "abcdefgh"
    leave_unfinished(tmp_path, preset="enas", path="x" * 100, **dict.fromkeys(names, 1))
    error = refusal(tmp_path, preset="quick", path="y", **dict.fromkeys(names, 2))
    assert "another value of --preset, --a, --b and 7 more; repeat them" in str(error)
    assert error.details == (
        "option    unfinished run  now",
        "--preset  enas            quick",
        "--a       1               2",
        "--b       1               2",
        "and 7 more",
    )


def test_checkpoints_whose_options_are_lost(tmp_path):
    leave_unfinished(tmp_path)
    (tmp_path / "run" / "config.json").unlink()
    assert "holds checkpoints but no config.json" in str(refusal(tmp_path))
    with open_run(tmp_path, restart=True) as run:
        assert run.resumed is None and not (run.path / "checkpoint").exists()


def test_free_options_may_change(tmp_path):
    leave_unfinished(tmp_path, quiet=False)
    with open_run(tmp_path, quiet=True) as run:
        assert run.resumed
    assert config(tmp_path)["options"]["quiet"] is True


def test_restart_begins_anew_and_keeps_what_was_there(tmp_path):
    leave_unfinished(tmp_path, lr=1)
    with open_run(tmp_path, restart=True, lr=2) as run:
        assert run.resumed is None
        assert not (run.path / "checkpoint").exists()
    assert (run.path / "previous-1" / "loss.series.txt").read_text() == "0 1\n"
    assert config(tmp_path)["options"]["lr"] == 2


def test_only_one_process_at_a_time(tmp_path):
    leave_unfinished(tmp_path)
    with open_run(tmp_path):
        error = refusal(tmp_path)
        assert f"process {os.getpid()} on {socket.gethostname()} is running in" in str(error)
    open_run(tmp_path).__exit__()


def test_the_lock_of_a_dead_process_does_not_count(tmp_path):
    code = "import os; from tests.toys import *; run = open_run(pathlib.Path(sys.argv[1])); os.kill(os.getpid(), 9)"
    done = subprocess.run([sys.executable, "-c", "import pathlib, sys; " + code, tmp_path])
    assert done.returncode == -signal.SIGKILL and (tmp_path / "run" / ".lock").exists()
    with open_run(tmp_path):
        pass
    assert not (tmp_path / "run" / ".lock").exists()


def test_a_lock_that_was_removed_meanwhile_is_taken_anew(tmp_path, monkeypatch):
    """Its owner ends between our opening the file and our locking it."""
    original, removed = fcntl.flock, []

    def flock(handle, how):
        if not removed:
            removed.append(os.unlink(tmp_path / "run" / ".lock"))
        return original(handle, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    with open_run(tmp_path):
        assert (tmp_path / "run" / ".lock").exists()
        refusal(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", '{"job": "macro_search"}', "[" * 100_000, "\ud800",
        '{"job": 1, "options": {}, "started": "", "continued": [], "finished": null}',
        '{"job": "macro_search", "options": [], "started": "", "continued": [], "finished": null}',
        '{"job": "macro_search", "options": {}, "started": "", "continued": [], "finished": {"summary": [1]}}',
        '{"job": "macro_search", "options": {}, "started": "", "continued": [], "finished": {"summary": [], "status": "0"}}',
        '{"job": "macro_search", "options": {}, "started": "", "continued": [], "finished": {}}',
    ],
)  # fmt: skip
def test_a_damaged_config_is_refused(tmp_path, text):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_bytes(text.encode(errors="surrogatepass"))
    assert "config.json" in str(refusal(tmp_path))


def test_a_path_that_cannot_be_a_folder(tmp_path):
    (tmp_path / "run").write_text("a file")
    assert "is a file" in str(refusal(tmp_path))
    with pytest.raises(UserError, match="Not a directory"):
        toys.RunDirectory(tmp_path / "run" / "below", Request("macro_search", {}))
    with pytest.raises(UserError, match="File name too long"):
        toys.RunDirectory(tmp_path / ("x" * 300), Request("macro_search", {}))


# ---- checkpoints, signals, divergence ---------------------------------------------------------------------------------


def test_checkpoints_after_the_interval(tmp_path, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    saved = []
    with open_run(tmp_path, interval=60) as run:

        def save():
            saved.append(now[0])
            run.save({}, {})

        for _ in range(10):
            now[0] += 25
            run.pause_point(save)
        run.pause_point(save, due=True)
    assert saved == [1075, 1150, 1225, 1250]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_at_a_pause_point_after_a_checkpoint(tmp_path, capfd, number):
    with open_run(tmp_path, command="cd here && do it") as run:
        os.kill(os.getpid(), number)
        with pytest.raises(SystemExit) as end:
            run.pause_point(lambda: run.save({}, {"unit": 7}))
    assert end.value.code == 128 + number
    assert f"stopped; this resumes the run in {tmp_path / 'run'}: cd here && do it\n" in capfd.readouterr().err
    with open_run(tmp_path) as run:
        assert run.resumed[1]["unit"] == 7


@pytest.mark.parametrize(
    "error, said", [(SystemExit(130), ""), (UserError("the disk is full"), "the disk is full"), (KeyError(), "KeyError")]
)
def test_the_report_says_that_a_run_has_ended_and_why(tmp_path, monkeypatch, error, said):
    told = []
    monkeypatch.setattr(toys.ToyReport, "update", lambda self, *_, ended=None, **__: told.append(ended))
    with pytest.raises(type(error)), open_run(tmp_path):
        raise error
    assert told == [said]
    with open_run(tmp_path) as run:
        run.finish({"summary": []})
    assert told[1:] == [None]


def test_a_run_that_goes_on_writes_its_report_with_every_late_checkpoint(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(toys.ToyReport, "update", lambda self, *_, **how: told.append(how))
    with open_run(tmp_path, interval=0) as run:
        run.pause_point(lambda: run.save({}, {}))
    assert told == [{"still": True}]


def test_numbers_that_are_not_finite_are_never_written(tmp_path):
    leave_unfinished(tmp_path)
    with open_run(tmp_path) as run:
        before = snapshot(tmp_path / "run" / "checkpoint")
        with pytest.raises(Diverged):
            run.save({"child": {"W": np.array([1, np.nan])}}, {})
        assert snapshot(tmp_path / "run" / "checkpoint") == before


def test_going_back_halves_the_learning_rates_for_good(tmp_path):
    leave_unfinished(tmp_path)
    with open_run(tmp_path) as run:
        run.monitors.series("loss", 1, 9)
        run.go_back("it diverged")
        assert run.rate_factor == 0.5 and run.resumed[1]["unit"] == 1
        assert (run.path / "loss.series.txt").read_text() == "0 1\n"
        run.go_back("it diverged")
        run.save({}, {})
    with open_run(tmp_path) as run:
        assert run.rate_factor == 0.25
        for _ in range(6):
            run.go_back("it diverged")
        with pytest.raises(UserError, match="it diverged, even with 0.0039"):
            run.go_back("it diverged")
