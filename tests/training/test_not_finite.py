"""Outputs and running statistics that are not finite in the image task; the scripts are in `tests/test_not_finite.py`."""

import nnabla as nn
import numpy as np
import pytest

import args
from benchmarks.option_task import make_task
from models.parameters import is_running_statistic
from search_spaces.macro import MacroSpace
from tests.test_not_finite import spoil, spoil_outputs
from training.image_evaluator import NOT_FINITE, RIGHT, WRONG, verdicts

NAN, INF = float("nan"), float("inf")
ARCHITECTURE = MacroSpace(3).random(np.random.default_rng(0))
SIZE = "-c cpu --preset quick --batch-size 8 --output-filter 4"
SEARCH = f"{SIZE} --num-layers 3 --validation-size 120"


def task_of(options, job="search"):
    return make_task(args.parse("macro", job, options.split()), 32)


@pytest.mark.parametrize(
    "logits, label, expected",
    [
        ([1, 2, 3], 2, RIGHT),
        ([1, 2, 3], 0, WRONG),
        ([-3e38, 3e38, 3e38 / 2], 1, RIGHT),
        ([0, 0, 0], 0, WRONG),
        ([NAN, NAN, NAN], 0, NOT_FINITE),
        ([NAN, 2, 3], 2, NOT_FINITE),
        ([1, 2, NAN], 2, NOT_FINITE),
        ([INF, 1, 2], 0, NOT_FINITE),
        ([1, -INF, 2], 2, NOT_FINITE),
        ([INF, -INF, 2], 2, NOT_FINITE),
    ],
)
def test_verdict(logits, label, expected):
    found = verdicts(*(nn.Variable.from_numpy_array(np.array([rows])) for rows in (logits, [label])))
    found.forward()
    assert found.d.tolist() == [[expected]]


def test_rewards_may_be_measured_with_the_dropout_of_training():
    """Drawn for their place in the search; validation has none."""
    plain, dropped = (task_of(f"{SEARCH} --keep-prob 0.2 --reward-dropout {value}").evaluator for value in ("False", "True"))
    rewards = [[evaluator.reward(ARCHITECTURE, 30, place) for place in (0, 1, 0)] for evaluator in (plain, dropped)]
    for first, _, again in rewards:
        assert first == again
    assert rewards[0][0] != rewards[1][0] and rewards[0][1] != rewards[1][1]
    assert plain.validate(ARCHITECTURE) == dropped.validate(ARCHITECTURE)


def test_outputs_that_are_not_finite_are_wrong_answers(monkeypatch):
    task = task_of(SEARCH)
    right = task.evaluator.verdicts(ARCHITECTURE, np.arange(100)) == RIGHT
    spoilt = [int(np.flatnonzero(right)[0]), int(np.flatnonzero(~right)[0])]
    accuracy = task.evaluator.validate(ARCHITECTURE)
    assert task.evaluator.not_finite == 0 and np.sum(task.evaluator.confusion) == 120
    spoil_outputs(monkeypatch, [0], spoilt)
    task.forget_graphs()
    assert task.evaluator.validate(ARCHITECTURE) == pytest.approx(accuracy - 1 / 120)
    assert task.evaluator.not_finite == pytest.approx(2 / 120) and np.sum(task.evaluator.confusion) == 118
    assert np.trace(task.evaluator.confusion) == pytest.approx(120 * accuracy - 1)


def test_a_reward_rests_on_the_finite_outputs(monkeypatch):
    task = task_of(SEARCH)
    reward = task.evaluator.reward(ARCHITECTURE, 4, 0)
    assert reward > 0 and task.evaluator.not_finite == 0
    spoil_outputs(monkeypatch, range(4))
    task.forget_graphs()
    assert task.evaluator.reward(ARCHITECTURE, 4, 0) == 0 and task.evaluator.not_finite == 1


@pytest.mark.parametrize("options, job", [(f"{SEARCH} --eval-batch-stats False", "search"), (SIZE, "retrain")])
def test_a_step_whose_variance_overflows_moves_nothing(options, job, monkeypatch):
    spoil(monkeypatch, 1, pixel=1e20)
    task = task_of(options, job)
    task.trainer.train_step(ARCHITECTURE, 0, 0)
    before = task.trainer.state()
    task.trainer.train_step(ARCHITECTURE, 0, 1)
    after = task.trainer.state()
    for group in ("child", "child_optimizer"):
        for name, array in before[group].items():
            np.testing.assert_array_equal(array, after[group][name], name)
    assert task.trainer.averages()["skipped"] == 1
    graph = task.trainer.graph(ARCHITECTURE)
    numbers = [graph.loss.d, *(parameter.g for parameter in graph.parameters.values())]
    assert all(np.isfinite(number).all() for number in numbers)  # of the others nothing refuses the step


def test_the_sum_of_statistics_is_that_of_the_last_step():
    task = task_of(SIZE, "retrain")
    for step in range(2):
        task.trainer.train_step(ARCHITECTURE, 0, step)
    total = sum(array.sum() for name, array in task.trainer.state()["child"].items() if is_running_statistic(name))
    assert task.trainer.graph(ARCHITECTURE).sum_of_statistics()[0].data == pytest.approx(total, rel=1e-4)


def test_a_search_that_judges_by_the_mini_batch_has_no_running_statistics():
    task, with_them = task_of(SEARCH), task_of(f"{SEARCH} --eval-batch-stats False")
    for step in range(2):
        task.trainer.train_step(ARCHITECTURE, 0, step)
        with_them.trainer.train_step(ARCHITECTURE, 0, step)
    weights, more = task.trainer.state()["child"], with_them.trainer.state()["child"]
    assert {name for name in more if not is_running_statistic(name)} == set(weights) < set(more)
    graph = task.trainer.graph(ARCHITECTURE)
    assert len(graph.results()) == len(graph.parameters) + 2
    for name, array in weights.items():
        np.testing.assert_array_equal(array, more[name], name)  # they touch no weight


def test_graphs_without_running_statistics_have_no_sum():
    task = task_of(SEARCH)
    task.trainer.train_step(ARCHITECTURE, 0, 0)
    assert task.trainer.graph(ARCHITECTURE).sum_of_statistics() == []
