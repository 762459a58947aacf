"""The node of a recurrent cell on the CPU by NumPy: product, gate and update in one function.

A cell unrolled over a segment has hundreds of small nodes: with NNabla's own seven functions per node most of the time
goes into starting functions, into exponentials and products without AVX, and into writing what is read once.
"""

import numpy as np

from kernels.cpu_function import CpuFunction, give_gradient, gradient, new_values, values

# A diverging training is told by its loss (training/divergence.py), not by NumPy.
_quiet = np.errstate(over="ignore", invalid="ignore")

# name -> (activation in place, its derivative by its value)
_ACTIVATIONS = {
    "tanh": (lambda x: np.tanh(x, out=x), lambda y: 1 - y * y),
    "relu": (lambda x: np.maximum(x, 0, out=x), lambda y: y > 0),
    "sigmoid": (lambda x: _sigmoid(x), lambda y: y * (1 - y)),
    "identity": (lambda x: x, None),
}


def _sigmoid(x):
    """In place; through tanh, which cannot overflow."""
    x *= 0.5
    np.tanh(x, out=x)
    x += 1
    x *= 0.5
    return x


class GatedUnit(CpuFunction):
    """Inputs previous, x (batch, size), weight (size, 2 size) and perhaps shift (batch, 2 size); output (batch, size):

    previous + sigmoid(t) * (activation(h) - previous), where [h, t] = x weight + shift.
    """

    def __init__(self, activation):
        self._activate, self._derivative = _ACTIVATIONS[activation]

    def setup_impl(self, inputs, outputs):
        outputs[0].reset_shape(inputs[0].shape, True)
        self._halves = None

    def grad_depends_input_data(self, i, j):
        return True

    @_quiet
    def forward_impl(self, inputs, outputs):
        previous, x, weight = map(values, inputs[:3])
        both = x @ weight
        if len(inputs) > 3:
            both += values(inputs[3])
        size = previous.shape[1]
        # Each in memory of its own: what follows is faster than on strided halves.
        value, gate = self._activate(both[:, :size].copy()), _sigmoid(both[:, size:].copy())
        y = new_values(outputs[0])
        np.subtract(value, previous, out=y)
        y *= gate
        y += previous
        self._halves = value, gate

    @_quiet
    def backward_impl(self, inputs, outputs, propagate_down, accum):
        previous, x, weight = map(values, inputs[:3])
        (value, gate), dy, size = self._halves, gradient(outputs[0]), previous.shape[1]
        to_gated = dy * gate
        to_both = np.empty((len(x), 2 * size), np.float32)
        to_value, to_gate = to_both[:, :size], to_both[:, size:]
        np.subtract(value, previous, out=to_gate)
        to_gate *= to_gated
        to_gate *= 1 - gate
        if self._derivative is None:
            to_value[...] = to_gated
        else:
            np.multiply(to_gated, self._derivative(value), out=to_value)
        makers = (lambda: dy - to_gated, lambda: to_both @ weight.T, lambda: x.T @ to_both, lambda: to_both)
        for variable, wanted, add, make in zip(inputs, propagate_down, accum, makers, strict=False):
            if wanted:
                give_gradient(variable, add, make())


class Product(CpuFunction):
    """Inputs x (..., size), weight (size, outputs): their product (..., outputs)."""

    def grad_depends_input_data(self, i, j):
        return i != j

    def setup_impl(self, inputs, outputs):
        outputs[0].reset_shape((*inputs[0].shape[:-1], inputs[1].shape[1]), True)

    @_quiet
    def forward_impl(self, inputs, outputs):
        np.matmul(values(inputs[0]), values(inputs[1]), out=new_values(outputs[0]))

    @_quiet
    def backward_impl(self, inputs, outputs, propagate_down, accum):
        x, weight = map(values, inputs)
        dy = gradient(outputs[0]).reshape(-1, weight.shape[1])
        if propagate_down[0]:
            give_gradient(inputs[0], accum[0], dy @ weight.T)
        if propagate_down[1]:
            give_gradient(inputs[1], accum[1], x.reshape(-1, len(weight)).T @ dy)
