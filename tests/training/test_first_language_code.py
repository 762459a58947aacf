"""What the authors' first language-model code does differently, each by its option, against NumPy."""

import math

import nnabla as nn
import numpy as np
import pytest

from errors import UserError
from models.parameters import ParameterScope
from models.recurrent_lm import LanguageModel
from search_spaces.recurrent import RecurrentArchitecture, RecurrentSpace
from tests.models.test_recurrent_lm import double
from tests.training.test_language_task import BPTT, CELL, EVERYWHERE, ROWS, SIZE, WORDS, make_task, numpy_text_loss, train
from training.language_trainer import Dropouts, lasting
from training.optimizers import DecayingRate
from training.randomness import generator

OLD = RecurrentArchitecture.from_text("1 0 0 1 2")
STILL = DecayingRate(1e-30)  # the weights stay


# ---- words that stay dropped ------------------------------------------------------------------------------------


def test_a_dropped_word_stays_dropped_in_its_row_of_the_segment():
    words = np.array([[1, 1], [2, 1], [1, 2], [1, 1], [2, 2]])  # (length, rows)
    mask = np.array([[2, 0], [2, 2], [0, 2], [2, 2], [2, 2]])
    assert lasting(words, mask).tolist() == [[2, 0], [2, 0], [0, 2], [0, 0], [2, 2]]


def test_lasting_word_dropout_by_the_rule_in_words():
    rng = np.random.default_rng(0)
    words = rng.integers(6, size=(35, 20))
    mask = Dropouts(word=0.25, lasting=True).draw(np.random.default_rng(1), words, 6, 2)["word"][:, :, 0]
    drawn = (np.random.default_rng(1).random(words.shape, np.float32) >= 0.25) / 0.75
    for row in range(20):
        dropped = set()
        for step in range(35):
            dropped |= {words[step, row]} if drawn[step, row] == 0 else set()
            assert mask[step, row] == pytest.approx(0 if words[step, row] in dropped else 1 / 0.75)
    assert (mask == 0).mean() > 0.5  # far more than a quarter: few words come back often


def test_a_part_of_the_rows_gets_what_the_whole_would():
    words = np.random.default_rng(0).integers(6, size=(7, 6))
    dropouts = Dropouts(0.3, 0.3, 0.3, 0.3, 0.3, lasting=True)
    whole = dropouts.draw(np.random.default_rng(1), words, 6, 2)
    part = dropouts.draw(np.random.default_rng(1), words, 6, 2, slice(2, 4))
    np.testing.assert_array_equal(part["word"], whole["word"][:, 2:4])
    np.testing.assert_array_equal(part["layer"], whole["layer"][2:4])


# ---- segments and rates -----------------------------------------------------------------------------------------


def test_segments_of_constant_length_in_order_and_the_rate_as_it_is():
    task = make_task(bptt_length="constant", learning_rate=STILL)
    columns = 200 // ROWS
    assert task.trainer.steps(0) == task.trainer.steps(7) == (columns - 1) // BPTT == 10
    assert task.trainer._epoch_segments(3) == [(BPTT * number, BPTT) for number in range(10)]
    assert task.trainer._rate(0, 3) == task.trainer.learning_rate(0, 3) == 1e-30
    train(task, 10)
    rows = task.trainer._rows
    losses, hidden = numpy_text_loss(task, rows[:, : 10 * BPTT], rows[:, 1 : 10 * BPTT + 1])
    np.testing.assert_allclose(task.trainer.state()["child_optimizer"]["state"], hidden[-1], atol=1e-6)
    assert task.trainer.averages()["loss"] == pytest.approx(losses.mean(), rel=1e-5)


def test_a_text_shorter_than_a_segment_is_refused():
    with pytest.raises(UserError, match="rows of 6 tokens are too short for a segment of 6"):
        make_task(train=20, bptt_length="constant").trainer.steps(0)


def test_the_learning_rate_falls_every_n_epochs_down_to_a_minimum():
    rate = DecayingRate(16.0, 0.5, start=2, every=3, lowest=3.0)
    assert [rate.at(epoch) for epoch in range(14)] == [16] * 5 + [8] * 3 + [4] * 3 + [3] * 3
    rate = DecayingRate(0.25, 0.95, 12, 1, 0.0005)
    assert rate.at(12) == 0.25 and rate.at(13) == 0.25 * 0.95 and rate.at(99) == 0.25 * 0.95**87 and rate.at(500) == 0.0005


# ---- loss and step ----------------------------------------------------------------------------------------------


def filled(task, architecture=CELL, length=5, seed=7):
    graph, rows = task.trainer.graph(architecture, length), task.trainer._rows
    graph.fill(rows[:, :length].T, rows[:, 1 : length + 1].T, np.random.default_rng(seed))
    graph.backward()
    return graph


