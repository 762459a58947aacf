"""Numbers that are not finite, through the scripts: skipped, counted, stopped or gone back from; never a result."""

import csv
import importlib
import math
import sys

import h5py
import nnabla as nn
import numpy as np
import pytest

from errors import report_and_exit
from runs import device, forecast
from runs.checkpoint import Checkpoints
from search_spaces.macro import MacroSpace
from search_spaces.micro import MicroSpace
from search_spaces.recurrent import RecurrentSpace
from training import image_evaluator, image_inputs, language_evaluator, trainer
from training.divergence import MiniBatchMeans
from training.reinforce import Reinforce

SIZE = "-c cpu --preset quick -m run"
SEARCH = "-i 2 -e 1 -C 2 --controller-steps 1 --num-derive 2"
TEXT = "--recommended-arch cell.npy --dataset ptb --data-dir . -b 4 --hidden-size 8"
IMAGES = "--recommended-arch arch.npy --train-size 128 -b 16 --output-filter 4 -f 0"  # 8 mini-batches
OPTIONS = {
    "macro_search": f"{SIZE} {IMAGES} --num-layers 3 {SEARCH}",
    "macro_retrain": f"{SIZE} {IMAGES} -r 2",
    "micro_search": f"{SIZE} {IMAGES} --num-cells 3 --num-nodes 4 {SEARCH} --recommended-arch cells.npy",
    "micro_retrain": f"{SIZE} {IMAGES} --num-cells 3 -r 2 --recommended-arch cells.npy",
    "ptb_search": f"{SIZE} {TEXT} --num-nodes 3 {SEARCH}",
    "ptb_retrain": f"{SIZE} {TEXT} -r 2",
}
DIVERGING = ["macro_search", "macro_retrain", "ptb_retrain"]
ALL = [(script, "") for script in OPTIONS] + [(f"{space}_search", "--eval-batch-stats False") for space in ("macro", "micro")]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(forecast, "SECONDS", math.inf)  # where outputs are spoiled by their number, none is made for a clock
    for name, space in (("arch", MacroSpace(3)), ("cells", MicroSpace(2)), ("cell", RecurrentSpace(3))):
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


def spoil(monkeypatch, *numbers, pixel=np.nan):
    """Let these mini-batches (counted from 0 in this process) hold such a pixel."""
    original, count = image_inputs.training_batch, iter(range(10**6))

    def training_batch(*arguments):
        images, labels = original(*arguments)
        if next(count) in numbers:
            images[0, 0, 0, 0] = pixel
        return images, labels

    monkeypatch.setattr(image_inputs, "training_batch", training_batch)


def spoil_outputs(monkeypatch, numbers, rows=slice(None)):
    """Let the outputs for these mini-batches of judging (counted from 0 in this process) not be finite; of images only `rows`."""
    count, added = iter(range(10**6)), []
    verdicts, verdicts_on = image_evaluator.verdicts, image_evaluator.EvaluationGraph.verdicts_on
    loss_on = language_evaluator.EvaluationGraph.loss_on

    def spoilt_verdicts(logits, labels):
        added[:] = [nn.Variable(labels.shape)]
        added[0].persistent = True
        return verdicts(logits + added[0], labels)

    def spoilt_verdicts_on(*arguments):
        added[0].d = 0
        if (number := next(count)) in numbers:
            added[0].d[rows] = (np.nan, np.inf, -np.inf)[number % 3]
        return verdicts_on(*arguments)

    def spoilt_loss_on(*arguments):
        loss = loss_on(*arguments)
        return (np.nan, np.inf)[number % 2] if (number := next(count)) in numbers else loss

    monkeypatch.setattr(image_evaluator, "verdicts", spoilt_verdicts)
    monkeypatch.setattr(image_evaluator.EvaluationGraph, "verdicts_on", spoilt_verdicts_on)
    monkeypatch.setattr(language_evaluator.EvaluationGraph, "loss_on", spoilt_loss_on)


def table(folder):
    with open(folder / "run" / "architectures.csv") as file:
        return list(csv.DictReader(file))


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


