"""`--update all`: a step moves the weights that are not in use, too."""

import numpy as np
import pytest

import args
from benchmarks.option_task import make_task
from search_spaces.macro import MacroSpace
from search_spaces.micro import MicroSpace
from training.image_trainer import _is_batch_norm

TINY = "--preset quick --output-filter 2 --batch-size 8 --validation-size 8 --weight-decay 0.05 --child-lr-min 0.01"
SIZES = {"macro": "--num-layers 3", "micro": "--num-cells 3 --num-nodes 4 --auxiliary-head False"}


def task_of(space, *more):
    return make_task(args.parse(space, "search", [*TINY.split(), *SIZES[space].split(), *more]), 40)


def architectures(space):
    """Three that have some weights in common and some not."""
    rng, encoding = np.random.default_rng(0), {"macro": MacroSpace(3), "micro": MicroSpace(2)}[space]
    return [encoding.random(rng) for _ in range(3)]


def train(task, space, steps):
    first, second, third = architectures(space)
    order = [first, second, second, third, first]
    for step in steps:
        task.trainer.train_step(order[step], 0, step)


def weights(task):
    return {name: variable.d.copy() for name, variable in task.network.scope.trainable().items()}


@pytest.mark.parametrize("space", SIZES)
def test_idle_weights_decay_and_go_on(space):
    """In float64 from what the first step left: NumPy's m = 0.9 m + decay w; w -= rate (decay w + 0.9 m)."""
    task = task_of(space, "--update", "all")
    first, second, _ = architectures(space)
    task.trainer.train_step(first, 0, 0)
    before, moments = weights(task), task.trainer.state()["child_optimizer"]
    rates = [task.trainer.learning_rate(0, step) for step in range(3)]
    task.trainer.train_step(second, 0, 1)
    task.trainer.train_step(second, 0, 2)
    task.evaluator.validate(first)
    idle = set(before) - set(task.trainer.graph(second).parameters)
    assert idle and any(map(_is_batch_norm, idle)) and not all(map(_is_batch_norm, idle))
    for name in idle:
        weight, moment = before[name].astype(float), -moments[f"momentum/{name}"].astype(float) / moments[f"rate/{name}"]
        decay = 0.0 if _is_batch_norm(name) else 0.05
        for rate in rates[1:]:
            moment = 0.9 * moment + decay * weight
            weight -= rate * (decay * weight + 0.9 * moment)
        np.testing.assert_allclose(weights(task)[name], weight, rtol=1e-5, atol=1e-6)
    assert all((weights(task)[name] != before[name]).any() for name in idle if not _is_batch_norm(name))


@pytest.mark.parametrize("space", SIZES)
def test_weights_that_are_made_late_have_decayed_all_the_time(space):
    task, fresh = task_of(space, "--update", "all"), task_of(space)
    first, second, _ = architectures(space)
    for step in range(3):
        task.trainer.train_step(first, 0, step)
    known = set(weights(task))
    task.evaluator.validate(second)
    fresh.evaluator.validate(second)
    late = {name for name in set(weights(task)) - known if not _is_batch_norm(name)}
    assert late
    for name in late:
        shrunk = (weights(task)[name] / weights(fresh)[name]).ravel()
        np.testing.assert_allclose(shrunk, shrunk[0], rtol=1e-4)
        assert 0.9 < shrunk[0] < 0.99


@pytest.mark.parametrize("space", SIZES)
def test_a_resumed_task_goes_on_to_the_byte(space):
    whole, first, second = (task_of(space, "--update", "all") for _ in range(3))
    train(whole, space, range(5))
    train(first, space, range(3))
    second.trainer.restore({group: dict(arrays) for group, arrays in first.trainer.state().items()})
    train(second, space, range(3, 5))
    qualities = [task.evaluator.validate(architecture) for task in (whole, second) for architecture in architectures(space)]
    assert qualities[:3] == qualities[3:]
    ours, theirs = whole.trainer.state(), second.trainer.state()
    assert ours.keys() == theirs.keys() and "child_idle" in ours
    for group in ours:
        assert ours[group].keys() == theirs[group].keys()
        for name, array in ours[group].items():
            assert np.asarray(array).tobytes() == np.asarray(theirs[group][name]).tobytes(), (group, name)


def test_used_leaves_idle_weights_as_they_are():
    task = task_of("macro")
    first, second, _ = architectures("macro")
    task.trainer.train_step(first, 0, 0)
    before = weights(task)
    task.trainer.train_step(second, 0, 1)
    task.evaluator.validate(first)
    idle = set(before) - set(task.trainer.graph(second).parameters)
    assert idle and all((weights(task)[name] == before[name]).all() for name in idle)


def test_weights_that_are_made_after_the_momentum_was_forgotten_begin_without_any():
    task = task_of("macro", "--update", "all", "--weight-decay", "5")  # enough to be seen
    first, second, _ = architectures("macro")
    for step in range(3):
        task.trainer.train_step(first, 0, step)
    task.trainer.forget_momentum()
    known = set(weights(task))
    task.evaluator.validate(second)
    late = set(weights(task)) - known
    moments = task.trainer.state()["child_optimizer"]
    assert late and all(not np.any(moments.get(f"momentum/{name}", 0)) for name in late)
