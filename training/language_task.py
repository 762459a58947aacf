"""Training and judging language models: what the search and the retraining loop know of a recurrent cell."""

import math
from dataclasses import dataclass

import nnabla as nn
import nnabla.functions as F
import nnabla.solvers as S
import numpy as np

from datasets.penn_treebank import batchify, evaluation_rows, fixed_segments, random_segments
from deployment.complexity import language_model_cost
from models.recurrent_lm import Masks
from training.divergence import MiniBatchMeans
from training.loss_scale import LossScale
from training.optimizers import Averaging, DecayingRate, GlobalNormClipping, should_start_averaging
from training.precision import full_precision
from training.processes import SINGLE
from training.randomness import generator

REWARD = 80.0  # of perplexity 1: a quality is this over the perplexity (paper section 3.1)


@dataclass(frozen=True)
class Dropouts:
    """Shares that are dropped, by the place in the network (see `models.recurrent_lm.Masks`)."""

    word: float = 0.0  # of the vocabulary: a word is dropped wherever it stands in the mini-batch
    embedding: float = 0.0
    input: float = 0.0
    layer: float = 0.0
    output: float = 0.0

    def draw(self, rng, words, num_words, size, rows=slice(None)):
        """Dict of place -> array for `Masks` of the inputs `words` (length, batch), inverted: 0 or 1 / keep rate.

        `rows`: the part of the batch to give them for; they are drawn for all of it.
        """
        constant = 1, words.shape[1], size
        return {
            "word": _mask(rng, (num_words, 1), self.word)[words[:, rows]],
            "embedding": _mask(rng, constant, self.embedding)[:, rows],
            "input": _mask(rng, constant, self.input)[:, rows],
            "layer": _mask(rng, constant[1:], self.layer)[rows],
            "output": _mask(rng, constant, self.output)[:, rows],
        }


def _mask(rng, shape, rate):
    return (rng.random(shape, np.float32) >= rate) / np.float32(1 - rate)


@dataclass(frozen=True)
class LanguageSettings:
    """How weights move; the regularizers are added to the loss as means over length, batch and units."""

    batch_size: int  # rows that the training text is cut into, for all processes together
    bptt: int  # mean BPTT length in words, and the length when judging
    learning_rate: DecayingRate  # for a segment of `bptt` words; shorter ones get less
    dropouts: Dropouts
    activation: float  # AR: weight of the mean square of the hidden states
    slowness: float  # TAR: weight of the mean square of their changes from one word to the next
    weight_decay: float  # w adds w * weight to the gradient
    clip: float | None  # bound of the gradient's global norm
    seed: int
    patience: int = 10  # training ends when the loss is not finite in so many mini-batches in a row
    scale_loss: bool = False  # for half precision