@pytest.mark.parametrize("after", [False, True])
def test_sums_over_time_and_slowness_after_the_outputs_dropout(after):
    task = make_task(**EVERYWHERE, alpha=0.7, beta=0.4, loss_reduction="sum", beta_after_dropout=after)
    graph, rows = filled(task), task.trainer._rows
    masks = Dropouts(*EVERYWHERE.values()).draw(np.random.default_rng(7), rows[:, :5].T, WORDS, SIZE)
    losses, hidden = numpy_text_loss(task, rows[:, :5], rows[:, 1:6], masks=masks)
    slow = hidden * masks["output"] if after else hidden
    sums = losses.sum() + 0.7 * (hidden**2).sum() + 0.4 * (np.diff(slow, axis=0) ** 2).sum()
    assert float(graph._total.d) == pytest.approx(sums / ROWS, rel=1e-5)
    assert float(graph.loss.d) == pytest.approx(losses.mean(), rel=1e-5)  # what is shown


def test_slowness_after_dropout_with_means():
    task = make_task(**EVERYWHERE, beta=0.4, beta_after_dropout=True)
    graph, rows = filled(task), task.trainer._rows
    masks = Dropouts(*EVERYWHERE.values()).draw(np.random.default_rng(7), rows[:, :5].T, WORDS, SIZE)
    losses, hidden = numpy_text_loss(task, rows[:, :5], rows[:, 1:6], masks=masks)
    mean = losses.mean() + 0.4 * (np.diff(hidden * masks["output"], axis=0) ** 2).mean()
    assert float(graph._total.d) == pytest.approx(mean, rel=1e-5)


SPACE = RecurrentSpace(2, "old")


@pytest.mark.parametrize("clip", [None, 0.05])
def test_l2_of_all_weights_is_in_the_gradient_that_is_clipped(clip):
    task = make_task(
        clip=clip, weight_decay=0.03, update="all", normalized=True, bptt_length="constant", loss_reduction="sum",
    )  # fmt: skip
    task.network.make_weights(SPACE)
    probe = task.trainer.graph(OLD, BPTT)
    rows = task.trainer._rows
    probe.fill(rows[:, :BPTT].T, rows[:, 1 : BPTT + 1].T, generator(0, "dropout", 0, 0))
    statistics = {name: parameter.d.copy() for name, parameter in task.network.scope.all().items() if not parameter.need_grad}
    probe.backward()
    for name, value in statistics.items():
        task.network.scope.all()[name].d = value
    before = double({name: parameter.d for name, parameter in task.network.scope.trainable().items()})
    gradients = {name: 0.03 * weight for name, weight in before.items()}
    for name, parameter in probe.parameters.items():
        gradients[name] = gradients[name] + parameter.g
    norm = np.sqrt(sum(np.square(gradient).sum() for gradient in gradients.values()))
    factor = 2.0 * (min(1, clip / norm) if clip else 1)
    idle = set(before) - set(probe.parameters)
    assert norm > 0.05 and len(idle) == 3 * 2 + 3 + 7  # other functions of node 0 and node 1; 7 of the 8 of node 2
    task.trainer.train_step(OLD, 0, 0)
    for name, parameter in task.network.scope.trainable().items():
        np.testing.assert_allclose(parameter.d, before[name] - factor * gradients[name], rtol=0, atol=3e-6, err_msg=name)
    assert all((task.network.scope.all()[name].d != np.float32(before[name])).any() for name in idle if "/W" in name)


def test_by_default_weights_that_are_not_in_use_stay():
    task = make_task(weight_decay=0.03)
    task.network.make_weights(SPACE)
    before = task.network.scope.arrays()
    train(task, 2, cell=OLD)
    same = {name for name, array in task.network.scope.arrays().items() if np.array_equal(array, before[name])}
    assert len(same) == 3 * 2 + 3 + 7


@pytest.mark.parametrize("form", ["new", "old"])
def test_weights_made_at_once_are_those_that_are_made_in_use(form):
    space = RecurrentSpace(3, form)
    at_once, in_use = (LanguageModel(ParameterScope(3), WORDS, SIZE, 0.5, True) for _ in range(2))
    at_once.make_weights(space)
    rng = np.random.default_rng(0)
    for _ in range(300):
        in_use.hidden_states(nn.Variable((1, 1)), nn.Variable((1, SIZE)), space.random(rng))
    assert {name: array.tobytes() for name, array in at_once.scope.arrays().items()} == {
        name: array.tobytes() for name, array in in_use.scope.arrays().items()
    }


# ---- running statistics -----------------------------------------------------------------------------------------


def statistics_of(task):
    return {name: parameter.d.copy() for name, parameter in task.network.scope.all().items() if not parameter.need_grad}


def test_a_step_moves_the_running_statistics_and_evaluation_reads_them():
    task = make_task(normalized=True, learning_rate=STILL)
    train(task, 1, cell=OLD)
    after = statistics_of(task)
    assert len(after) == 2 * (OLD.num_nodes + 2)
    start = {name: float(name.endswith("var")) for name in after}
    assert all((np.abs(after[name] - start[name]) > 0).any() for name in after)
    quality = task.evaluator.validate(OLD)
    for name in after:
        task.network.scope.all()[name].d = 2.0
    task.forget_graphs()
    assert task.evaluator.validate(OLD) != quality


