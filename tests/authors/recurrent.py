"""Comparison of the language model with golden files of the authors' first code (PTBEnasChild): one cell, the old arc form.

Either trained alone, or as the search has it: a slice of the weights that all cells share, and batch normalization.
"""

import nnabla as nn
import nnabla.functions as F
import numpy as np

from constants import CELL_BATCH_NORM_DECAY as DECAY
from models.parameters import ParameterScope
from models.recurrent_cell import OUTPUT, RunningStatistics
from models.recurrent_lm import LanguageModel, Masks
from search_spaces.recurrent import OLD_FUNCTIONS, RecurrentArchitecture
from tests.authors.differences import gradient_scales, relative

_ROOT = "ptb_enas_model"
_CELL = f"{_ROOT}/rnn/layer_0"
_BATCH_NORM = {"gamma": "scale", "beta": "offset", "mean": "moving_mean", "var": "moving_variance"}


def compare_language_model(arrays):
    """Form of ptb_fixed_*.npz and ptb_search_*.npz. Yields (quantity, difference)."""
    architecture = RecurrentArchitecture.from_numbers(arrays["arc"])
    words, size = arrays[f"var/{_ROOT}/embedding/w:0"].shape
    normalized = any("/batch_norm/" in name for name in arrays)
    model = LanguageModel(ParameterScope(), words, size, 0.1, normalized)
    evaluation, training = _Run(model, architecture, arrays, None), _Run(model, architecture, arrays, _masks(arrays))
    for name, parameter in model.scope.all().items():
        parameter.d = _find(arrays, "var", name)

    evaluation.forward()
    yield "eval_h", relative(evaluation.hidden, arrays["eval_h"])
    yield "eval_ce", relative(evaluation.cross_entropy, arrays["eval_ce"])
    training.forward()
    for quantity, ours in training.quantities().items():
        yield quantity, relative(ours, arrays[quantity])
    yield from _compare_gradients(arrays, model.scope, training)
    if normalized:
        yield from _compare_statistics(arrays, model.scope, training)


def _compare_gradients(arrays, scope, training):
    parameters = scope.trainable()
    for parameter in parameters.values():
        parameter.grad.zero()
    training.backward()
    theirs = {name: _find(arrays, "grad", name) for name in parameters}
    scales = gradient_scales(theirs)
    yield f"gradients of {len(theirs)} parameters", max(
        relative(parameters[name].g, theirs[name], scales[name]) for name in theirs
    )


def _compare_statistics(arrays, scope, training):
    """The running statistics after the segment, ours from 0.

    TensorFlow's shadow of each starts at 0 too, and moves with every time step; what the file has is that over 1 - 0.999, its
    correction for a start that lies one step back.
    """
    names = [name for name, parameter in scope.all().items() if not parameter.need_grad]
    for name in names:
        scope.all()[name].d = 0
    found = training.statistics(scope)
    differences = [relative(found[name] / (1 - DECAY), _find(arrays, "after1", name)) for name in names]
    yield f"{len(names)} running statistics", max(differences)


class _Run:
    """The graph of one pass over `x`, and its results with the rows in their order, all words of a text before the next text."""

    def __init__(self, model, architecture, arrays, masks):
        words = nn.Variable.from_numpy_array(arrays["x"].T)
        following = nn.Variable.from_numpy_array(arrays["y"].T[:, :, None])
        state = nn.Variable.from_numpy_array(arrays[f"var/{_ROOT}/starting_states/Variable:0"])
        self._length, self._batch = words.shape
        moments = RunningStatistics()
        hidden = model.hidden_states(words, state, architecture, masks, moments)
        self._moved = moments.moved()
        self._cross_entropy = model.cross_entropy(hidden, following, masks)
        self._loss = F.sum(self._cross_entropy) / self._batch
        self._hidden = F.mul2(hidden, masks.output) if masks else hidden

    def forward(self):
        nn.forward_all([self._loss, self._hidden])

    def backward(self):
        self._loss.backward()

    def statistics(self, scope):
        """Dict of name -> running statistic after the pass."""
        nn.forward_all([moved for _, moved in self._moved])
        found = {id(statistic): moved.d for statistic, moved in self._moved}
        return {name: found[id(parameter)] for name, parameter in scope.all().items() if id(parameter) in found}

    @property
    def hidden(self):
        return self._rows(self._hidden)

    @property
    def cross_entropy(self):
        return self._rows(self._cross_entropy)[:, 0]

    def quantities(self):
        """What is in the file under these names; they take the differences after the output's dropout."""
        steps = np.diff(self._hidden.d, axis=0)
        return {
            "train_h": self.hidden,
            "train_ce": self.cross_entropy,
            "train_loss": self._loss.d,
            "train_h_diff_sumsq": np.square(steps).sum(),
        }

    def _rows(self, variable):
        by_time = variable.d.reshape(self._length, self._batch, -1)
        return by_time.swapaxes(0, 1).reshape(self._length * self._batch, -1)


def _masks(arrays):
    """Their four masks in our places; they have none for the embedding alone."""
    words = _dropped_words(arrays["x"], arrays["mask_e"]).T[:, :, None]
    given = words, np.ones_like(arrays["mask_x"])[None], arrays["mask_x"][None], arrays["mask_h"], arrays["mask_o"][None]
    return Masks(*map(nn.Variable.from_numpy_array, given))


def _dropped_words(words, mask):
    """Their rule for a repeated word: once it was dropped (by `mask`) in a text, it is dropped there from then on."""
    dropped = mask.copy()
    for step in range(1, words.shape[1]):
        again = (words[:, :step] == words[:, step : step + 1]) & (mask[:, :step] == 0)
        dropped[again.any(axis=1), step] = 0
    return dropped


def _find(arrays, kind, name):
    """Their array for our parameter `name`, in our form; `kind` is "var", "grad" or "after1"."""
    place, *rest = name.split("/")
    if place == "embedding":
        return arrays[f"{kind}/{_ROOT}/embedding/w:0"]
    if rest[0] == "bn":
        node = "" if place == OUTPUT else f"rhn_layer_{_number(place)}/"
        return arrays[f"{kind}/{_ROOT}/layer_0/{node}batch_norm/{_BATCH_NORM[rest[1]]}:0"][None]
    if place == "node_0":
        function, part = rest
        word, state = np.split(_slice(arrays[f"{kind}/{_CELL}/w_prev:0"], 1, 0, function, 2), 2)
        return word if part == "W_word" else state
    previous, function, _ = rest
    weight = arrays[f"{kind}/{_CELL}/layer_{_number(place)}/w:0"]
    return _slice(weight, _number(place), _number(previous), function)


def _slice(weight, previous_nodes, previous, function, sizes=1):
    """The rows of one previous node and function; all of them where the file has a weight of one cell alone.

    `weight` has `sizes` times as many rows for each as half its columns.
    """
    rows = sizes * weight.shape[1] // 2
    if len(weight) == rows:
        return weight
    functions = len(weight) // (previous_nodes * rows)
    return weight.reshape(previous_nodes, functions, rows, -1)[previous, OLD_FUNCTIONS.index(function)]


def _number(name):
    return int(name.rpartition("_")[2])
