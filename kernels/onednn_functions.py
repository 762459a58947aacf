"""oneDNN's operations as NNabla functions: same values and gradients as `nnabla.functions`, same memory, no copies.

What NNabla asks of a function: write or add gradients as `accum` says, only for the inputs that `propagate_down` names, and
tell whose values the gradients need (`grad_depends_*`), so that the rest can be cleared. oneDNN cannot add to a gradient:
it goes through a scratch buffer then. Graphs with these functions cannot be saved as NNP, nor differentiated twice.
"""

import ctypes
import functools

import numpy as np

from kernels import onednn_binding as onednn
from kernels import onednn_composed as composed
from kernels.cpu_function import FLOAT_SIZE, CpuFunction, give_gradient, to_read, to_write, view


def _write_gradient(variable, accumulate, compute):
    """Have `compute(address)` write a gradient, or add it to the one that is there; gives what `compute` gives."""
    if not accumulate:
        return compute(to_write(variable.grad))
    size = variable.size
    temporary = onednn.scratch("gradient", size * FLOAT_SIZE)
    result = compute(temporary)
    total = to_read(variable.grad)
    onednn.add(size).run(total, temporary, total)
    return result


def logical(shape, layout):
    """(batch, channels, height, width) of a tensor in that layout."""
    return tuple(shape) if layout == "NCHW" else (shape[0], shape[3], shape[1], shape[2])


def _physical(shape, layout):
    return shape if layout == "NCHW" else (shape[0], shape[2], shape[3], shape[1])


class _Function(CpuFunction):
    """What computes with oneDNN."""

    library = "OneDnn"


class Convolution(_Function):
    """Inputs x, w."""

    def __init__(self, stride, pads, group, layout):
        self.stride, self.pads, self.group, self.layout = stride, pads, group, layout

    def grad_depends_input_data(self, i, j):
        return i != j

    def setup_impl(self, inputs, outputs):
        shape, weights = logical(inputs[0].shape, self.layout), inputs[1].shape
        key = (shape, weights, self.stride, self.pads, self.group, self.layout)
        self.forward, self.data, self.weights = composed.convolution(*key)
        result = onednn.output_shape(shape, weights[0], weights[2:], self.stride, self.pads)
        outputs[0].reset_shape(_physical(result, self.layout), True)

    def forward_impl(self, inputs, outputs):
        self.forward.run(to_read(inputs[0].data), to_read(inputs[1].data), to_write(outputs[0].data))

    def backward_impl(self, inputs, outputs, propagate_down, accum):
        dy = to_read(outputs[0].grad)
        if propagate_down[0]:
            w = to_read(inputs[1].data)
            _write_gradient(inputs[0], accum[0], lambda dx: self.data.run(dy, w, dx))
        if propagate_down[1]:
            x = to_read(inputs[0].data)
            _write_gradient(inputs[1], accum[1], lambda dw: self.weights.run(dy, x, dw))


class SeparableConvolution(_Function):
    """Inputs x, depthwise weights, pointwise weights."""

    def __init__(self, stride, pads, layout):
        self.stride, self.pads, self.layout = stride, pads, layout

    def grad_depends_input_data(self, i, j):
        return i != j

    def setup_impl(self, inputs, outputs):
        shape = logical(inputs[0].shape, self.layout)
        weights = inputs[1].shape, inputs[2].shape
        self.operation = composed.separable_convolution(shape, *weights, self.stride, self.pads, self.layout)
        outputs[0].reset_shape(_physical(self.operation.result, self.layout), True)

    def forward_impl(self, inputs, outputs):
        self.operation.forward(*(to_read(v.data) for v in inputs), to_write(outputs[0].data))

    def backward_impl(self, inputs, outputs, propagate_down, accum):
        x, depthwise, pointwise = (to_read(v.data) for v in inputs)
        dy, operation = to_read(outputs[0].grad), self.operation
        if propagate_down[2]:
            _write_gradient(inputs[2], accum[2], lambda dw: operation.pointwise_gradient(dy, x, depthwise, dw))
        if propagate_down[0] or propagate_down[1]:
            between = operation.gradient_between(dy, pointwise)
        if propagate_down[1]:
            _write_gradient(inputs[1], accum[1], lambda dw: operation.depthwise_gradient(between, x, dw))
        if propagate_down[0]:
            _write_gradient(inputs[0], accum[0], lambda dx: operation.data_gradient(between, depthwise, dx))