@pytest.mark.parametrize("kernels", ["onednn", "nnabla"])
@pytest.mark.parametrize("script, more", [("micro_search", "--eval-batch-stats False"), ("macro_retrain", "")])
def test_a_variance_that_overflows_is_skipped_and_counted(script, more, kernels, folder, monkeypatch, capfd):
    spoil(monkeypatch, 1, pixel=1e20)  # loss and gradients are finite
    status, _, errors = run(script, f"{more} --cpu-kernels {kernels} --quiet", monkeypatch, capfd)
    assert (status, errors) == (0, "")
    assert series(folder, "Training-skipped") == "0 1\n"
    assert script == "micro_search" or assert_all_finite(folder) is None


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
    monkeypatch.setattr(trainer, "MiniBatchMeans", lambda names, limit, deferred: MiniBatchMeans(names, limit, deferred=True))
    with monkeypatch.context() as patch:
        spoil(patch, 11)
        status, _, errors = run(script, "", patch, capfd)
    assert status == 2 and errors.count("\n") == 1 and "was not finite; the last checkpoint in run is intact" in errors
    assert_all_finite(folder)
    spoil(monkeypatch, 2)
    status, output, errors = run(script, "--on-nan back", monkeypatch, capfd)
    assert (status, errors) == (0, "") and output.count("with 0.5 times the learning rates") == 1
    assert_all_finite(folder)


@pytest.mark.parametrize("script", DIVERGING)
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


def assert_no_result(folder, before):
    """Neither an architecture, a network, a row of the table nor a number that is not finite in a curve."""
    assert {path.name: path.read_bytes() for path in folder.glob("*.npy")} == before
    assert not [*folder.glob("run/*.nnp"), *folder.glob("run/controller_params.h5"), *folder.glob("run/architectures.csv")]
    for path in folder.glob("run/*.series.txt"):
        assert all(np.isfinite(float(line.split()[1])) for line in path.read_text().splitlines()), path


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("script, more", ALL)
def test_outputs_that_are_not_finite_are_no_result(script, more, folder, monkeypatch, capfd):
    before = {path.name: path.read_bytes() for path in folder.glob("*.npy")}
    with monkeypatch.context() as patch:
        spoil_outputs(patch, range(10**6))
        more = f"{more} -i 1" if script.endswith("search") else "-r 1"
        status, output, errors = run(script, more, patch, capfd)
    assert status == 2 and errors.count("\n") == 1 and "finite; the last checkpoint in run is intact" in errors
    assert "100.00 %" not in output and "inf" not in output
    assert_no_result(folder, before)
    assert_all_finite(folder)
    assert run(script, f"{more} --quiet", monkeypatch, capfd)[0] == 0  # the same command continues


@pytest.mark.parametrize("script, more", [(script, more) for script, more in ALL if script.endswith("search")])
def test_a_search_counts_architectures_whose_outputs_are_not_finite(script, more, folder, monkeypatch, capfd):
    """The first one of two whose reward is measured and the first one of two that are derived, in the first iteration."""
    judging = {"ptb_search": (1, len(range(0, 100, 12)))}.get(script, (2, 3))  # mini-batches of a reward, of the held-out part
    spoil_outputs(monkeypatch, [*range(judging[0]), *range(2 * judging[0], 2 * judging[0] + judging[1])])
    rewards, update = [], Reinforce.update
    monkeypatch.setattr(Reinforce, "update", lambda *given: rewards.append(given[-1]) or update(*given))
    status, output, errors = run(script, f"{more} -i 1 --val-iter {judging[0]}", monkeypatch, capfd)
    assert status == 0, errors
    assert rewards[0][0] == 0 < rewards[0][1]
    assert "; 2 of the judged architectures had outputs that were not finite; best so far" in output
    assert series(folder, "Not-finite") == "0 2\n"
    assert [row["kept"] for row in table(folder)] == ["yes"]


def test_retraining_has_no_room_for_an_output_that_is_not_finite(folder, monkeypatch, capfd):
    spoil_outputs(monkeypatch, [5], rows=[3])  # in the second epoch
    status, _, errors = run("macro_retrain", "", monkeypatch, capfd)
    assert status == 2 and errors.count("\n") == 1 and "the test accuracy rests on outputs that were not finite" in errors
    assert series(folder, "Test-accuracy").count("\n") == 1 and not [*folder.glob("run/*.nnp")]
    status, output, errors = run("macro_retrain", "--on-nan back", monkeypatch, capfd)
    assert (status, errors) == (0, "") and series(folder, "Test-accuracy").count("\n") == 2
