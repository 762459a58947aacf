"""Judging language models: the reward of the search and the perplexity on the validation and the test part."""

import math

import nnabla as nn
import nnabla.functions as F
import numpy as np

from constants import PERPLEXITY_REWARD
from datasets.penn_treebank import batchify, evaluation_rows, fixed_segments, whole_rows
from models.inputs import put
from training.language_trainer import perplexity_of, state_variable, text_inputs
from training.precision import full_precision
from training.processes import SINGLE
from training.randomness import generator


class LanguageEvaluator:
    """Measures architectures of the `LanguageModel` `network` on a `TextDataset`; a quality is `PERPLEXITY_REWARD` / perplexity.

    Words whose perplexity is not finite have the quality 0; `not_finite` is 1 then, after `reward` and what measures a whole
    part, otherwise 0. Graphs are kept in `graphs`, by length. Whole parts are measured with the means of `averaging`.
    """

    measure_name = "perplexity"
    part = "Validation"  # what `validate` measures on

    def __init__(self, network, text, config, averaging, graphs):
        self.not_finite = 0.0
        self.graphs = graphs
        self._network, self._text, self._config, self._averaging = network, text, config, averaging

    def reward(self, architecture, batches, *position):
        """Quality on `batches` segments of the validation part, drawn for this position, each from a zero state."""
        rows = batchify(self._text.valid, self._config.batch_size)
        losses = []
        for start, length in self._reward_segments(rows.shape[1], batches, generator(self._config.seed, "reward", *position)):
            words = rows[:, start : start + length + 1].T
            graph = self._graph(architecture, length, self._config.batch_size)
            graph.state.data.zero()
            losses.append(graph.loss_on(words[:-1], words[1:], np.ones(words[1:].shape)) / words[1:].size)
        return self._quality_of(np.mean(losses))

    def probe(self, architecture):
        """Do for a clock what a segment of a reward takes; nothing moves."""
        self.reward(architecture, 1, 0)

    def _reward_segments(self, columns, count, rng):
        """`count` pairs (start, length), by --reward-segment at a multiple of the length or anywhere in the rows."""
        bptt = self._config.bptt
        if getattr(self._config, "reward_segment", "aligned") == "anywhere":  # a retraining has rewards for its clock alone
            length = min(bptt, columns - 1)
            return [(int(start), length) for start in rng.integers(columns - length, size=count)]
        segments = fixed_segments(columns, bptt)
        full = [segment for segment in segments if segment[1] == bptt] or segments[:1]
        return [full[index] for index in rng.choice(len(full), count, replace=count > len(full))]

    def validate(self, architecture, pause=lambda: None, processes=SINGLE):
        """Quality on the validation part: on all words but the first, or on the segments that --validation-segments whole reads.

        `pause()` is called between segments; it may end the process. The `processes` share out the rows.
        """
        return self._quality_on(self.validation_rows(), architecture, pause, processes)

    def validation_rows(self):
        """What `validate` reads: inputs, targets and what each counts, (rows, columns). Raises UserError for too short a text."""
        tokens, config = self._text.valid, self._config
        if config.validation_segments == "whole":
            return whole_rows(tokens, config.batch_size, config.bptt)
        return evaluation_rows(tokens, config.batch_size)

    def final_quality(self, architecture, last, pause=lambda: None):
        """Quality on the whole test part, read as one row; `last` was on the validation part.

        --log-perplexity-cap holds for each word here: the authors' first code read the test text one word at a time.
        """
        return self._quality_on(evaluation_rows(self._text.test, 1), architecture, pause, SINGLE, self._config.log_perplexity_cap)

    def _quality_on(self, text, architecture, pause, processes, word_cap=None):
        words = text[-1].sum(dtype=np.float64)
        inputs, targets, counted = map(processes.share, text)
        rows = len(inputs)
        state, total = np.zeros((rows, self._network.size)), 0.0
        with self._averaging.swapped_in(self._network.scope.all()):
            for start, length in fixed_segments(inputs.shape[1] + 1, self._config.bptt):
                span = slice(start, start + length)
                graph = self._graph(architecture, length, rows, word_cap)
                put(graph.state, state)
                total += graph.loss_on(inputs[:, span].T, targets[:, span].T, counted[:, span].T)
                state = graph.last_state.d.copy()
                pause()
        return self._quality_of(processes.sum(total) / words)

    def _quality_of(self, loss):
        """Of a mean log-perplexity, which counts as --log-perplexity-cap where it is larger."""
        cap = self._config.log_perplexity_cap
        perplexity = perplexity_of(loss if cap is None or not math.isfinite(loss) else min(loss, cap))
        self.not_finite = 0.0 if math.isfinite(perplexity) else 1.0
        return PERPLEXITY_REWARD / perplexity

    def measure(self, quality):
        """The number to show and to record for a reward or a validation result: the perplexity."""
        return PERPLEXITY_REWARD / quality if quality else math.inf

    def goal(self, config):
        """The quality at which a search may stop."""
        return math.inf if config.early_stop_under is None else PERPLEXITY_REWARD / config.early_stop_under

    def describe(self, quality):
        """A reward or validation result in words."""
        return f"perplexity {self.measure(quality):.2f}"

    def _graph(self, architecture, length, rows, word_cap=None):
        def make():
            return EvaluationGraph(self._network, architecture, length, rows, word_cap)

        return self.graphs.get(architecture, ("evaluation", length, rows, word_cap), make)


class EvaluationGraph:
    """Cross-entropy of one architecture on `rows` segments of `length` words, without dropout.

    `word_cap`: what it counts at most for one word, nats; None: no cap. What is not finite is never capped.
    """

    def __init__(self, network, architecture, length, rows, word_cap=None):
        self._inputs, self._targets = text_inputs(length, rows)
        self._counted = nn.Variable((length, rows, 1))
        self.state = state_variable(rows, network.size)
        hidden = network.hidden_states(self._inputs, self.state, architecture)
        losses = network.cross_entropy(hidden, self._targets)
        with full_precision():  # the sum of 9,000 words is infinite in half
            if word_cap is not None:
                losses = losses - F.relu(losses - word_cap)  # not a minimum, which would make infinity a number
            self._sum = F.sum(F.mul2(losses, self._counted))
        self.last_state = hidden[length - 1]
        self._counted.persistent = self._sum.persistent = self.last_state.persistent = True

    def loss_on(self, words, following, counted):
        """Sum over the words that count (1 or 0), in nats; all arrays (length, rows). Leaves the state after the last words."""
        put(self._inputs, words)
        put(self._targets, following[:, :, None])
        put(self._counted, counted[:, :, None])
        nn.forward_all([self._sum, self.last_state], clear_buffer=True)
        return float(self._sum.d)
