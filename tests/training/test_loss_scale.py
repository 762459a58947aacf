import nnabla as nn
import numpy as np
import pytest

import args
from benchmarks.option_task import make_task
from datasets.penn_treebank import TextDataset
from models.final_networks import recurrent
from models.parameters import ParameterScope
from search_spaces.macro import MacroSpace
from search_spaces.recurrent import RecurrentSpace
from training import loss_scale
from training.divergence import Diverged
from training.image_trainer import ImageTrainingGraph
from training.language_task import LanguageTask
from training.loss_scale import FIRST, HIGHEST, LOWEST, LossScale
from training.optimizers import DecayingRate
from training.precision import full_precision

NAN, INF = float("nan"), float("inf")
IMAGES = "--preset quick --batch-size 8 --num-layers 3 --output-filter 4 --validation-size 8 --child-lr 0.5 --on-nan-after 2"
TEXT = "--preset quick --batch-size 4 --hidden-size 8 --bptt 4 --weight-decay 0.01 --alpha 0.5"
MACRO, CELL = MacroSpace(3).random(np.random.default_rng(0)), RecurrentSpace(3).random(np.random.default_rng(0))


def array(value):
    return nn.NdArray.from_numpy_array(np.array([value], np.float32))


def overflows(scale, norm, loss=1.0):
    return scale.overflows(array(loss), array(norm))


def half_image_task(precision="half"):
    return make_task(args.parse("macro", "search", [*IMAGES.split(), "--type-config", precision]), 64)


def text_task(precision="half", options=TEXT):
    config = args.parse("recurrent", "search", [*options.split(), "--type-config", precision])
    tokens = np.random.default_rng(0).integers(12, size=400).astype(np.int32)
    text = TextDataset("random", tuple(map(str, range(12))), tokens, tokens, tokens)
    model = recurrent(config, ParameterScope(), 12)
    if config.update == "all":
        model.make_weights(RecurrentSpace(3, config.arc_form))
    return LanguageTask(model, text, config, DecayingRate(config.child_lr))


def first_code_task(precision="half"):
    """Of the authors' first code: running statistics, and weight decay of weights that are not in use."""
    return text_task(precision, "--preset authors-2018 --batch-size 4 --hidden-size 8 --bptt 4 --weight-decay 0.01")


def train(task, steps):
    architecture = MACRO if hasattr(task, "data") else CELL
    for step in steps:
        task.trainer.train_step(architecture, 0, step)
    return task


def assert_same_groups(groups, others):
    for name, group in groups.items():
        for key, value in group.items():
            np.testing.assert_array_equal(value, others[name][key], f"{name}/{key}")


def overflow_above(limit, monkeypatch):
    """Let a gradient overflow where the loss is multiplied by more than `limit`."""
    original = ImageTrainingGraph.backward

    def backward(graph, scale=1.0):
        original(graph, scale)
        if scale > limit:
            next(iter(graph.parameters.values())).g = INF

    monkeypatch.setattr(ImageTrainingGraph, "backward", backward)


def test_halved_at_each_overflow_and_doubled_after_steps_without(monkeypatch):
    monkeypatch.setattr(loss_scale, "INTERVAL", 3)
    scale = LossScale(True)
    assert [overflows(scale, norm) for norm in (INF, NAN, 1, 2)] == [True, True, False, False]
    assert scale.value == FIRST / 4
    assert overflows(scale, INF) and scale.value == FIRST / 8  # the count begins anew
    assert not any(overflows(scale, 1.0) for _ in range(3)) and scale.value == FIRST / 4
    assert not any(overflows(scale, 1.0) for _ in range(99)) and scale.value == HIGHEST


def test_what_a_smaller_scale_cannot_mend_is_no_overflow():
    scale = LossScale(True)
    assert not overflows(scale, NAN, loss=INF) and scale.value == FIRST
    while overflows(scale, INF):
        pass
    assert scale.value == LOWEST
    assert not overflows(LossScale(False), INF)


@pytest.mark.parametrize("make", [half_image_task, text_task, first_code_task])
def test_a_power_of_two_changes_no_bit(make):
    scaled, plain = (train(make(precision), range(5)) for precision in ("half", "float"))
    groups = scaled.trainer.state()
    assert groups.pop("loss_scale")["value"] == FIRST and "loss_scale" not in plain.trainer.state()
    assert_same_groups(groups, plain.trainer.state())
    assert "loss scale" in scaled.trainer.averages() and "loss scale" not in plain.trainer.averages()


def test_steps_that_overflow_change_nothing_but_the_scale_and_are_no_divergence(monkeypatch):
    overflow_above(FIRST / 16, monkeypatch)
    task = train(half_image_task(), range(2))
    before = task.trainer.state()
    train(task, [2, 3])
    assert_same_groups({name: before[name] for name in ("child", "child_optimizer", "measured")}, task.trainer.state())
    assert before["loss_scale"]["value"] == FIRST / 4 and task.trainer.averages()["loss scale"] == FIRST / 16
    assert "skipped" not in task.trainer.averages()
    train(task, [4])
    assert not np.array_equal(task.trainer.state()["child"]["fc/W"], before["child"]["fc/W"])


def test_a_loss_that_is_not_finite_is_a_divergence(monkeypatch):
    task = train(half_image_task(), range(1))
    task.network.scope.all()["fc/W"].d = NAN
    with pytest.raises(Diverged, match="2 mini-batches in a row"):
        train(task, [1, 2])
    assert task.trainer.averages()["loss scale"] == FIRST


@pytest.mark.parametrize("make", [half_image_task, text_task, first_code_task])
def test_a_resumed_training_goes_on_to_the_bit(make, monkeypatch):
    monkeypatch.setattr(loss_scale, "INTERVAL", 3)
    undisturbed, interrupted, resumed = (make() for _ in range(3))
    train(undisturbed, range(5))
    resumed.trainer.restore(train(interrupted, range(2)).trainer.state())
    train(resumed, range(2, 5))
    assert_same_groups(undisturbed.trainer.state(), resumed.trainer.state())
    assert resumed.trainer.state()["loss_scale"]["value"] == 2 * FIRST


def test_full_precision_changes_half_precision_alone():
    half = nn.Context(["cudnn:half", "cuda:half", "cpu:float"], "CudaCachedArray", "1")
    with nn.context_scope(half), full_precision():
        inside = nn.get_current_context()
        assert (inside.backend, inside.device_id) == (["cudnn:float", "cuda:float", "cpu:float"], "1")
    before = nn.get_current_context()
    with full_precision():
        assert nn.get_current_context() is before or nn.get_current_context().backend == before.backend