class Mixture(_Function):
    """Inputs `count` tensors, weights."""

    def __init__(self, count, layout):
        self.count, self.layout = count, layout

    def grad_depends_input_data(self, i, j):
        return (i == self.count) != (j == self.count)

    def setup_impl(self, inputs, outputs):
        shapes = tuple(logical(v.shape, self.layout) for v in inputs[:-1])
        self.operation = composed.mixture(shapes, inputs[-1].shape[0], self.layout)
        outputs[0].reset_shape(_physical(self.operation.result, self.layout), True)

    def forward_impl(self, inputs, outputs):
        *xs, w = (to_read(v.data) for v in inputs)
        self.operation.forward(xs, w, to_write(outputs[0].data))

    def backward_impl(self, inputs, outputs, propagate_down, accum):
        dy, run = to_read(outputs[0].grad), self.operation.data_gradient
        for i in range(self.count):
            if propagate_down[i]:
                w = to_read(inputs[-1].data)
                _write_gradient(inputs[i], accum[i], functools.partial(run, i, dy, w))
        if propagate_down[-1]:
            xs = [to_read(v.data) for v in inputs[:-1]]
            _write_gradient(inputs[-1], accum[-1], functools.partial(self.operation.weight_gradient, dy, xs))


class FactorizedReduction(_Function):
    """Inputs x (NHWC, even sizes), first, second: see `NNablaKernels.factorized_reduction`."""

    def grad_depends_input_data(self, i, j):
        return (i == 0) != (j == 0)

    def setup_impl(self, inputs, outputs):
        n, channels, height, width = logical(inputs[0].shape, "NHWC")
        parts = inputs[1].shape[0], inputs[2].shape[0]
        self.halving = composed.halving((n, channels, height, width), *parts)
        outputs[0].reset_shape((n, height // 2, width // 2, sum(parts)), True)

    def forward_impl(self, inputs, outputs):
        x, *weights = (to_read(v.data) for v in inputs)
        self.halving.forward(x, weights, to_write(outputs[0].data))

    def backward_impl(self, inputs, outputs, propagate_down, accum):
        x, *weights = (to_read(v.data) for v in inputs)
        dy = to_read(outputs[0].grad)
        if propagate_down[0]:
            _write_gradient(inputs[0], accum[0], lambda dx: self.halving.data_gradient(dy, weights, dx))
        for i in (0, 1):
            if propagate_down[i + 1]:
                run = functools.partial(self.halving.weight_gradient, i, dy, x)
                _write_gradient(inputs[i + 1], accum[i + 1], run)


class BatchNormalization(_Function):
    """Inputs x, beta, gamma; `running` are the Variables of the running mean and variance, or none. `relu`: a ReLU follows.

    The running statistics are no inputs, because NNabla asks about every pair of inputs at every call.
    """

    def __init__(self, x, running, decay, eps, batch_stat, relu, recompute, layout):
        self.running, self.decay, self.batch_stat = running, decay, batch_stat
        self.recompute, self.moved = recompute, False
        self.key, self.layout = (eps, batch_stat, relu, layout), layout
        self._prepare(x)

    def _prepare(self, x):
        shape = logical(x.shape, self.layout)
        self.normalization = composed.normalization(shape, *self.key)
        self.size = shape[0] * shape[2] * shape[3]  # values per channel
        self.statistics = np.zeros((2, shape[1]), np.float32)
        self.workspace = ()

    def grad_depends_output_data(self, i, o):
        return self.normalization.needs_output

    def grad_depends_input_data(self, i, j):
        return j != 1

    def setup_impl(self, inputs, outputs):
        self._prepare(inputs[0])
        outputs[0].reset_shape(inputs[0].shape, True)

    def _channel_values(self, variable):
        return view(to_read(variable.data), self.statistics.shape[1:])

    def forward_impl(self, inputs, outputs):
        if self.normalization.workspace and not self.workspace:
            self.positive = onednn.aligned(self.normalization.workspace, np.uint8)
            self.workspace = (self.positive.ctypes.data,)
        if not self.batch_stat:
            self.statistics[0], self.statistics[1] = (self._channel_values(v) for v in self.running)
        beta, gamma = (self._channel_values(v) for v in inputs[1:])
        x, y = to_read(inputs[0].data), to_write(outputs[0].data)
        self.normalization.forward(x, gamma, beta, self.statistics, y, *self.workspace)
        if self.batch_stat and self.running and not self.moved:
            self.moved = self.recompute
            self._move(self.running[0], self.statistics[0])
            self._move(self.running[1], self.statistics[1] * (self.size / max(self.size - 1, 1)))

    def _move(self, running, batch):
        """decay * running + (1 - decay) * batch; the variance comes unbiased (if there is more than one value)."""
        running = self._channel_values(running)
        running *= self.decay
        running += (1 - self.decay) * batch

    def backward_impl(self, inputs, outputs, propagate_down, accum):
        self.moved = False
        if not any(propagate_down):
            return
        if propagate_down[0]:
            gradients = _write_gradient(inputs[0], accum[0], lambda dx: self._gradient(inputs, outputs, dx))
        else:
            gradients = self._gradient(inputs, outputs, onednn.scratch("gradient", inputs[0].size * FLOAT_SIZE))
        for i, gradient in ((1, gradients[1]), (2, gradients[0])):
            if propagate_down[i]:
                give_gradient(inputs[i], accum[i], gradient)

    def _gradient(self, inputs, outputs, dx):
        """Write dx; gives the gradients of gamma and beta."""
        x, dy = to_read(inputs[0].data), to_read(outputs[0].grad)
        y = to_read(outputs[0].data) if self.normalization.needs_output else None
        gamma = self._channel_values(inputs[2])
        return self.normalization.backward(x, gamma, self.statistics, y, dy, dx, *self.workspace)


class ReLU(_Function):
    """Input x, of any shape."""

    def grad_depends_output_data(self, i, o):
        return True

    def setup_impl(self, inputs, outputs):
        outputs[0].reset_shape(inputs[0].shape, True)

    def forward_impl(self, inputs, outputs):
        onednn.relu("forward", inputs[0].size).run(to_read(inputs[0].data), to_write(outputs[0].data))

    def backward_impl(self, inputs, outputs, propagate_down, accum):
        if propagate_down[0]:
            y, dy = to_read(outputs[0].data), to_read(outputs[0].grad)
            backward = onednn.relu("backward", inputs[0].size)
            _write_gradient(inputs[0], accum[0], lambda dx: backward.run(y, dy, dx))


class Pooling(_Function):
    """Input x; kind is one of `onednn.POOLING`."""

    def __init__(self, kind, kernel, stride, pads, layout):
        self.key, self.layout = (kind, kernel, stride, pads, layout), layout

    def setup_impl(self, inputs, outputs):
        shape = logical(inputs[0].shape, self.layout)
        kind, kernel, stride, pads, _ = self.key
        self.forward, self.backward = composed.pooling(shape, *self.key)
        self.workspace = ()
        result = onednn.output_shape(shape, shape[1], kernel, stride, pads)
        outputs[0].reset_shape(_physical(result, self.layout), True)

    def forward_impl(self, inputs, outputs):
        x, y = to_read(inputs[0].data), to_write(outputs[0].data)
        if self.forward.workspace and not self.workspace:
            self.positions = onednn.aligned(self.forward.workspace, np.uint8)  # of the maxima
            self.workspace = (self.positions.ctypes.data,)
        self.forward.run(x, y, *self.workspace)
        if self.key[0] == "max":
            self._restore(view(x, inputs[0].shape), view(y, outputs[0].shape))

    def _restore(self, x, y):
        """NaN where a window begins with it, as NNabla, and -inf; oneDNN takes neither, but the least finite number."""
        if np.isfinite(x.min()):
            return
        _, _, stride, pads, _ = self.key
        first = x
        for axis, step, before in zip((2, 3) if self.layout == "NCHW" else (1, 2), stride, pads[::2], strict=True):
            first = first.take(np.maximum(np.arange(y.shape[axis]) * step - before, 0), axis)
        y[y == np.finfo(np.float32).min] = -np.inf
        y[np.isnan(first)] = np.nan

    def backward_impl(self, inputs, outputs, propagate_down, accum):
        if propagate_down[0]:
            dy = to_read(outputs[0].grad)
            _write_gradient(inputs[0], accum[0], lambda dx: self.backward.run(dy, dx, *self.workspace))


class Sum(_Function):
    """Inputs of one shape."""

    def setup_impl(self, inputs, outputs):
        outputs[0].reset_shape(inputs[0].shape, True)

    def forward_impl(self, inputs, outputs):
        add = onednn.add(inputs[0].size)
        first, *rest = (to_read(v.data) for v in inputs)
        total = to_write(outputs[0].data)
        for x in rest:
            add.run(first, x, total)
            first = total

    def backward_impl(self, inputs, outputs, propagate_down, accum):
        size, dy = inputs[0].size, to_read(outputs[0].grad)
        for v, wanted, accumulate in zip(inputs, propagate_down, accum, strict=True):
            if wanted and accumulate:
                total = to_read(v.grad)
                onednn.add(size).run(total, dy, total)
            elif wanted:
                ctypes.memmove(to_write(v.grad), dy, size * FLOAT_SIZE)


class ScaleExamples(_Function):
    """Inputs x, factors (one per example, without gradient)."""

    def grad_depends_input_data(self, i, j):
        return j == 1

    def setup_impl(self, inputs, outputs):
        outputs[0].reset_shape(inputs[0].shape, True)

    def _scale(self, x, inputs, y):
        n = inputs[0].shape[0]
        shape = (n, inputs[0].size // n)
        factors = view(to_read(inputs[1].data), (n, 1))
        np.multiply(view(x, shape), factors, out=view(y, shape))

    def forward_impl(self, inputs, outputs):
        self._scale(to_read(inputs[0].data), inputs, to_write(outputs[0].data))

    def backward_impl(self, inputs, outputs, propagate_down, accum):
        if propagate_down[1]:
            raise ValueError("the factors of examples have no gradient")
        if propagate_down[0]:
            _write_gradient(inputs[0], accum[0], lambda dx: self._scale(to_read(outputs[0].grad), inputs, dx))
