import math
from types import SimpleNamespace

import nnabla as nn
import numpy as np
import pytest

from datasets.penn_treebank import TextDataset, random_segments
from models.parameters import ParameterScope
from models.recurrent_lm import LanguageModel
from runs.parallel import Processes
from search_spaces.recurrent import RecurrentArchitecture, RecurrentSpace
from tests.models.test_recurrent_lm import double, numpy_cross_entropy, numpy_states
from training.language_task import LanguageTask
from training.language_trainer import Dropouts
from training.optimizers import Averaging, DecayingRate, should_start_averaging
from training.randomness import generator

WORDS, SIZE, ROWS, BPTT = 17, 5, 3, 6
CELL = RecurrentArchitecture.from_text("0 1 1 2 1 0")
PLACES = ("drop_e", "drop_i", "drop_x", "drop_l", "drop_o")
EVERYWHERE = dict.fromkeys(PLACES, 0.3)


def make_task(seed=0, train=200, valid=50, **changes):
    rng = np.random.default_rng(1)
    parts = (rng.integers(WORDS, size=size).astype(np.int32) for size in (train, valid, 41))
    text = TextDataset("toy", tuple(map(str, range(WORDS))), *parts)
    more = {name: changes.pop(name) for name in ("final_network", "averages_weights", "processes") if name in changes}
    normalized = changes.pop("normalized", False)
    rate = changes.pop("learning_rate", DecayingRate(2.0))
    options = {
        "batch_size": ROWS, "bptt": BPTT, "alpha": 0.0, "beta": 0.0, "weight_decay": 0.0, "clip": None, "seed": seed,
        "on_nan_after": 10, "type_config": "float", **dict.fromkeys(PLACES, 0.0), "word_dropout": "vocabulary",
        "bptt_length": "random", "loss_reduction": "mean", "beta_after_dropout": False, "validation_segments": "all",
        "log_perplexity_cap": None, "reward_segment": "aligned", "update": "used",
    } | changes  # fmt: skip
    model = LanguageModel(ParameterScope(seed), WORDS, SIZE, 0.5, normalized)
    return LanguageTask(model, text, SimpleNamespace(**options), rate, **more)


def train(task, steps, epoch=0, first=0, cell=CELL):
    for step in range(first, steps):
        task.trainer.train_step(cell, epoch, step)


def numpy_text_loss(task, inputs, targets, state=None, masks=None):
    """Losses (length, rows) of texts (rows, length) by the formulas, and the hidden states."""
    task.network.hidden_states(nn.Variable((1, 1)), nn.Variable((1, SIZE)), CELL)  # makes the weights if there are none
    weights = double(task.network.scope.arrays())
    ones = dict.fromkeys(("word", "embedding", "input", "output"), np.ones((inputs.shape[1], len(inputs), 1)))
    masks = masks or ones | {"layer": np.ones((len(inputs), 1))}
    state = np.zeros((len(inputs), SIZE)) if state is None else state
    hidden = numpy_states(weights, CELL, inputs.T, state, masks)
    return numpy_cross_entropy(weights, hidden, targets.T[:, :, None], masks)[:, :, 0], hidden


# ---- dropout by place -------------------------------------------------------------------------------------------


def test_masks_are_inverted_and_constant_over_time_but_for_words():
    words = np.random.default_rng(0).integers(1000, size=(20, 64))
    rates = {"word": 0.1, "embedding": 0.2, "input": 0.75, "layer": 0.25, "output": 0.5}
    masks = Dropouts(**rates).draw(np.random.default_rng(1), words, 1000, 50)
    shapes = {place: mask.shape for place, mask in masks.items()}
    constant = (1, 64, 50)
    assert shapes == {"word": (20, 64, 1), "embedding": constant, "input": constant, "layer": (64, 50), "output": constant}
    for place, rate in rates.items():
        np.testing.assert_allclose(np.unique(masks[place]), [0, 1 / (1 - rate)], rtol=1e-6)
        assert (masks[place] == 0).mean() == pytest.approx(rate, abs=0.03)
    assert not np.array_equal(masks["embedding"] > 0, masks["input"] > 0)