def test_a_skipped_step_leaves_the_running_statistics():
    task = make_task(normalized=True)
    train(task, 2, cell=OLD)
    before = statistics_of(task)
    embedding = task.network.embedding()
    good = embedding.d.copy()
    embedding.d = np.full(embedding.shape, np.nan)
    train(task, 3, first=2, cell=OLD)
    for name, array in statistics_of(task).items():
        np.testing.assert_array_equal(array, before[name], name)
    embedding.d = good
    assert task.trainer.averages()["skipped"] == 1


def test_running_statistics_go_on_after_a_restore():
    one, other = make_task(normalized=True), make_task(seed=5, normalized=True)
    other.trainer.config.seed = 0
    train(one, 3, cell=OLD)
    other.trainer.restore(one.trainer.state())
    for task in (one, other):
        train(task, 5, first=3, cell=OLD)
    for name, array in one.network.scope.arrays().items():
        assert array.tobytes() == other.network.scope.arrays()[name].tobytes(), name


# ---- evaluation -------------------------------------------------------------------------------------------------


def test_validation_of_whole_segments_as_in_training():
    task = make_task(validation_segments="whole")
    columns = 50 // ROWS
    rows = task.text.valid[: ROWS * columns].reshape(ROWS, columns)
    read = (columns - 1) // BPTT * BPTT
    assert read == 12 < columns - 1
    losses, _ = numpy_text_loss(task, rows[:, :read], rows[:, 1 : read + 1])
    assert task.evaluator.measure(task.evaluator.validate(CELL)) == pytest.approx(math.exp(losses.mean()), rel=1e-5)
    test = task.text.test[None]
    losses, _ = numpy_text_loss(task, test[:, :-1], test[:, 1:])
    assert task.evaluator.measure(task.evaluator.final_quality(CELL, None)) == pytest.approx(math.exp(losses.mean()), rel=1e-5)


@pytest.mark.parametrize("loss, counted", [(3.0, 3.0), (10.0, 10.0), (11.0, 10.0), (2000.0, 10.0)])
def test_the_log_perplexity_is_capped_as_a_whole(loss, counted):
    evaluator = make_task(log_perplexity_cap=10.0).evaluator
    assert evaluator.measure(evaluator._quality_of(loss)) == pytest.approx(math.exp(counted))
    assert evaluator.not_finite == 0


def test_the_log_perplexity_of_each_word_of_the_test_text_is_capped():
    """It is read one word at a time; with a bound of the mean alone nothing would change here."""
    task, free = make_task(log_perplexity_cap=2.85), make_task()
    test = task.text.test[None]
    losses, _ = numpy_text_loss(task, test[:, :-1], test[:, 1:])
    assert losses.min() < 2.85 < losses.max() and losses.mean() != pytest.approx(np.minimum(losses, 2.85).mean(), rel=1e-3)
    found, without = (one.evaluator.measure(one.evaluator.final_quality(CELL, None)) for one in (task, free))
    assert found == pytest.approx(math.exp(np.minimum(losses, 2.85).mean()), rel=1e-5)
    assert without == pytest.approx(math.exp(losses.mean()), rel=1e-5)


def test_a_batch_of_one_is_validated_as_a_whole_before_and_after_the_test():
    """Both read one row; what is made for the words of the test does not judge the validation."""
    task = make_task(log_perplexity_cap=2.85, batch_size=1)
    before = task.evaluator.validate(CELL)
    task.evaluator.final_quality(CELL, None)
    rows = task.text.valid[None]
    losses, _ = numpy_text_loss(task, rows[:, :-1], rows[:, 1:])
    assert task.evaluator.validate(CELL) == before
    assert task.evaluator.measure(before) == pytest.approx(math.exp(min(losses.mean(), 2.85)), rel=1e-5)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_word_that_is_not_finite_is_not_capped_into_a_result(value):
    task = make_task(log_perplexity_cap=2.5)
    task.evaluator.final_quality(CELL, None)
    embedding = task.network.embedding()
    weights = embedding.d.copy()
    weights[task.text.test[3]] = value
    embedding.d = weights
    assert task.evaluator.final_quality(CELL, None) == 0 and task.evaluator.not_finite == 1


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_what_is_not_finite_is_not_capped_into_a_result(loss):
    evaluator = make_task(log_perplexity_cap=10.0).evaluator
    assert evaluator._quality_of(loss) == 0 and evaluator.not_finite == 1


def test_a_reward_begins_anywhere_in_the_rows_from_a_zero_state():
    task = make_task(reward_segment="anywhere")
    columns = 50 // ROWS
    rows = task.text.valid[: ROWS * columns].reshape(ROWS, columns)
    expected = []
    for start in range(columns - BPTT):
        losses, _ = numpy_text_loss(task, rows[:, start : start + BPTT], rows[:, start + 1 : start + BPTT + 1])
        expected.append(80 / math.exp(losses.mean()))
    found = [task.evaluator.reward(CELL, 1, 0, 0, number) for number in range(100)]
    nearest = [int(np.argmin(np.abs(np.array(expected) - quality))) for quality in found]
    np.testing.assert_allclose(found, [expected[number] for number in nearest], rtol=1e-5)
    assert set(nearest) == set(range(columns - BPTT))