class LanguageTask:
    """Language models on a text: one training step, the reward, the perplexity on the validation and the test part.

    `model` is a `LanguageModel`, `text` a `TextDataset`; `final_size`: the hidden size whose cost is told, by default the
    model's own. Graphs are kept, by length, as long as the architecture stays the same. Retraining averages the weights
    if `averages_weights`. The processes of `group` share out the rows of the text; gradients and losses are means over them.

    Words whose perplexity is not finite have the quality 0; `not_finite` is 1 then, after `reward` and what measures a whole
    part, otherwise 0.
    """

    measure_name = "perplexity"
    held_out = "Validation"  # the part that `validate` measures on

    def __init__(self, model, text, settings, final_size=None, averages_weights=False, group=SINGLE):
        self.network, self.text, self.settings, self._group = model, text, settings, group
        self._final_size, self._averages_weights = final_size or model.size, averages_weights
        self._rows = batchify(text.train, settings.batch_size)
        self._segments = (None, None)
        self._graphs = {}
        self._graphs_of = None
        self._part = group.rows(settings.batch_size)
        self.not_finite = 0.0
        self._state = _state_variable(self._part.stop - self._part.start, model.size)
        with full_precision():
            self._solver = S.Sgd()
        self._averaging, self._clip = Averaging(), GlobalNormClipping()
        self._scale = LossScale(settings.scale_loss)
        deferred = False if settings.scale_loss else None
        self._measured = MiniBatchMeans(("loss", "words"), settings.patience, deferred)  # summed over time, mean over rows
        self.rate_factor = 1.0  # multiplies the learning rate

    # ---- training -----------------------------------------------------------------------------------------------

    def steps(self, epoch):
        """Segments in an epoch."""
        return len(self._epoch_segments(epoch))

    def train_step(self, architecture, epoch, step):
        """Move the weights in use on segment `step` of `epoch`, unless the loss or a gradient is not finite.

        Raises `Diverged` when that happens too often in a row.
        """
        start, length = self._epoch_segments(epoch)[step]
        words = self._rows[:, start : start + length + 1].T
        if step == 0:
            self._state.data.zero()
        graph = self._graph(TrainingGraph, architecture, length)
        graph.fill(words[:-1], words[1:], generator(self.settings.seed, "dropout", epoch, step), self._part)
        graph.backward(self._scale.value)
        self._group.average(graph.results())
        self.move(graph, self.learning_rate(epoch, step) * length / self.settings.bptt)

    @full_precision()
    def move(self, graph, rate):
        """Plain gradient descent; the weight decay is clipped as well, for it is part of the authors' loss."""
        parameters, settings = graph.parameters, self.settings
        self._solver.set_parameters(parameters, reset=True, retain_state=False)
        self._solver.weight_decay(settings.weight_decay * self._scale.value)
        norm = self._clip(parameters, settings.clip, self._scale.value)
        if self._scale.overflows(graph.loss.data, norm):
            return
        if self._measured.admit(graph.measured(), guards=[norm]):
            self._solver.set_learning_rate(rate)
            self._solver.update()
            self._averaging.add(parameters)
            self._state.data.copy_from(graph.last_state.data)

    def learning_rate(self, epoch, step):
        """Of a segment of `bptt` words; the rate of a shorter or longer one is in proportion."""
        return self.settings.learning_rate.at(epoch) * self.rate_factor

    def averages(self):
        """Mean cross-entropy per word (nats), without regularizers, and its perplexity since `reset_averages`.

        No perplexity where it is too large, and neither where all segments were skipped.
        """
        means = self._measured.means()
        if "loss" in means:
            loss = means.pop("loss") / means.pop("words")
            perplexity = perplexity_of(loss)
            means = {"loss": loss} | ({"perplexity": perplexity} if math.isfinite(perplexity) else {}) | means
        return means | self._scale.figures()

    def reset_averages(self):
        """Begin new averages."""
        self._measured.reset()

    def epoch_done(self, results):
        """Given the qualities after all epochs so far, start to average if it is time. Returns lines for the user."""
        if not self._averages_weights or self._averaging.started:
            return []
        if not should_start_averaging([self.measure(quality) for quality in results]):
            return []
        self._averaging.start()
        return [f"from epoch {len(results) + 1} on the average of the weights is measured and kept"]

    def weights(self):
        """The weights to keep: dict of name -> Variable."""
        return self._averaging.averaged(self.network.scope.all())

    def _epoch_segments(self, epoch):
        if self._segments[0] != epoch:
            rng = generator(self.settings.seed, "segments", epoch)
            self._segments = epoch, list(random_segments(self._rows.shape[1], rng, self.settings.bptt))
        return self._segments[1]

    def _graph(self, kind, architecture, length, *more):
        if self._graphs_of != architecture:
            self._graphs.clear()
            self._graphs_of = architecture
        key = kind, length, *more
        if key not in self._graphs:
            self._graphs[key] = kind(self, architecture, length, *more)
        return self._graphs[key]

    # ---- judging ------------------------------------------------------------------------------------------------

    def reward(self, architecture, batches, *position):
        """Quality on `batches` segments of the validation part, drawn for this position, each from a zero state."""
        settings = self.settings
        rows = batchify(self.text.valid, settings.batch_size)
        segments = fixed_segments(rows.shape[1], settings.bptt)
        full = [segment for segment in segments if segment[1] == settings.bptt] or segments[:1]
        rng = generator(settings.seed, "reward", *position)
        losses = []
        for index in rng.choice(len(full), batches, replace=batches > len(full)):
            start, length = full[index]
            words = rows[:, start : start + length + 1].T
            graph = self._graph(EvaluationGraph, architecture, length, settings.batch_size)
            graph.state.data.zero()
            losses.append(graph.loss_on(words[:-1], words[1:], np.ones(words[1:].shape)) / words[1:].size)
        return self._quality_of(np.mean(losses))

    def validate(self, architecture, pause=lambda: None, group=SINGLE):
        """Quality on the whole validation part, every word but the first counted once.

        `pause()` is called between segments; it may end the process. The processes of `group` share out the rows.
        """
        return self._quality_on(self.text.valid, architecture, self.settings.batch_size, pause, group)

    def final_quality(self, architecture, last, pause=lambda: None):
        """Quality on the whole test part, read as one row; `last` was on the validation part."""
        return self._quality_on(self.text.test, architecture, 1, pause, SINGLE)

    def _quality_on(self, tokens, architecture, rows, pause, group):
        inputs, targets, counted = (group.share(array) for array in evaluation_rows(tokens, rows))
        rows = len(inputs)
        state, total = np.zeros((rows, self.network.size)), 0.0
        with self._averaging.swapped_in(self.network.scope.all()):
            for start, length in fixed_segments(inputs.shape[1] + 1, self.settings.bptt):
                span = slice(start, start + length)
                graph = self._graph(EvaluationGraph, architecture, length, rows)
                graph.state.d = state
                total += graph.loss_on(inputs[:, span].T, targets[:, span].T, counted[:, span].T)
                state = graph.last_state.d.copy()
                pause()
        return self._quality_of(group.sum(total) / (len(tokens) - 1))

    def _quality_of(self, loss):
        perplexity = perplexity_of(loss)
        self.not_finite = 0.0 if math.isfinite(perplexity) else 1.0
        return REWARD / perplexity

    def measure(self, quality):
        """The number to show and to record for a reward or a validation result: the perplexity."""
        return REWARD / quality if quality else math.inf

    def goal(self, config):
        """The quality at which a search may stop."""
        return math.inf if config.early_stop_under is None else REWARD / config.early_stop_under

    def describe(self, quality):
        """A reward or validation result in words."""
        return f"perplexity {self.measure(quality):.2f}"

    def cost(self, architecture):
        """`Cost` of one word in a model of the final size."""
        return language_model_cost(self.network, architecture, self._final_size)

    def export_facts(self, architecture, options):
        """None: a language model is not exported."""

    def evaluation(self, architecture):
        """Dict for JSON of a model: what it costs."""
        return vars(self.cost(architecture))

    # ---- checkpoints --------------------------------------------------------------------------------------------

    def state(self):
        """Groups of arrays for a checkpoint."""
        weights = self.network.scope.arrays() | self._averaging.set_aside()
        training = {"state": self._group.collect(self._state.d)} | self._averaging.state()
        return {"child": weights, "child_optimizer": training, "measured": self._measured.state(), **self._scale.state()}

    def restore(self, groups):
        """Take up a `state()`."""
        self.network.scope.assign(groups["child"])
        self._state.d = self._group.share(groups["child_optimizer"]["state"])
        self._averaging.restore(groups["child_optimizer"])
        self._measured.restore(groups["measured"])
        self._scale.restore(groups)


