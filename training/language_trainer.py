"""Moving the weights of language models."""

import math
from dataclasses import dataclass

import nnabla as nn
import nnabla.functions as F
import nnabla.solvers as S
import numpy as np

from datasets.penn_treebank import batchify, random_segments, whole_segments
from models.inputs import put
from models.recurrent_cell import RunningStatistics
from models.recurrent_lm import Masks
from training.optimizers import Averaging, should_start_averaging
from training.precision import full_precision
from training.processes import SINGLE
from training.randomness import generator
from training.trainer import Trainer, TrainingGraph


@dataclass(frozen=True)
class Dropouts:
    """Shares that are dropped, by the place in the network (see `models.recurrent_lm.Masks`)."""

    word: float = 0.0  # of the vocabulary: a word is dropped wherever it stands in the mini-batch
    embedding: float = 0.0
    input: float = 0.0
    layer: float = 0.0
    output: float = 0.0
    lasting: bool = False  # words are dropped one by one, see `lasting`

    @classmethod
    def of(cls, config):
        """As the options say."""
        lasting = config.word_dropout == "lasting"
        return cls(config.drop_e, config.drop_i, config.drop_x, config.drop_l, config.drop_o, lasting)

    def draw(self, rng, words, num_words, size, rows=slice(None)):
        """Dict of place -> array for `Masks` of the inputs `words` (length, batch), inverted: 0 or 1 / keep rate.

        `rows`: the part of the batch to give them for; they are drawn for all of it.
        """
        constant = 1, words.shape[1], size
        return {
            "word": self._words(rng, words, num_words)[:, rows],
            "embedding": _mask(rng, constant, self.embedding)[:, rows],
            "input": _mask(rng, constant, self.input)[:, rows],
            "layer": _mask(rng, constant[1:], self.layer)[rows],
            "output": _mask(rng, constant, self.output)[:, rows],
        }

    def _words(self, rng, words, num_words):
        if self.lasting:
            return lasting(words, _mask(rng, words.shape, self.word))[:, :, None]
        return _mask(rng, (num_words, 1), self.word)[words]


def lasting(words, mask):
    """`mask` (length, batch) of single words, in which a word that was dropped is dropped again later in its column.

    The rule of the authors' first language-model code; `words` (length, batch) are the columns' words.
    """
    dropped = mask.copy()
    for step in range(1, len(words)):
        again = (words[:step] == words[step]) & (mask[:step] == 0)
        dropped[step, again.any(axis=0)] = 0
    return dropped


def _mask(rng, shape, rate):
    return (rng.random(shape, np.float32) >= rate) / np.float32(1 - rate)


class LanguageTrainer(Trainer):
    """Moves the weights of the `LanguageModel` `network` on a training text, `tokens` (words,).

    The text is cut into --batch-size rows, which are read side by side in segments, by --bptt-length; the hidden state goes on
    from one to the next. The `processes` share out the rows. `averaging`: the `Averaging` that `epoch_done` starts where
    `averages_weights`.
    """

    def __init__(self, network, tokens, config, learning_rate, averages_weights=False, processes=SINGLE):
        super().__init__(network, config, learning_rate, ("loss", "words"), processes)
        self.averaging, self._averages_weights = Averaging(), averages_weights
        self._rows = batchify(tokens, config.batch_size)
        self._segments = (None, None)
        self._moves_all = getattr(config, "update", "used") == "all"  # a retraining has no weights that are not in use
        self._state = state_variable(self._part.stop - self._part.start, network.size)
        with full_precision():
            self._solver = S.Sgd()

    def steps(self, epoch):
        """Segments in an epoch."""
        return len(self._epoch_segments(epoch))

    def epoch_done(self, measures):
        """Given the validation perplexity after each epoch so far, start to average if it is time. Returns lines for the user."""
        if not self._averages_weights or self.averaging.started or not should_start_averaging(measures):
            return []
        self.averaging.start()
        return [f"from epoch {len(measures) + 1} on, the average of the weights is evaluated and saved"]

    def weights(self):
        return self.averaging.averaged(self.network.scope.all())

    def _filled_graph(self, architecture, epoch, step):
        start, length = self._epoch_segments(epoch)[step]
        words = self._rows[:, start : start + length + 1].T
        if step == 0:
            self._state.data.zero()
        graph = self.graph(architecture, length)
        graph.fill(words[:-1], words[1:], generator(self.config.seed, "dropout", epoch, step), self._part)
        return graph

    def make_weights(self, architecture):
        """Make the weights of an architecture, before it is trained."""
        self.graph(architecture, self.config.bptt)

    def graph(self, architecture, length):
        """The graph of an architecture for this process's rows of a segment of `length` words."""

        def make():
            return LanguageTrainingGraph(self.network, architecture, length, self._state, self.config)

        return self.graphs.get(architecture, ("training", length), make)

    def _epoch_segments(self, epoch):
        if self._segments[0] != epoch:
            self._segments = epoch, self._new_segments(epoch)
        return self._segments[1]

    def _new_segments(self, epoch):
        columns, config = self._rows.shape[1], self.config
        if config.bptt_length == "constant":
            return whole_segments(columns, config.bptt)
        return list(random_segments(columns, generator(config.seed, "segments", epoch), config.bptt))

    def _rate(self, epoch, step):
        """`learning_rate` is that of a segment of --bptt words; the rate of a shorter or longer one is in proportion."""
        _, length = self._epoch_segments(epoch)[step]
        return self.learning_rate(epoch, step) * length / self.config.bptt

    def _before_clipping(self, parameters):
        """The weight decay is clipped as well, for it is part of the authors' loss. --update all: that of all weights."""
        self._exchange.unpack()
        decay = self.config.weight_decay * self._scale.value
        self._solver.set_parameters(parameters, reset=True, retain_state=False)
        self._solver.weight_decay(decay)
        if not self._moves_all:
            return parameters
        idle = {name: weight for name, weight in self.network.scope.trainable().items() if name not in parameters}
        for weight in idle.values():
            F.mul_scalar(weight.data, decay, outputs=[weight.grad])
        self._solver.set_parameters(idle, reset=False)
        return parameters | idle

    def _update(self, graph, rate):
        """Plain gradient descent; the next segment goes on from the last hidden state."""
        self._solver.set_learning_rate(rate)
        self._solver.update()
        self.averaging.add(graph.parameters)
        self._state.data.copy_from(graph.last_state.data)

    def _shown(self, means):
        """Mean cross-entropy per word (nats), without regularizers, and its perplexity where that is not too large."""
        if "loss" not in means:
            return means
        loss = means.pop("loss") / means.pop("words")
        perplexity = perplexity_of(loss)
        return {"loss": loss} | ({"perplexity": perplexity} if math.isfinite(perplexity) else {}) | means

    def _arrays(self):
        return self.network.scope.arrays() | self.averaging.set_aside()

    def _optimizer_state(self):
        return {"state": self._processes.collect(self._state.d)} | self.averaging.state()

    def _restore_optimizer(self, arrays):
        self._state.d = self._processes.share(arrays["state"])
        self.averaging.restore(arrays)


