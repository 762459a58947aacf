"""ReLU inputs that are zero up to rounding, and pooled pixels that are equal up to rounding.

On which side two programs put such an element is chance: the outputs agree, but the gradient of everything below jumps. `explain`
finds the elements of our graph that the reference put on the other side and takes their effect out of the difference between the
gradients. That is exact, for the backward pass is linear in what one element adds to it.

It works from the loss down. What differs above an element comes from elsewhere and is settled before; so the layer just below
must show, in all its weights, the very difference that moving this element makes, and only then is it moved. Where a large
difference stays unexplained the search ends: an error in a formula is no sum of such effects.
"""

import contextlib
import functools
import itertools
from dataclasses import dataclass, field

import nnabla as nn
import nnabla.functions as F
import numpy as np

PERTURBATION = 2.0**-20  # sixteen roundings of a float32, what a sum over a batch gathers
ROUNDING = 8  # times what a perturbation of the weights makes of a tensor: what counts as zero or as equal
NOISE = 5e-6  # difference of gradients, relative to their scale, that needs no explanation
UNEXPLAINED = 1e-3  # difference that ends the search
AGREEMENT = 0.75  # least part of an element's effect that the difference must show
FEW = 20  # exactly equal elements of a tensor that may be so by chance; more are copies of one and stay equal

_NEIGHBORS = [(0, 1), (0, 2), *itertools.product((1, 2), range(-2, 3))]  # pixels that share a 3x3 window
_FUNCTIONS = {"ReLU": F.relu, "MaxPooling": F.max_pooling}
_LAYER_ENDS = {*_FUNCTIONS, "BatchNormalization"}


def explain(loss, parameters, difference, scales):
    """Take the effects of moved elements out of `difference`; returns how many were moved.

    `parameters`: dict of name -> Variable in the order of their making; they and all other buffers are as the last forward and
    backward pass of `loss` left them. `difference`: dict of name -> reference - ours; `scales`: dict of name -> its unit.
    """
    if all(np.abs(difference[name]).max() <= NOISE * scales[name] for name in difference):
        return 0
    graph = _Graph(loss, {name: parameters[name] for name in difference}, scales)
    graph.measure_rounding(parameters)
    moved = 0
    for layer in graph.layers():
        if graph.worst(layer, difference) > NOISE:
            moved += graph.settle(layer, difference)
        if graph.worst(layer, difference) > UNEXPLAINED:
            break
    return moved


class _Choice:
    """A ReLU or a max pooling of the graph: x -> y."""

    def __init__(self, function):
        self.x, self.y = function.inputs[0], function.outputs[0]
        self.upstream = self.y.g.copy()  # gradient of y, with that of the elements moved so far
        self.rounding = 0.0  # how far two programs' values of x may lie apart
        self._function = functools.partial(_FUNCTIONS[function.info.type_name], **function.info.args)
        self._moves = _moves_to_zero if function.info.type_name == "ReLU" else _moves_to_neighbor

    def moves(self):
        """(index, shift): elements of x that rounding could put on the other side, and what would bring them there."""
        return self._moves(self.x.d, self.rounding)

    def change(self, index, shift):
        """How the gradient of x changes when one of its elements moves."""
        moved = self.x.d.copy()
        moved[index] += shift
        return self._gradient(moved) - self._gradient(self.x.d)

    def _gradient(self, x):
        leaf = nn.Variable.from_numpy_array(x)
        leaf.need_grad = True
        leaf.grad.zero()
        y = self._function(leaf)
        y.forward()
        y.backward(self.upstream)
        return leaf.g.copy()


def _moves_to_zero(x, bound):
    """To the other side of zero."""
    for index in map(tuple, np.argwhere((np.abs(x) < bound) & (x != 0))):
        yield index, -2 * x[index]
    for index in map(tuple, _few(x == 0)):
        yield index, np.finfo(np.float32).tiny


def _moves_to_neighbor(x, bound):
    """The smaller one of two pixels becomes the larger one."""
    height, width = x.shape[2:]
    for down, right in _NEIGHBORS:
        left, right = max(-right, 0), max(right, 0)
        first, second = x[:, :, : height - down, left : width - right], x[:, :, down:, right : width - left]
        starts = np.array([[0, 0, 0, left], [0, 0, down, right]])
        gap = first - second
        for index in np.argwhere((np.abs(gap) < bound) & (gap != 0)):
            value = gap[tuple(index)]
            yield tuple(index + starts[int(value > 0)]), 2 * abs(value)
        for index in _few((gap == 0) & (first != 0)):
            for start in starts:
                yield tuple(index + start), np.spacing(abs(first[tuple(index)]))


def _few(condition):
    indices = np.argwhere(condition)
    return indices if len(indices) <= FEW else []


@dataclass
class _Tie:
    """An element of a tensor, the shift that would move it to the other side, and who chooses by it.

    A tensor may be read several times, also as a part of a concatenation: it moves for all readers or for none.
    """

    tensor: nn.Variable
    index: tuple
    shift: float
    readers: list = field(default_factory=list)  # (choice, channel of its x at which the tensor begins)

    def injection(self):
        """What moving the element adds to the gradient of the tensor."""
        batch, channel, *place = self.index
        total = np.zeros(self.tensor.shape, np.float32)
        for choice, start in self.readers:
            change = choice.change((batch, start + channel, *place), self.shift)
            total += change[:, start : start + self.tensor.shape[1]]
        return total


