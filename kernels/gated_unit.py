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
        previous = values(inputs[0])
        both, size = self._both(*inputs[1:]), previous.shape[1]
        # Each in memory of its own: what follows is faster than on strided halves.
        value, gate = self._activate(both[:, :size].copy()), _sigmoid(both[:, size:].copy())
        y = new_values(outputs[0])
        np.subtract(value, previous, out=y)
        y *= gate
        y += previous
        self._halves = value, gate

    @_quiet
    def backward_impl(self, inputs, outputs, propagate_down, accum):
        previous, (value, gate), dy = values(inputs[0]), self._halves, gradient(outputs[0])
        size = previous.shape[1]
        to_gated = dy * gate
        to_both = np.empty((len(dy), 2 * size), np.float32)
        to_value, to_gate = to_both[:, :size], to_both[:, size:]
        np.subtract(value, previous, out=to_gate)
        to_gate *= to_gated
        to_gate *= 1 - gate
        if self._derivative is None:
            to_value[...] = to_gated
        else:
            np.multiply(to_gated, self._derivative(value), out=to_value)
        makers = lambda: dy - to_gated, *self._gradients(to_both, *inputs[1:])
        for variable, wanted, add, make in zip(inputs, propagate_down, accum, makers, strict=True):
            if wanted:
                give_gradient(variable, add, make())

    def _both(self, x, weight, shift=None):
        """[h, t]"""
        both = values(x) @ values(weight)
        if shift is not None:
            both += values(shift)
        return both

    def _gradients(self, to_both, x, weight, *shift):
        """What makes the gradient of each input of `_both` from that of its output."""
        return lambda: to_both @ values(weight).T, lambda: values(x).T @ to_both, *([lambda: to_both] * len(shift))


class NormalizedUnit(GatedUnit):
    """Inputs previous, x, weight, gamma and beta (1, 2 size), perhaps shift; outputs (batch, size) and twice (1, 2 size):

    a `GatedUnit` with [h, t] = BN(x weight + shift), a batch normalization over the rows; the mean and the biased variance of the
    rows, which no gradient goes through.
    """

    def __init__(self, activation, eps):
        super().__init__(activation)
        self._eps = np.float32(eps)

    def min_outputs(self):
        return 3

    def setup_impl(self, inputs, outputs):
        super().setup_impl(inputs, outputs)
        for output in outputs[1:]:
            output.reset_shape(inputs[3].shape, True)

    def forward_impl(self, inputs, outputs):
        super().forward_impl(inputs, outputs)
        for output, moment in zip(outputs[1:], self._moments, strict=True):
            new_values(output)[...] = moment

    def _both(self, x, weight, gamma, beta, *shift):
        both = super()._both(x, weight, *shift)
        mean = both.mean(axis=0)
        both -= mean
        variance = np.square(both).mean(axis=0)
        self._moments, self._inverse = (mean, variance), 1 / np.sqrt(variance + self._eps)
        both *= self._inverse
        self._normal = both
        return both * values(gamma) + values(beta)

    def _gradients(self, to_both, x, weight, gamma, beta, *shift):
        normal = self._normal
        to_normal = to_both * values(gamma)
        to_product = to_normal - to_normal.mean(axis=0) - normal * (to_normal * normal).mean(axis=0)
        to_product *= self._inverse
        to_x, to_weight, *to_shift = super()._gradients(to_product, x, weight, *shift)
        return to_x, to_weight, lambda: (to_both * normal).sum(axis=0), lambda: to_both.sum(axis=0), *to_shift


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
