"""A retraining that starts from the weights of another one: what is loaded, what is new, what is refused, a kill."""

import json
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

import enas
from errors import UserError
from tests.test_scripts import ROOT

SMALL = {"preset": "quick", "context": "cpu", "cpu_threads": 1, "train_size": 40, "batch_size": 20, "output_filter": 4}
TEXT = {"preset": "quick", "context": "cpu", "dataset": "text", "batch_size": 4, "hidden_size": 8, "bptt": 5}
MACRO, MICRO, RECURRENT = "0 1 1 2 0 1", "0 1 1 2 0 1 1 2", "0 1 1 2 2 0"
CELLS = {"num_cells": 3, "auxiliary_head": True}


def retrain(folder, space="macro", architecture=MACRO, epochs=1, **options):
    return enas.retrain(architecture, space, monitor_path=folder, epoch_on_retrain=epochs, **(options or SMALL))


def own_data(path, classes, side=16):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (40, 1, side, side), np.uint8), np.arange(40) % classes
    np.savez(path, x_train=images, y_train=labels, x_test=images[:10], y_test=labels[:10])
    return SMALL | {"dataset": "npz", "data_dir": path}


def tensors(path):
    with h5py.File(path) as file:
        found = {}
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def started(result):
    """The weights that a retraining with --save-first-weights started with."""
    return tensors(result.folder / "params_000000.h5")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return retrain(tmp_path_factory.mktemp("trained") / "run")


@pytest.mark.parametrize("kind", ["weights", "model"])
def test_the_same_classes_start_where_the_other_ended(trained, tmp_path, kind, capsys):
    path = getattr(trained, kind)
    start = started(retrain(tmp_path / "run", **SMALL, initial_weights=path, save_first_weights=True, seed=1))
    ended = tensors(trained.weights)
    assert start.keys() == ended.keys() and all(np.array_equal(start[name], ended[name]) for name in ended)
    assert f"initial weights: {len(ended)} of {len(ended)} tensors from {path}\n" in capsys.readouterr().out
    options = json.loads((tmp_path / "run" / "config.json").read_text())["options"]
    assert options["initial_weights"] == str(path) and len(options["initial_weights_sha256"]) == 64


def test_other_classes_get_a_new_head(trained, tmp_path, capsys):
    options = own_data(tmp_path / "own.npz", 3) | {"initial_weights": trained.weights, "save_first_weights": True}
    start, ended = started(retrain(tmp_path / "run", **options)), tensors(trained.weights)
    heads = {name for name in start if name.startswith("fc/")}
    assert heads and all(start[name].shape != ended[name].shape for name in heads)
    assert all(np.array_equal(start[name], ended[name]) for name in start.keys() - heads)
    told = f"{len(start) - len(heads)} of {len(start)} tensors from {trained.weights}; the head is new, because its classes"
    assert told in capsys.readouterr().out


def test_weights_without_facts_get_a_new_head(trained, tmp_path, capsys):
    path = tmp_path / "params_000002.h5"
    path.write_bytes(trained.weights.read_bytes())
    start = started(retrain(tmp_path / "run", **SMALL, initial_weights=path, save_first_weights=True, seed=1))
    assert "the head is new, because no network.json beside it says which classes it knows" in capsys.readouterr().out
    assert not np.array_equal(start["fc/W"], tensors(path)["fc/W"])


def test_the_auxiliary_head(tmp_path, capsys):
    micro = SMALL | CELLS
    first = retrain(tmp_path / "first", "micro", MICRO, **micro)
    retrain(tmp_path / "same", "micro", MICRO, **micro, initial_weights=first.weights)
    assert "is new" not in capsys.readouterr().out
    retrain(tmp_path / "model", "micro", MICRO, **micro, initial_weights=first.model)  # a network for use has none
    assert "the auxiliary head is new, because the file has none for images of this size" in capsys.readouterr().out
    other = own_data(tmp_path / "own.npz", 3, side=24) | CELLS
    retrain(tmp_path / "other", "micro", MICRO, **other, initial_weights=first.weights)
    out = capsys.readouterr().out
    assert "the head is new, because its classes differ; the auxiliary head is new, because its classes differ" in out
    with pytest.raises(
        UserError, match="of another architecture, 0 1 1 2 0 1 1 2; give weights of 1 1 0 2 0 1 1 2"
    ):
        retrain(tmp_path / "swapped", "micro", "1 1 0 2 0 1 1 2", **micro, initial_weights=first.weights)
    retrain(tmp_path / "without", "micro", MICRO, **micro | {"auxiliary_head": False}, initial_weights=first.weights)
    assert "is new" not in capsys.readouterr().out


