"""A finished run that is asked for with more rounds goes on, and ends as one that was as long from the beginning."""

import json

import numpy as np
import pytest

import args
import enas

SIZES = {"preset": "quick", "train_size": 40, "batch_size": 20, "context": "cpu", "cpu_threads": 1}
SEARCH = SIZES | {
    "num_layers": 3, "output_filter": 4, "validation_size": 20, "controller_steps": 1, "num_candidate": 2, "num_derive": 2,
}  # fmt: skip
RESTARTS = {"lr_schedule": "cosine-restarts"}


def search(folder, iterations, **options):
    options = SEARCH | RESTARTS | options
    return enas.search("macro", monitor_path=folder, recommended_arch=f"{folder}.npy", max_search_iter=iterations, **options)


def retrain(folder, epochs, **options):
    options = SIZES | RESTARTS | {"output_filter": 4} | options
    architecture = folder.parent / "arch.txt"
    architecture.write_text("0 1 1 2 0 1")
    return enas.retrain(architecture, "macro", monitor_path=folder, epoch_on_retrain=epochs, **options)


def same_files(one, other, names):
    for name in names:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def test_a_longer_search(tmp_path, capsys):
    search(tmp_path / "run", 1)
    longer = search(tmp_path / "run", 3)
    assert "resuming the run" in capsys.readouterr().out
    whole = search(tmp_path / "whole", 3)
    same_files(longer.folder, whole.folder, ["architectures.csv", "arch.npy", "controller_params.h5", "Training-loss.series.txt"])
    assert not (longer.folder / "checkpoint").exists() and not list(longer.folder.glob("previous-*"))
    assert json.loads((longer.folder / "config.json").read_text())["options"]["max_search_iter"] == 3


def test_a_longer_retraining(tmp_path):
    retrain(tmp_path / "run", 1)
    longer, whole = retrain(tmp_path / "run", 2), retrain(tmp_path / "whole", 2)
    assert longer.accuracy == whole.accuracy and np.array_equal(longer.curves["Test-accuracy"], whole.curves["Test-accuracy"])
    assert longer.weights.name == whole.weights.name == "params_000004.h5"
    same_files(longer.folder, whole.folder, ["params_000004.h5"])


def test_a_shorter_one_is_another_run(tmp_path, capsys):
    retrain(tmp_path / "run", 2)
    capsys.readouterr()
    assert len(retrain(tmp_path / "run", 1).curves["Test-accuracy"]) == 1
    out = capsys.readouterr().out
    assert "previous-1" in out and "cannot be continued" not in out
    assert (tmp_path / "run" / "previous-1" / "last_checkpoint").is_dir()


REASONS = {
    "--lr-schedule cosine falls over the whole run": {"lr_schedule": "cosine"},
    "its last checkpoint was not kept (--keep-checkpoint)": {"keep_checkpoint": False},
}


@pytest.mark.parametrize("reason", REASONS)
def test_a_line_says_why_a_run_cannot_be_longer(reason, tmp_path, capsys):
    retrain(tmp_path / "run", 1, **REASONS[reason])
    capsys.readouterr()
    retrain(tmp_path / "run", 2, **REASONS[reason])
    out = capsys.readouterr().out
    assert f"cannot be continued with a larger --epoch-on-retrain, because {reason}" in out
    assert (tmp_path / "run" / "previous-1" / "params_000002.h5").exists()


def test_another_option_beside_makes_another_run(tmp_path, capsys):
    retrain(tmp_path / "run", 1)
    retrain(tmp_path / "run", 2, seed=1)
    assert "previous-1" in capsys.readouterr().out


def test_a_process_killed_while_it_takes_a_run_up_again_loses_nothing(tmp_path, monkeypatch):
    retrain(tmp_path / "run", 1)
    with monkeypatch.context() as patch:
        patch.setattr("runs.run_directory.RunDirectory._continue", lambda self, earlier: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            retrain(tmp_path / "run", 2)
    assert (tmp_path / "run" / "checkpoint").is_dir()
    assert retrain(tmp_path / "run", 1).accuracy is not None  # finished: read, and tidied up
    assert retrain(tmp_path / "run", 2).weights.name == "params_000004.h5"
    assert not list((tmp_path / "run").glob("previous-*"))


def test_the_preset_of_the_example_leaves_no_weights_after_a_search():
    assert not args.parse("macro", args.SEARCH, ["--preset=nnabla-example"]).keep_checkpoint
    assert args.parse("macro", args.SEARCH, []).keep_checkpoint
