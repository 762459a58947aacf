"""The searched cell in one graph, unrolled a word at a time, with or without batch normalization between its nodes.

Sources: arXiv:1802.03268, section 2.1 and appendix A, and the authors' two language-model codes; normalization is that of the
first one's search.
"""

import nnabla as nn
import nnabla.functions as F
import numpy as np

from constants import CELL_BATCH_NORM_DECAY as DECAY
from constants import CELL_BATCH_NORM_EPSILON as EPSILON
from models import layers
from models.parameters import constant

OUTPUT = "output"


class Cell:
    """One architecture with its weights. What node 0 gets from the words is one product for a whole segment.

    `model` is the `LanguageModel` whose weights it uses; `masks` its dropout or None, `rows` those of the text.
    """

    def __init__(self, model, architecture, masks, rows):
        self._model, self._masks, self._rows = model, masks, rows
        first = f"node_0/{architecture.first_function}"
        self._word_weight = self._weight(f"{first}/W_word")
        self._previous = [None] + [previous for previous, _ in architecture.nodes]
        self._functions = [architecture.first_function] + [function for _, function in architecture.nodes]
        self._weights = [self._weight(f"{first}/W_state")] + [
            self._weight(f"node_{number}/from_{previous}/{function}/W")
            for number, (previous, function) in enumerate(architecture.nodes, 1)
        ]
        self._output_nodes = architecture.output_nodes()

    def _weight(self, name):
        """(size, 2 size): what comes out are halves, value and gate."""
        return self._model.parameter(name, (self._model.size, 2 * self._model.size))

    def read(self, words):
        """List of what node 0 gets from each of words (length, batch): (batch, 2 size)."""
        x = F.embed(words, self._model.embedding())
        if self._masks:
            x = layers.masked(layers.masked(x, self._masks.word), F.mul2(self._masks.embedding, self._masks.input))
        products = self._products(x)
        if words.shape[0] == 1:
            return [F.reshape(products, products.shape[1:])]
        return F.split(products, axis=0)

    def read_one(self, word):
        """What node 0 gets, without dropout, from one `word` (batch, 1): (batch, 2 size)."""
        x = F.embed(word, self._model.embedding())
        return self._products(F.reshape(x, (x.shape[0], x.shape[2])))

    def _products(self, x):
        return layers.product(x, self._word_weight)

    def step(self, word, state):
        """One time step: the output and next state after a word."""
        nodes, dropped = [self._unit(0, state, self._drop(state), word)], {}
        for number, previous in enumerate(self._previous[1:], 1):
            if previous not in dropped:
                dropped[previous] = self._drop(nodes[previous])
            nodes.append(self._unit(number, nodes[previous], dropped[previous]))
        return self._output(_mean([nodes[number] for number in self._output_nodes]))

    def _unit(self, number, previous, x, shift=None):
        return layers.gated_unit(previous, x, self._weights[number], self._functions[number], shift)

    def _output(self, mean):
        return mean

    def _drop(self, x):
        return layers.masked(x, self._masks.layer) if self._masks else x


class NormalizedCell(Cell):
    """The cell in training, normalized by the rows of each time step: every node before its gate, and the output.
    What the time steps have of mean and variance is added to `statistics`, `RunningStatistics`.
    """

    def __init__(self, model, architecture, masks, rows, statistics):
        super().__init__(model, architecture, masks, rows)
        self._statistics = statistics

    def _unit(self, number, previous, x, shift=None):
        place, size = f"node_{number}", 2 * self._model.size
        affine = _gamma_and_beta(self._model, place, size)
        unit, *moments = layers.normalized_unit(
            previous, x, self._weights[number], self._functions[number], *affine, EPSILON, shift
        )
        self._statistics.add(place, _running(self._model, place, size), moments)
        return unit

    def _output(self, mean):
        size, moments = self._model.size, layers.moments(mean)
        self._statistics.add(OUTPUT, _running(self._model, OUTPUT, size), moments)
        scale, offset = layers.scale_and_offset(*moments, *_gamma_and_beta(self._model, OUTPUT, size), EPSILON)
        return F.add2(F.mul2(mean, scale), offset)


class RunningStatistics:
    """What a segment makes of the running statistics: every time step moves them by 1 - DECAY (authors' first code).

    They start at 0 and 1; nothing makes up for the start.
    """

    def __init__(self):
        self._places = {}  # place in the cell and 0 or 1 -> (mean or variance, what the time steps have of it)

    def add(self, place, statistics, moments):
        """The `moments` (mean, variance) of the next time step at a place, for its running `statistics`."""
        for number, (statistic, moment) in enumerate(zip(statistics, moments, strict=True)):
            self._places.setdefault((place, number), (statistic, []))[1].append(moment)

    def moved(self):
        """[(running statistic, Variable of what it becomes)]"""
        return [(statistic, _moved(statistic, moments)) for statistic, moments in self._places.values()]


def _moved(statistic, moments):
    steps = len(moments)
    weights = nn.Variable.from_numpy_array(np.float32((1 - DECAY) * DECAY ** np.arange(steps)[::-1])[None])
    weights.persistent = True
    new = F.affine(weights, F.concatenate(*moments, axis=0)) if steps > 1 else F.mul_scalar(moments[0], 1 - DECAY)
    return F.add2(F.mul_scalar(statistic, DECAY**steps), new)


class FoldedCell(Cell):
    """The normalized cell in evaluation: the weights take up the scales and offsets that running statistics make."""

    def __init__(self, model, architecture, masks, rows):
        super().__init__(model, architecture, masks, rows)
        size = 2 * model.size
        pairs = [_scale_and_offset(model, f"node_{number}", size) for number in range(len(self._weights))]
        self._weights = [F.mul2(weight, scale) for weight, (scale, _) in zip(self._weights, pairs, strict=True)]
        self._word_weight = F.mul2(self._word_weight, pairs[0][0])
        self._shifts = [F.broadcast(offset, (rows, size)) for _, offset in pairs]
        self._scale, self._offset = _scale_and_offset(model, OUTPUT, model.size)

    def _products(self, x):
        rows, size = self._shifts[0].shape
        shape = (rows, size) if x.ndim == 2 else (1, rows, size)
        return F.add2(super()._products(x), F.reshape(self._shifts[0], shape, inplace=False))

    def _unit(self, number, previous, x, shift=None):
        return super()._unit(number, previous, x, self._shifts[number] if shift is None else shift)

    def _output(self, mean):
        return F.add2(F.mul2(mean, self._scale), self._offset)


def _gamma_and_beta(model, place, size):
    scope = model.scope / place / "bn"
    return scope.get("gamma", (1, size), constant(1)), scope.get("beta", (1, size), constant(0))


def _running(model, place, size):
    scope = model.scope / place / "bn"
    return scope.get("mean", (1, size), constant(0), False), scope.get("var", (1, size), constant(1), False)


def _scale_and_offset(model, place, size):
    return layers.scale_and_offset(*_running(model, place, size), *_gamma_and_beta(model, place, size), EPSILON)


def _mean(tensors):
    return tensors[0] if len(tensors) == 1 else F.mul_scalar(F.add_n(*tensors), 1 / len(tensors))