class LanguageTrainingGraph(TrainingGraph):
    """Loss of one architecture on a segment of `length` words, which begins in `state`, with dropout and regularizers."""

    def __init__(self, network, architecture, length, state, config):
        self._length, self._dropouts = length, Dropouts.of(config)
        self._num_words, self._size, rows = network.num_words, network.size, state.shape[0]
        self._inputs, self._targets = text_inputs(length, rows)
        self._masks = Masks.inputs(length, rows, network.size)
        masks = Masks.of(self._masks)
        with network.scope.record_use() as used:
            statistics = RunningStatistics()
            hidden = network.hidden_states(self._inputs, state, architecture, masks, statistics)
            losses = network.cross_entropy(hidden, self._targets, masks)
        with full_precision():
            self._moved = statistics.moved()
            loss = F.mean(losses)
            total = F.add_n(F.mul_scalar(loss, _summands(losses, config)), *_regularizers(hidden, masks, config))
        self.last_state = hidden[length - 1]
        super().__init__(used, loss, total, beside=[self.last_state, *(moved for _, moved in self._moved)], figures=[])

    def backward(self, scale=1.0):
        """As `TrainingGraph.backward`; the running statistics are those after the segment then."""
        super().backward(scale)
        for statistic, moved in self._moved:
            statistic.data.copy_from(moved.data, use_current_context=False)

    def fill(self, words, following, rng, rows=slice(None)):
        """Put in the `rows` of words and of those that follow them, both (length, batch), and fresh masks."""
        put(self._inputs, words[:, rows])
        put(self._targets, following[:, rows, None])
        for place, mask in self._dropouts.draw(rng, words, self._num_words, self._size, rows).items():
            self._masks[place].put(mask)

    def measured(self):
        """NdArrays of one element: the cross-entropy summed over the words, and how many they are, in a row of the text."""
        words = nn.NdArray((1,))
        words.fill(self._length)
        return [F.mul_scalar(self.loss.data, self._length), words]


def _summands(x, config):
    """How often the mean of x (length, batch, size) counts: once, or with --loss-reduction sum once for each number in a row."""
    return x.size // x.shape[1] if config.loss_reduction == "sum" else 1


def _regularizers(hidden, masks, config):
    """AR and TAR (--alpha, --beta), on the hidden states (length, batch, size); before their dropout, TAR as the options say."""
    terms = []
    if config.alpha:
        terms.append(config.alpha * _summands(hidden, config) * F.mean(hidden**2))
    if config.beta and hidden.shape[0] > 1:
        states = F.mul2(hidden, masks.output) if config.beta_after_dropout else hidden
        changes = states[1:] - states[:-1]
        terms.append(config.beta * _summands(changes, config) * F.mean(changes**2))
    return terms


def text_inputs(length, rows):
    """Variables of a segment: its words (length, rows), and those that follow them, (length, rows, 1)."""
    words, following = nn.Variable((length, rows)), nn.Variable((length, rows, 1))
    words.persistent = following.persistent = True
    return words, following


def state_variable(rows, size):
    """Variable (rows, size) of a hidden state, zero."""
    state = nn.Variable((rows, size))
    state.persistent = True
    state.data.zero()
    return state


def perplexity_of(loss):
    """exp(loss), infinity where it is too large."""
    return math.exp(loss) if -math.inf < loss < 700 else math.inf  # nan becomes inf too
