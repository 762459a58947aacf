"""The functions that a notebook calls do what the scripts do."""

import json
import os
import pathlib
import shlex
import signal
import threading

import numpy as np
import pytest

import enas
import macro_search
from errors import UserError
from reporting import progress
from runs.pauses import Pauses
from search_spaces.files import load_architecture
from search_spaces.macro import MacroArchitecture

OPTIONS = {
    "preset": "quick", "num_layers": 3, "output_filter": 4, "train_size": 40, "validation_size": 20, "batch_size": 20,
    "max_search_iter": 2, "controller_steps": 1, "num_candidate": 2, "num_derive": 2, "context": "cpu", "cpu_threads": 1,
}  # fmt: skip
RETRAIN = {"epoch_on_retrain": 1, "train_size": 40, "batch_size": 20}


def search(folder, **options):
    return enas.search("macro", monitor_path=folder, recommended_arch=f"{folder}.npy", **OPTIONS | options)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return search(tmp_path_factory.mktemp("enas") / "run")


def test_a_search_gives_what_the_script_writes(found, tmp_path, monkeypatch):
    words = [f"--{name.replace('_', '-')}={value}" for name, value in OPTIONS.items()]
    monkeypatch.setattr("sys.argv", ["macro_search.py", *words, f"--monitor-path={tmp_path / 'run'}"])
    monkeypatch.chdir(tmp_path)
    assert macro_search.main() == 0
    for name in ("arch.npy", "architectures.csv", "Validation-accuracy.series.txt", "controller_params.h5"):
        assert (found.folder / name).read_bytes() == (tmp_path / "run" / name).read_bytes()


def test_the_result_of_a_search(found):
    assert isinstance(found.architecture, MacroArchitecture)
    assert np.array_equal(np.load(found.architecture_file), found.architecture.to_numbers())
    assert found.accuracy == max(row.quality for row in found.derived) and found.perplexity is None
    assert found.curves["Validation-accuracy"].shape == (2, 2) and len(found.derived) == 4
    assert found.report.exists() and found.table.exists() and found.controller.exists()
    assert "macro_retrain.py" in found.summary and str(found.folder) in repr(found)


def test_a_finished_search_is_only_read(found, capsys):
    before = (found.folder / "config.json").read_bytes()
    again = search(found.folder)
    assert again.accuracy == found.accuracy and "this run is finished" in capsys.readouterr().out
    assert (found.folder / "config.json").read_bytes() == before


def test_chance_has_no_controller(tmp_path):
    result = search(tmp_path / "run", controller="random", max_search_iter=1)
    assert result.controller is None
    with pytest.raises(UserError, match="to sample from"):
        enas.sample(result, 1)


def test_what_was_found_is_retrained_as_the_printed_command_does(found):
    trained = enas.retrain(found, **RETRAIN)
    assert trained.folder == found.folder / "retrain" and trained.architecture == found.architecture
    assert trained.accuracy == pytest.approx(trained.curves["Test-accuracy"][-1, 1], abs=1e-5)
    assert trained.model.exists() and trained.weights == trained.folder / "params_000002.h5"


def test_an_architecture_or_a_file_is_retrained_alike(found, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = {**RETRAIN, "preset": "quick", "output_filter": 4, "context": "cpu", "cpu_threads": 1}
    of_object = enas.retrain(found.architecture, monitor_path="a", **options)
    of_file = enas.retrain(found.architecture_file, "macro", monitor_path="b", monitor_save_path="weights", **options)
    assert of_file.weights.parent == tmp_path / "weights"
    assert of_object.weights.read_bytes() == of_file.weights.read_bytes()
    assert enas.retrain(found.architecture, monitor_path="a", **options).accuracy == of_object.accuracy


def test_each_architecture_gets_a_run_directory_of_its_own_and_a_file_to_resume_from(found, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = {**RETRAIN, "preset": "quick", "output_filter": 4, "context": "cpu", "cpu_threads": 1}
    numbers = found.architecture.to_numbers()
    numbers[0] = (numbers[0] + 1) % 4
    other = MacroArchitecture.from_numbers(numbers)
    results = [enas.retrain(architecture, **options) for architecture in (found.architecture, other)]
    assert results[0].folder != results[1].folder and not list(tmp_path.rglob("previous-*"))
    for result, architecture in zip(results, (found.architecture, other), strict=True):
        command = shlex.split(json.loads((result.folder / "config.json").read_text())["command"])
        [file] = [word.partition("=")[2] for word in command if word.startswith("--recommended-arch=")]
        assert load_architecture(file, "macro") == architecture


def test_samples_are_those_of_the_controller(found, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["", "--sampling-only", "--num-sampling=3", f"--monitor-path={found.folder}"])
    monkeypatch.chdir(tmp_path)
    assert macro_search.main() == 0
    sampled = enas.sample(found, 3)
    for number, architecture in enumerate(sampled):
        assert np.array_equal(np.load(f"sampled_macro_arch_{number}.npy"), architecture.to_numbers())
    assert enas.sample(str(found.folder), 3) == sampled != enas.sample(found, 3, seed=1)


def test_an_interrupted_search_resumes_when_it_is_called_again(found, tmp_path, monkeypatch):
    decisions, decide = [], Pauses.decide

    def interrupted(self, due):
        decisions.append(due)
        if len(decisions) == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return decide(self, due)

    with monkeypatch.context() as patch:
        patch.setattr(Pauses, "decide", interrupted)
        with pytest.raises(KeyboardInterrupt, match="the same call resumes"):
            search(tmp_path / "run")
    assert 4 <= len(decisions) < 10
    resumed = search(tmp_path / "run")
    assert resumed.table.read_bytes() == found.table.read_bytes()


def test_a_search_in_a_thread_of_its_own(tmp_path):
    results = []
    thread = threading.Thread(target=lambda: results.append(search(tmp_path / "run", max_search_iter=1)))
    thread.start()
    thread.join()
    assert results[0].accuracy >= 0


WRONG = {
    "the space 'makro' is not one of .* \\(did you mean macro\\?\\)": lambda: enas.search("makro"),
    "unknown option --num-layer \\(did you mean --num-layers\\?\\)": lambda: enas.search("macro", num_layer=3),
    "enas.sample draws architectures": lambda: enas.search("macro", sampling_only=True),
    "pass space='macro'": lambda: enas.retrain("enas-macro"),
    "no run in .*nowhere": lambda: enas.sample("nowhere", 1),
    "--ops: 'conv3' is not one of": lambda: enas.search("macro", ops=["conv3", "conv5x5"]),
    "--max-search-iter must be at least 1, found 0": lambda: enas.search("macro", max_search_iter=0),
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_input_is_an_error_and_no_exit(message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        WRONG[message]()
    assert not list(pathlib.Path().iterdir())


def test_a_notebook_shows_bars(monkeypatch, capsys):
    monkeypatch.setattr(progress, "_IN_NOTEBOOK", True)
    bar = progress.Progress()
    bar.start("training", 2)
    bar.step(lambda: ["loss 1.5"])
    bar.stop()
    assert "training:   0%|" in capsys.readouterr().err