def test_a_dropped_word_is_dropped_wherever_it_stands():
    words = np.random.default_rng(0).integers(5, size=(30, 8))
    mask = Dropouts(word=0.5).draw(np.random.default_rng(3), words, 5, 2)["word"][:, :, 0]
    values = {word: np.unique(mask[words == word]) for word in range(5)}
    assert all(len(value) == 1 for value in values.values())
    assert len({float(value[0]) for value in values.values()}) == 2


def test_no_dropout_is_exactly_one():
    masks = Dropouts().draw(np.random.default_rng(0), np.zeros((2, 3), int), 4, 5)
    assert all((mask == 1).all() for mask in masks.values())


# ---- one training step ------------------------------------------------------------------------------------------


def test_loss_and_regularizers_equal_numpy():
    """AR and TAR see the hidden states before the output's dropout."""
    task = make_task(**EVERYWHERE, alpha=0.7, beta=0.4)
    graph = task.trainer.graph(CELL, 5)
    inputs, targets = task.trainer._rows[:, :5], task.trainer._rows[:, 1:6]
    graph.fill(inputs.T, targets.T, np.random.default_rng(7))
    graph.backward()
    masks = Dropouts(*EVERYWHERE.values()).draw(np.random.default_rng(7), inputs.T, WORDS, SIZE)
    losses, hidden = numpy_text_loss(task, inputs, targets, masks=masks)
    assert float(graph.loss.d) == pytest.approx(losses.mean(), rel=1e-5)
    regularized = losses.mean() + 0.7 * (hidden**2).mean() + 0.4 * (np.diff(hidden, axis=0) ** 2).mean()
    assert float(graph._total.d) == pytest.approx(regularized, rel=1e-5)


@pytest.mark.parametrize("clip", [None, 0.05])
def test_a_step_is_gradient_descent_with_decay_clip_and_a_rate_in_proportion_to_the_length(clip):
    task = make_task(clip=clip, weight_decay=0.03)
    start, length = task.trainer._epoch_segments(0)[0]
    probe = task.trainer.graph(CELL, length)
    probe.fill(task.trainer._rows[:, :length].T, task.trainer._rows[:, 1 : length + 1].T, generator(0, "dropout", 0, 0))
    probe.backward()
    before = double(task.network.scope.arrays())
    gradients = {name: probe.parameters[name].g + 0.03 * weight for name, weight in before.items()}
    norm = np.sqrt(sum(np.square(gradient).sum() for gradient in gradients.values()))
    assert norm > 0.05 and start == 0
    factor = 2.0 * length / BPTT * (min(1, clip / norm) if clip else 1)
    task.trainer.train_step(CELL, 0, 0)
    for name, weight in task.network.scope.arrays().items():
        np.testing.assert_allclose(weight, before[name] - factor * gradients[name], rtol=0, atol=2e-6, err_msg=name)


def test_the_state_is_carried_and_reset_at_an_epoch():
    task = make_task(learning_rate=DecayingRate(1e-30))  # the weights stay
    segments = task.trainer._epoch_segments(0)
    train(task, 3)
    stop = segments[2][0] + segments[2][1]
    _, hidden = numpy_text_loss(task, task.trainer._rows[:, :stop], task.trainer._rows[:, 1 : stop + 1])
    np.testing.assert_allclose(task.trainer.state()["child_optimizer"]["state"], hidden[-1], atol=1e-6)
    train(task, 1, epoch=1)
    stop = task.trainer._epoch_segments(1)[0][1]
    _, hidden = numpy_text_loss(task, task.trainer._rows[:, :stop], task.trainer._rows[:, 1 : stop + 1])
    np.testing.assert_allclose(task.trainer.state()["child_optimizer"]["state"], hidden[-1], atol=1e-6)


