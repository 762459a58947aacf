"""Losses that are not finite, through the scripts: skipped, counted, stopped or gone back from; never written."""

import importlib
import sys

import h5py
import numpy as np
import pytest

from errors import report_and_exit
from runs import device
from runs.checkpoint import Checkpoints
from search_spaces.macro import MacroSpace
from search_spaces.recurrent import RecurrentSpace
from training import image_inputs, image_task
from training.divergence import Measured

SIZE = "-c cpu --preset quick -m run"
IMAGES = "--recommended-arch arch.npy --train-size 128 -b 16 --output-filter 4 -f 0"  # 8 mini-batches
OPTIONS = {
    "macro_search": f"{SIZE} {IMAGES} --num-layers 3 -i 2 -e 1 -C 2 --controller-steps 1 --num-derive 2",
    "macro_retrain": f"{SIZE} {IMAGES} -r 2",
    "ptb_retrain": f"{SIZE} --recommended-arch cell.npy --dataset ptb --data-dir . -b 4 -r 2 --hidden-size 8",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name, space in (("arch", MacroSpace(3)), ("cell", RecurrentSpace(3))):
        np.save(tmp_path / f"{name}.npy", space.random(np.random.default_rng(0)).to_numbers())
    for part in ("train", "valid", "test"):
        (tmp_path / f"ptb.{part}.txt").write_text("a b <unk> c\n" * 100)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(script, more, monkeypatch, capfd):
    """(exit status, standard output, standard error) of a script in this process."""
    monkeypatch.setattr(sys, "argv", [f"{script}.py", *OPTIONS[script].split(), *more.split()])
    with pytest.raises(SystemExit) as end:
        report_and_exit(importlib.import_module(script).main)
    captured = capfd.readouterr()
    return end.value.code, captured.out, captured.err


def spoil(monkeypatch, *numbers):
    """Let these mini-batches (counted from 0 in this process) hold a NaN."""
    original, count = image_inputs.training_batch, iter(range(10**6))

    def training_batch(*arguments):
        images, labels = original(*arguments)
        if next(count) in numbers:
            images[0, 0, 0, 0] = np.nan
        return images, labels

    monkeypatch.setattr(image_inputs, "training_batch", training_batch)


def series(folder, name):
    return (folder / "run" / f"{name}.series.txt").read_text()


def assert_all_finite(folder):
    """Whatever weights and checkpoints there are."""
    arrays = []
    for path in [*folder.glob("run/*.h5")]:
        with h5py.File(path) as file:
            file.visititems(lambda _, item: arrays.append(item[()]) if isinstance(item, h5py.Dataset) else None)
    if (folder / "run" / "checkpoint").exists():
        groups, _ = Checkpoints(folder / "run" / "checkpoint").load(print)
        arrays += [array for group in groups.values() for array in group.values()]
    assert arrays and all(np.isfinite(array).all() for array in arrays)


@pytest.mark.parametrize("script", ["macro_search", "macro_retrain"])
def test_some_mini_batches_are_skipped_and_counted(script, folder, monkeypatch, capfd):
    spoil(monkeypatch, 1, 2, 5)
    status, _, errors = run(script, "--on-nan-after 3", monkeypatch, capfd)
    assert (status, errors) == (0, "")
    assert series(folder, "Training-skipped") == "0 3\n"  # nothing to tell of the second epoch
    assert "nan" not in series(folder, "Training-loss")
    assert_all_finite(folder)


def test_a_skipped_mini_batch_changes_no_weight(folder, monkeypatch, capfd):
    """Neither itself nor by its momentum, its decay or its running statistics."""
    weights = []
    for spoilt in ([], [7]):  # the last one of 8
        spoil(monkeypatch, *spoilt)
        run("macro_retrain", f"-r 1 -s 7 --lr-control-on-retrain False -m run{len(weights)}", monkeypatch, capfd)
        weights.append([(folder / f"run{len(weights)}" / f"params_00000{number}.h5").read_bytes() for number in (7, 8)])
    assert weights[0][0] == weights[1][0] == weights[1][1] != weights[0][1]


@pytest.mark.parametrize("script", ["macro_search", "macro_retrain"])
def test_too_many_in_a_row_stop_the_run_and_the_same_command_continues(script, folder, monkeypatch, capfd):
    with monkeypatch.context() as patch:
        spoil(patch, 3, 4, 5)
        status, _, errors = run(script, "--on-nan-after 3", patch, capfd)
    assert status == 2 and errors.count("\n") == 1
    assert "3 mini-batches in a row" in errors and "--on-nan back" in errors
    assert_all_finite(folder)
    assert run(script, "--on-nan-after 3", monkeypatch, capfd)[0] == 0
    assert "Training-skipped" not in " ".join(path.name for path in (folder / "run").iterdir())


@pytest.mark.parametrize("script", ["macro_search", "macro_retrain"])
def test_going_back_with_half_the_learning_rate(script, folder, monkeypatch, capfd):
    spoil(monkeypatch, 12, 13, 14)  # in the second epoch
    status, output, errors = run(script, "--on-nan-after 3 --on-nan back", monkeypatch, capfd)
    assert (status, errors) == (0, "")
    assert output.count("back to the last checkpoint, with 0.5 times the learning rates") == 1
    spoil(monkeypatch)
    run(script, "--on-nan-after 3 -m undisturbed", monkeypatch, capfd)
    rates, undisturbed = (
        [float(line.split()[1]) for line in (folder / name / "Learning-rate.series.txt").read_text().splitlines()]
        for name in ("run", "undisturbed")
    )
    assert rates == pytest.approx([undisturbed[0], undisturbed[1] / 2], rel=1e-4)
    assert_all_finite(folder)


@pytest.mark.parametrize("script", ["macro_search", "macro_retrain"])
def test_where_the_loss_is_read_late(script, folder, monkeypatch, capfd):
    """As on a GPU: the weights have moved by then, so that the first such loss leads back."""
    monkeypatch.setattr(image_task, "Measured", lambda names, limit, deferred: Measured(names, limit, deferred=True))
    with monkeypatch.context() as patch:
        spoil(patch, 11)
        status, _, errors = run(script, "", patch, capfd)
    assert status == 2 and errors.count("\n") == 1 and "was not finite; the last checkpoint in run is whole" in errors
    assert_all_finite(folder)
    spoil(monkeypatch, 2)
    status, output, errors = run(script, "--on-nan back", monkeypatch, capfd)
    assert (status, errors) == (0, "") and output.count("with 0.5 times the learning rates") == 1
    assert_all_finite(folder)


@pytest.mark.parametrize("script", OPTIONS)
@pytest.mark.parametrize("on_nan, words", [("stop", "--on-nan back"), ("back", "even with 0.00390625 times")])
def test_an_absurd_learning_rate(script, on_nan, words, folder, monkeypatch, capfd):
    more = f"--child-lr 1e38 --on-nan {on_nan} --on-nan-after 2 --quiet"
    status, _, errors = run(script, more, monkeypatch, capfd)
    assert status == 2 and errors.count("\n") == 1 and words in errors, errors
    assert_all_finite(folder)


@pytest.mark.parametrize("script", ["macro_search", "ptb_retrain"])
def test_the_loss_scale_of_half_precision_changes_no_curve_and_has_one(script, folder, monkeypatch, capfd):
    """On the CPU, which computes in float: all else is as on a GPU."""
    use_cpu = device._use_cpu
    monkeypatch.setattr(device, "_use_cpu", lambda precision: use_cpu("float"))
    results = []
    for precision in ("half", "float"):
        status, _, errors = run(script, f"-t {precision} -m {precision} --quiet", monkeypatch, capfd)
        assert (status, errors) == (0, "")
        results.append((folder / precision / "Training-loss.series.txt").read_text())
    assert results[0] == results[1]
    assert (folder / "half" / "Training-loss-scale.series.txt").read_text() == "0 1024\n1 1024\n"


def test_an_absurd_learning_rate_of_the_controller(folder, monkeypatch, capfd):
    status, _, errors = run("macro_search", "--control-lr 1e38 --quiet", monkeypatch, capfd)
    assert status == 2 and errors.count("\n") == 1 and "the controller's sample was not finite" in errors
    assert_all_finite(folder)