@dataclass
class _Layer:
    """A convolution and its batch normalization, say, and the ties in tensors that it was the last to work on."""

    newest: int  # number of its newest parameter
    names: list  # of its parameters
    ties: list = field(default_factory=list)


class _Graph:
    """The graph below a loss, with its choices and the parameters in the order of their making."""

    def __init__(self, loss, parameters, scales):
        self._parameters, self._scales = parameters, scales
        self._order = {variable: (number, name) for number, (name, variable) in enumerate(parameters.items())}
        self._loss, self._choices, self._users_of = loss, [], {}
        loss.visit(self._note)

    def _note(self, function):
        if function.info.type_name in _FUNCTIONS:
            self._choices.append(_Choice(function))

    def measure_rounding(self, parameters):
        """See how far the tensors move when every weight does by a few roundings."""
        exact = [choice.x.d.copy() for choice in self._choices]
        weights = {name: variable.d.copy() for name, variable in parameters.items()}
        rng = np.random.default_rng(0)
        for variable in parameters.values():
            variable.d *= 1 + PERTURBATION * rng.choice((-1, 1), variable.shape)
        self._loss.forward()
        for choice, x in zip(self._choices, exact, strict=True):
            choice.rounding = ROUNDING * np.sqrt(np.mean((choice.x.d - x) ** 2))
        for name, variable in parameters.items():
            variable.d = weights[name]
        self._loss.forward()

    def layers(self):
        """The layers that chose something, from the loss down."""
        layers = {}
        for tie in self._ties():
            newest, function = self._maker(tie.tensor)
            names = sorted(set(self._parameters_of(function)))
            layers.setdefault(newest, _Layer(newest, names)).ties.append(tie)
        return [layers[newest] for newest in sorted(layers, reverse=True)]

    def _ties(self):
        ties = {}
        for choice in self._choices:
            for index, shift in choice.moves():
                tensor, start = _origin(choice.x, index[1])
                key = tensor, (index[0], index[1] - start, *index[2:]), shift
                ties.setdefault(key, _Tie(*key)).readers.append((choice, start))
        return ties.values()

    def _maker(self, tensor):
        """(number of the newest parameter, function that has it) of all that the tensor depends on."""
        users = self._users(tensor)
        newest = max(users)
        return newest, users[newest]

    def _users(self, tensor):
        """Dict of the numbers of all parameters that the tensor depends on -> function that has the parameter."""
        if tensor not in self._users_of:
            users = self._users_of[tensor] = {}

            def note(function):
                users.update((self._order[variable][0], function) for variable in function.inputs if variable in self._order)

            tensor.visit(note)
        return self._users_of[tensor]

    def _parameters_of(self, function):
        """Names of its parameters and of those of the convolutions that it works on."""
        for variable in function.inputs:
            if variable in self._order:
                yield self._order[variable][1]
            elif variable.parent is not None and variable.parent.info.type_name not in _LAYER_ENDS:
                yield from self._parameters_of(variable.parent)

    def worst(self, layer, difference):
        """Largest difference in the parameters of the layer, relative to their scales."""
        return max(np.abs(difference[name]).max() / self._scales[name] for name in layer.names)

    def settle(self, layer, difference):
        """Take the effects of those ties out of `difference` that it shows in the layer's parameters; returns their number."""
        with self._only_down_to(layer):
            effects = [self._effect(tie, layer) for tie in layer.ties]
        chosen = _matching(self._flat(difference, layer), effects)
        for number in sorted(chosen, reverse=True):  # the ties are in the order of the graph
            self._propagate(layer.ties[number])
            for name in difference:
                difference[name] = difference[name] - self._parameters[name].g
            for choice in self._choices:
                choice.upstream += choice.y.g
        return len(chosen)

    def _effect(self, tie, layer):
        self._propagate(tie)
        return self._flat({name: self._parameters[name].g for name in layer.names}, layer)

    @contextlib.contextmanager
    def _only_down_to(self, layer):
        """Inside the block a backward pass ends at the choices that do not depend on the layer."""
        ends = [choice.y for choice in self._choices if layer.newest not in self._users(choice.y)]
        for y in ends:
            y.need_grad = False
        try:
            yield
        finally:
            for y in ends:
                y.need_grad = True

    def _propagate(self, tie):
        """Leave in all gradients what the moved element adds to them."""
        for variable in [*self._parameters.values(), *(choice.y for choice in self._choices)]:
            variable.grad.zero()
        injection = tie.injection()
        if injection.any():
            tie.tensor.backward(nn.NdArray.from_numpy_array(injection))

    def _flat(self, arrays, layer):
        return np.concatenate([arrays[name].ravel() / self._scales[name] for name in layer.names]).astype(np.float64)


def _origin(x, channel):
    """The tensor that holds this channel of x before any concatenation, and the channel of x at which it begins."""
    start = 0
    while x.parent is not None and x.parent.info.type_name == "Concatenate":
        for part in x.parent.inputs:
            if channel < start + part.shape[1]:
                x = part
                break
            start += part.shape[1]
    return x, start


def _matching(difference, effects):
    """Numbers of the effects whose sum is nearest to `difference`, the one that explains most of it first."""
    chosen = []
    while True:
        gains = {}
        for number, effect in enumerate(effects):
            square, product = effect @ effect, effect @ difference
            if number not in chosen and np.abs(effect).max() > NOISE and product > AGREEMENT * square:
                gains[number] = 2 * product - square
        if not gains:
            return chosen
        best = max(gains, key=gains.get)
        chosen.append(best)
        difference = difference - effects[best]