def test_training_averages_count_every_word_alike():
    task = make_task(learning_rate=DecayingRate(1e-30))
    train(task, task.trainer.steps(0))
    stop = sum(task.trainer._epoch_segments(0)[-1])
    losses, _ = numpy_text_loss(task, task.trainer._rows[:, :stop], task.trainer._rows[:, 1 : stop + 1])
    averages = task.trainer.averages()
    assert averages["loss"] == pytest.approx(losses.mean(), rel=1e-5)
    assert averages["perplexity"] == pytest.approx(math.exp(losses.mean()), rel=1e-5)
    task.trainer.reset_averages()
    train(task, 1, epoch=1)
    assert task.trainer.averages()["loss"] != pytest.approx(losses.mean(), rel=1e-5)


def test_the_segments_of_an_epoch_depend_on_seed_and_epoch():
    one, same, other = make_task(), make_task(), make_task(seed=1)
    expected = list(random_segments(one.trainer._rows.shape[1], generator(0, "segments", 4), BPTT))
    assert one.trainer._epoch_segments(4) == same.trainer._epoch_segments(4) == expected != other.trainer._epoch_segments(4)
    assert one.trainer.steps(4) == len(expected)
    assert one.trainer._epoch_segments(5) != expected


def test_a_sampled_architecture_moves_its_own_weights_alone():
    task, other = make_task(weight_decay=0.1), RecurrentArchitecture.from_text("0 2 0 2 0 2")
    train(task, 1)
    train(task, 2, first=1, cell=other)
    before = task.network.scope.arrays()
    train(task, 3, first=2)
    after = task.network.scope.arrays()
    moved = {name for name in before if not np.array_equal(before[name], after[name])}
    assert moved == {name for name in before if "/sigmoid/" not in name or name == "node_2/from_1/sigmoid/W"}


def test_the_learning_rate_falls_in_every_epoch_after_the_start():
    task = make_task(learning_rate=DecayingRate(20.0, 0.5, 14))
    assert [task.trainer.learning_rate(epoch, 0) for epoch in (0, 14, 15, 17)] == [20, 20, 10, 2.5]
    task.trainer.rate_factor = 0.1
    assert task.trainer.learning_rate(15, 0) == 1


def test_training_learns_a_text_that_can_be_foretold():
    task = make_task(train=900, learning_rate=DecayingRate(5.0), clip=0.25)
    task.trainer._rows = np.arange(900).reshape(ROWS, -1) % WORDS
    task.text.valid[:] = np.arange(50) % WORDS
    assert task.evaluator.measure(task.evaluator.validate(CELL)) > 10
    for epoch in range(2):
        train(task, task.trainer.steps(epoch), epoch)
    assert task.evaluator.measure(task.evaluator.validate(CELL)) < 3


# ---- judging ----------------------------------------------------------------------------------------------------


def test_validation_counts_every_word_but_the_first_once():
    """50 words in 3 rows: 49 targets, the rows begin where the one before ended, two places are filled up."""
    task = make_task(**EVERYWHERE)
    text = task.text.valid
    quality = task.evaluator.validate(CELL)
    losses = [
        numpy_text_loss(task, text[None, first:last], text[None, first + 1 : last + 1])[0]
        for first, last in ((0, 17), (17, 34), (34, 49))
    ]
    mean = np.concatenate(losses).mean()
    assert sum(len(part) for part in losses) == 49
    assert task.evaluator.measure(quality) == pytest.approx(math.exp(mean), rel=1e-5)
    assert quality == pytest.approx(80 / math.exp(mean), rel=1e-5)


def test_the_test_text_is_one_row():
    task = make_task(**EVERYWHERE)
    losses, _ = numpy_text_loss(task, task.text.test[None, :-1], task.text.test[None, 1:])
    assert task.evaluator.measure(task.evaluator.final_quality(CELL, 0.1)) == pytest.approx(math.exp(losses.mean()), rel=1e-5)