def texts(folder, words):
    folder.mkdir()
    for name in ("train", "valid", "test"):
        (folder / f"{name}.txt").write_text(f"{words}\n" * 40)
    return TEXT | {"data_dir": folder}


def embedding(result):
    words = json.loads((result.folder / "network.json").read_text())["words"]
    return dict(zip(words, tensors(result.weights)["embedding/W"], strict=True))


def test_words_keep_their_embedding(tmp_path, capsys):
    first = retrain(tmp_path / "first", "recurrent", RECURRENT, **texts(tmp_path / "a", "the cat sat <unk>"))
    other = texts(tmp_path / "b", "<unk> cat ran the far")
    second = retrain(tmp_path / "second", "recurrent", RECURRENT, **other, initial_weights=first.weights, child_lr=1e-9)
    assert "2 of 6 words are new, because it does not know them" in capsys.readouterr().out
    before, after = embedding(first), embedding(second)
    assert all(np.allclose(after[word], before[word], atol=1e-4) for word in ("the", "cat", "<unk>"))


REFUSED = {
    "there is no file": {"initial_weights": "none.h5"},
    "layer_1/conv3x3/.* missing there, .* here; and": {"architecture": "0 0 1 2 0 1"},
    "reduction_2/from_0/bn/beta missing there": {"architecture": "0 1 1 2 1 0"},
    r"fc/W \(\d+, 10\) there, \(\d+, 10\) here": {"output_filter": 6},
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_is_of_another_network_is_refused_before_anything_is_written(trained, tmp_path, message):
    options = SMALL | {"initial_weights": trained.weights} | REFUSED[message]
    with pytest.raises(UserError, match=message) as caught:
        retrain(tmp_path / "run", **{"architecture": MACRO} | options)
    assert "\n" not in str(caught.value) and not list(tmp_path.iterdir())


def test_an_interrupted_run_goes_on_without_the_file(trained, tmp_path, monkeypatch):
    path = tmp_path / "params_000002.h5"
    path.write_bytes(trained.weights.read_bytes())
    options = SMALL | {"initial_weights": path}
    whole = retrain(tmp_path / "whole", epochs=2, **options)
    with monkeypatch.context() as patch:
        patch.setattr("training.retrain.Retraining._record", lambda self, epoch: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            retrain(tmp_path / "run", epochs=2, **options)
    path.unlink()
    assert retrain(tmp_path / "run", epochs=2, **options).weights.read_bytes() == whole.weights.read_bytes()
    with pytest.raises(UserError, match="from which this run starts; restore it"):
        retrain(tmp_path / "run", epochs=2, **options, seed=1)
    assert not list(tmp_path.glob("run/previous-*"))


@pytest.mark.slow
def test_a_killed_run_goes_on_without_the_file(trained, tmp_path):
    path = tmp_path / "params_000002.h5"
    options = SMALL | {"initial_weights": path, "epoch_on_retrain": 3, "recommended_arch": MACRO, "checkpoint_interval": 1e-6}
    path.write_bytes(trained.weights.read_bytes())
    words = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    command = [sys.executable, str(ROOT / "macro_retrain.py"), *words, "--train-size=400"]
    assert subprocess.run([*command, f"--monitor-path={tmp_path / 'whole'}"], capture_output=True).returncode == 0
    command += [f"--monitor-path={tmp_path / 'killed'}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while len(list(tmp_path.glob("killed/checkpoint/0*"))) < 2:
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    path.unlink()
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and "resuming the run" in done.stdout, done.stderr
    for name in ("params_000060.h5", "Test-accuracy.series.txt", "Training-loss.series.txt"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