class TrainingGraph:
    """Loss of one architecture on a segment of `length` words, with the parameters it uses."""

    def __init__(self, task, architecture, length):
        model, settings = task.network, task.settings
        self._length, self._dropouts = length, settings.dropouts
        self._num_words, self._size = model.num_words, model.size
        rows = task._state.shape[0]
        self._inputs, self._targets = _text_inputs(length, rows)
        self._masks = Masks.inputs(length, rows, model.size)
        with model.scope.record_use() as self.parameters:
            hidden = model.hidden_states(self._inputs, task._state, architecture, self._masks)
            self.loss = F.mean(model.cross_entropy(hidden, self._targets, self._masks))
        self._total = F.add_n(self.loss, *_regularizers(hidden, settings))
        self.last_state = hidden[length - 1]
        self.loss.persistent = self.last_state.persistent = True

    def fill(self, words, following, rng, rows=slice(None)):
        """Put in the `rows` of words and of those that follow them, both (length, batch), and fresh masks."""
        self._inputs.d, self._targets.d = words[:, rows], following[:, rows, None]
        for place, mask in self._dropouts.draw(rng, words, self._num_words, self._size, rows).items():
            getattr(self._masks, place).d = mask

    def backward(self, scale=1.0):
        """Forward and backward; the gradients of `parameters` hold those of `scale` times the regularized loss alone."""
        for parameter in self.parameters.values():
            parameter.grad.zero()
        nn.forward_all([self._total, self.last_state], clear_no_need_grad=True)
        self._total.backward(scale, clear_buffer=True)

    def results(self):
        """NdArrays of what a segment gives: gradients and cross-entropy."""
        return [*(parameter.grad for parameter in self.parameters.values()), self.loss.data]

    def measured(self):
        """NdArrays of one element: the cross-entropy summed over the words, and how many they are, in a row of the text."""
        words = nn.NdArray((1,))
        words.fill(self._length)
        return [F.mul_scalar(self.loss.data, self._length), words]


def _regularizers(hidden, settings):
    """AR and TAR, on the hidden states (length, batch, size) before their dropout."""
    terms = []
    if settings.activation:
        terms.append(settings.activation * F.mean(hidden**2))
    if settings.slowness and hidden.shape[0] > 1:
        terms.append(settings.slowness * F.mean((hidden[1:] - hidden[:-1]) ** 2))
    return terms


class EvaluationGraph:
    """Cross-entropy of one architecture on `rows` segments of `length` words, without dropout."""

    def __init__(self, task, architecture, length, rows):
        model = task.network
        self._inputs, self._targets = _text_inputs(length, rows)
        self._counted = nn.Variable((length, rows, 1))
        self.state = _state_variable(rows, model.size)
        hidden = model.hidden_states(self._inputs, self.state, architecture)
        self._sum = F.sum(F.mul2(model.cross_entropy(hidden, self._targets), self._counted))
        self.last_state = hidden[length - 1]
        self._counted.persistent = self._sum.persistent = self.last_state.persistent = True

    def loss_on(self, words, following, counted):
        """Sum over the words that count (1 or 0), in nats; all arrays (length, rows). Leaves the state after the last words."""
        self._inputs.d, self._targets.d, self._counted.d = words, following[:, :, None], counted[:, :, None]
        nn.forward_all([self._sum, self.last_state], clear_buffer=True)
        return float(self._sum.d)


def _text_inputs(length, rows):
    words, following = nn.Variable((length, rows)), nn.Variable((length, rows, 1))
    words.persistent = following.persistent = True
    return words, following


def _state_variable(rows, size):
    state = nn.Variable((rows, size))
    state.persistent = True
    state.data.zero()
    return state


def perplexity_of(loss):
    """exp(loss), infinity where it is too large."""
    return math.exp(loss) if -math.inf < loss < 700 else math.inf  # nan becomes inf too