def test_a_reward_is_one_segment_from_a_zero_state_without_dropout():
    task = make_task(**EVERYWHERE, valid=ROWS * (4 * BPTT + 1))
    rows = task.text.valid.reshape(ROWS, -1)
    possible = []
    for start in range(0, 4 * BPTT, BPTT):
        stop = start + BPTT
        losses, _ = numpy_text_loss(task, rows[:, start:stop], rows[:, start + 1 : stop + 1])
        possible.append(80 / math.exp(losses.mean()))
    rewards = [task.evaluator.reward(CELL, 1, 0, 0, index) for index in range(20)]
    for reward in rewards:
        assert min(abs(reward / one - 1) for one in possible) < 1e-5
    assert len({round(reward, 6) for reward in rewards}) == 4
    assert task.evaluator.reward(CELL, 1, 0, 0, 3) == rewards[3]
    loss = np.log(80 / np.array(possible)).mean()
    assert task.evaluator.reward(CELL, 4, 1, 1, 1) == pytest.approx(80 / math.exp(loss), rel=1e-5)


def test_judging_leaves_training_as_it_is():
    one, other = make_task(**EVERYWHERE), make_task(**EVERYWHERE)
    train(one, 2)
    one.evaluator.validate(CELL)
    one.evaluator.reward(RecurrentSpace(3).random(np.random.default_rng(0)), 1, 0, 0, 0)
    train(one, 4, first=2)
    train(other, 4)
    for name, weight in other.network.scope.arrays().items():
        np.testing.assert_array_equal(one.network.scope.arrays()[name], weight)


def test_a_model_that_is_no_number_has_quality_zero():
    task = make_task()
    task.network.embedding().d = np.nan
    quality = task.evaluator.validate(CELL)
    assert quality == 0 and task.evaluator.measure(quality) == math.inf


def test_goal_and_words():
    class Options:
        early_stop_under = 100.0

    task = make_task()
    assert task.evaluator.goal(Options) == 0.8
    Options.early_stop_under = None
    assert task.evaluator.goal(Options) == math.inf
    assert task.evaluator.describe(80 / 57.3) == "perplexity 57.30"


def test_the_cost_is_that_of_the_final_size():
    task = make_task(final_network=LanguageModel(ParameterScope(), WORDS, 800, 0.5))
    cost = task.cost(CELL)
    assert cost.parameters == WORDS * 800 + 4 * 800**2 + 3 * 2 * 800**2
    assert cost.multiply_adds == cost.parameters  # each weight once, and no product for the embedding
    assert task.network.scope.all() == {}


# ---- several processes ------------------------------------------------------------------------------------------


class Third(Processes):
    """One of three processes that never meet; `averaged` is what it wanted the mean of."""

    size = 3

    def __init__(self, rank):
        self.rank = rank

    def rows(self, count):
        return slice(self.rank * count // 3, (self.rank + 1) * count // 3)

    def share(self, array, axis=0):
        return array[self.rows(len(array))]

    def average(self, arrays):
        self.averaged = [array.data.copy() for array in arrays]


def test_the_means_over_processes_are_those_of_the_whole():
    settings = {**EVERYWHERE, "batch_size": 6, "beta": 0.5, "learning_rate": DecayingRate(1e-30)}
    whole, processes = make_task(**settings), [Third(rank) for rank in range(3)]
    tasks = [make_task(**settings, processes=process) for process in processes]
    for task in (whole, *tasks):
        train(task, 2)
    graph = whole.trainer.graph(CELL, whole.trainer._epoch_segments(0)[1][1])
    expected = [array.data for array in graph.results()]
    for parts in zip(expected, *(process.averaged for process in processes), strict=True):
        np.testing.assert_allclose(np.mean(parts[1:], axis=0), parts[0], atol=1e-6)
    states = [task.trainer.state()["child_optimizer"]["state"] for task in tasks]
    np.testing.assert_allclose(np.concatenate(states), whole.trainer.state()["child_optimizer"]["state"], atol=1e-6)
    shares = [task.evaluator.validate(CELL, processes=process) for task, process in zip(tasks, processes, strict=True)]
    logs = [math.log(80 / share) for share in shares]  # each is the part's sum over the number of all words
    assert sum(logs) == pytest.approx(math.log(80 / whole.evaluator.validate(CELL)), rel=1e-5)


# ---- averaging --------------------------------------------------------------------------------------------------


def test_the_trigger():
    falling = list(range(100, 88, -1))
    assert not should_start_averaging(falling)
    assert not should_start_averaging([*falling[:10], 200])  # 10 epochs before it
    assert should_start_averaging([*falling[:11], 100.5])  # the only one more than 10 epochs before is 100
    assert not should_start_averaging([*falling[:11], 99.5])
    assert not should_start_averaging([100] * 11 + [1] * 10 + [50])
    assert should_start_averaging([100] + [1] + [50] * 10 + [2])


def test_the_mean_of_the_weights_is_measured_and_kept():
    task = make_task(averages_weights=True)
    train(task, 2)
    assert task.trainer.epoch_done([80.0] * 11) == []
    line = "from epoch 13 on, the average of the weights is evaluated and saved"
    assert task.trainer.epoch_done([80.0] * 11 + [160.0]) == [line]
    assert task.trainer.epoch_done([80.0] * 11 + [160.0]) == []
    seen = []
    for step in range(2, 5):
        train(task, step + 1, first=step)
        seen.append(task.network.scope.arrays())
    last, means = seen[-1], {name: np.mean([weights[name] for weights in seen], axis=0) for name in seen[0]}
    kept = {name: variable.d for name, variable in task.trainer.weights().items()}
    other = make_task()
    other.network.scope.assign(means)
    for name, mean in means.items():
        np.testing.assert_allclose(kept[name], mean, atol=1e-6)
        assert not np.allclose(kept[name], last[name], atol=1e-6)
    for _ in range(2):  # the second time with the graphs that are there
        assert task.evaluator.validate(CELL) == pytest.approx(other.evaluator.validate(CELL), rel=1e-5)
    assert task.evaluator.final_quality(CELL, 0) == pytest.approx(other.evaluator.final_quality(CELL, 0), rel=1e-5)
    for name, weight in task.network.scope.arrays().items():
        np.testing.assert_array_equal(weight, last[name])


def test_a_checkpoint_inside_validation_holds_the_weights_themselves():
    task = make_task(averages_weights=True)
    task.trainer.epoch_done([80.0] * 11 + [160.0])
    train(task, 3)
    last, states = task.network.scope.arrays(), []
    task.evaluator.validate(CELL, lambda: states.append(task.trainer.state()["child"]))
    assert len(states) == 3
    for weights in states:
        for name, weight in weights.items():
            np.testing.assert_array_equal(weight, last[name])


def test_averaging_can_be_left_out():
    task = make_task()
    assert task.trainer.epoch_done([80.0] * 11 + [160.0]) == []
    assert not Averaging().started


# ---- resume -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("averages_weights", [False, True])
def test_a_restored_training_goes_on_as_if_nothing_had_happened(averages_weights):
    settings = {**EVERYWHERE, "beta": 1.0, "clip": 0.1, "averages_weights": averages_weights}
    one, first, second = (make_task(**settings) for _ in range(3))
    results = [80.0] * 11 + [160.0]
    for task in (one, first):
        task.trainer.epoch_done(results)
        train(task, 4)
    second.trainer.restore(first.trainer.state())
    for task in (one, second):
        train(task, 8, first=4)
    assert one.trainer.averages() == second.trainer.averages()
    assert one.evaluator.validate(CELL) == second.evaluator.validate(CELL)
    for group, arrays in one.trainer.state().items():
        for name, array in arrays.items():
            np.testing.assert_array_equal(second.trainer.state()[group][name], array, err_msg=name)
