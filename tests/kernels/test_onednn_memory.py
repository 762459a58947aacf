"""Operations of the binding write nowhere but into what they are given."""

import contextlib
import itertools
import math

import numpy as np
import pytest

from tests.kernels.comparison import onednn

LAYOUTS = ("NHWC", "NCHW")
SIZES = ((1, 5, 7), (2, 12, 8), (3, 36, 4))  # batch, channels, height and width
GUARD = 8192  # bytes on both sides of every buffer


class Guarded:
    """The binding with buffers exactly as large as oneDNN asks for, between bytes that must not change."""

    def __init__(self, monkeypatch):
        from kernels import onednn_binding

        self.binding = onednn_binding
        self._buffers = []
        monkeypatch.setattr(onednn_binding, "aligned", self.aligned)
        monkeypatch.setattr(onednn_binding, "SLACK", 0)
        monkeypatch.setattr(onednn_binding, "_scratch", None)
        self.renew()

    def renew(self):
        """Forget what is compiled, and with it the buffers."""
        self.binding._scratch = self.binding._Scratch()
        self.binding.set_threads(1)
        self._buffers.clear()

    def aligned(self, count, dtype=np.float32):
        size = count * np.dtype(dtype).itemsize
        memory = np.full(size + 2 * GUARD + 64, 0xAB, np.uint8)
        start = GUARD + -(memory.ctypes.data + GUARD) % 64
        memory[start : start + size] = 0
        self._buffers.append((memory, start, start + size))
        return memory[start : start + size].view(dtype)

    def zeros(self, shape):
        """Address of a guarded tensor."""
        return self.aligned(math.prod(shape)).ctypes.data

    def check(self, what):
        for memory, start, end in self._buffers:
            assert (memory[:start] == 0xAB).all() and (memory[end:] == 0xAB).all(), what


@pytest.fixture
def guarded(monkeypatch):
    onednn()
    result = Guarded(monkeypatch)
    yield result
    result.renew()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("direction", ["forward", "data", "weights"])
def test_convolution(guarded, layout, direction):
    windows = ((1, 1, False), (1, 2, False), (3, 1, False), (3, 2, False), (5, 1, True), (3, 2, True))
    for (n, c, size), (kernel, stride, depthwise) in itertools.product(SIZES, windows):
        for outputs in (c,) if depthwise else (2, 18, 36):
            x, group = (n, c, size, size), c if depthwise else 1
            w, pads = (outputs, c // group, kernel, kernel), (kernel // 2,) * 4
            y = guarded.binding.output_shape(x, outputs, w[2:], (stride, stride), pads)
            tensors = {"forward": (x, w, y), "data": (y, w, x), "weights": (y, x, w)}[direction]
            guarded.renew()
            with contextlib.suppress(guarded.binding.RefusedError):
                operation = guarded.binding.convolution(direction, x, w, (stride, stride), pads, group, layout)
                operation.run(*map(guarded.zeros, tensors))
            guarded.check((x, w, stride, group))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("relu", [False, True])
def test_batch_normalization(guarded, layout, relu):
    from kernels.onednn_composed import Normalization

    for n, c, size in (*SIZES, (2, 16, 4)):
        guarded.renew()
        x, gamma, beta = (n, c, size, size), *np.ones((2, c), np.float32)
        operation, statistics = Normalization(x, 1e-5, True, relu, layout), guarded.aligned(2 * c).reshape(2, c)
        workspace = [guarded.aligned(operation.workspace, np.uint8).ctypes.data] if operation.workspace else []
        values, normalized, dy, dx = (guarded.zeros(x) for _ in range(4))
        operation.forward(values, gamma, beta, statistics, normalized, *workspace)
        operation.backward(values, gamma, statistics, normalized, dy, dx, *workspace)
        guarded.check(x)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["max", "average"])
def test_pooling(guarded, layout, kind):
    for (n, c, size), stride in itertools.product(SIZES, (1, 2)):
        guarded.renew()
        x, key = (n, c, size, size), ((3, 3), (stride, stride), (1, 1, 1, 1))
        y = guarded.binding.output_shape(x, c, *key)
        forward, backward = (guarded.binding.pooling(d, kind, x, *key, layout) for d in ("forward", "backward"))
        workspace = [guarded.aligned(forward.workspace, np.uint8).ctypes.data] if forward.workspace else []
        forward.run(guarded.zeros(x), guarded.zeros(y), *workspace)
        backward.run(guarded.zeros(y), guarded.zeros(x), *workspace)
        guarded.check((x, stride))


def test_factorized_reduction(guarded):
    """Its second convolution begins between the pixels, and yet reads and writes nothing past the last one."""
    from kernels.onednn_composed import Halving

    for n, c, size in ((1, 8, 4), (2, 12, 8), (3, 36, 4)):
        guarded.renew()
        try:
            halving = Halving((n, c, size, size), 4, 18)
        except guarded.binding.RefusedError:
            pytest.skip("this processor has no such convolution")
        x, dx, y = guarded.zeros((n, c, size, size)), guarded.zeros((n, c, size, size)), guarded.zeros((n, size, size, 22))
        first, second = guarded.zeros((4, c)), guarded.zeros((18, c))
        halving.forward(x, (first, second), y)
        halving.split(y)
        halving.data_gradient((first, second), dx)
        halving.weight_gradient(0, x, first)
        halving.weight_gradient(1, x, second)
        guarded.check((n, c, size))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_mixture_and_separable_convolution(guarded, layout):
    from kernels.onednn_composed import Mixture, SeparableConvolution

    for n, c, size in SIZES:
        guarded.renew()
        shapes, w, y = [(n, channels, size, size) for channels in (c, 5, 16)], (18, c + 21), (n, 18, size, size)
        mixture, xs, dy = Mixture(shapes, 18, layout), [guarded.zeros(shape) for shape in shapes], guarded.zeros(y)
        mixture.forward(xs, guarded.zeros(w), guarded.zeros(y))
        mixture.weight_gradient(dy, xs, guarded.zeros(w))
        for i, shape in enumerate(shapes):
            mixture.data_gradient(i, dy, guarded.zeros(w), guarded.zeros(shape))
        depthwise, pointwise = guarded.zeros((c, 1, 5, 5)), guarded.zeros((18, c))
        separable = SeparableConvolution(shapes[0], (c, 1, 5, 5), (18, c, 1, 1), (1, 1), (2,) * 4, layout)
        separable.forward(xs[0], depthwise, pointwise, guarded.zeros(y))
        separable.pointwise_gradient(dy, xs[0], depthwise, guarded.zeros((18, c)))
        between = separable.gradient_between(dy, pointwise)
        separable.depthwise_gradient(between, xs[0], guarded.zeros((c, 1, 5, 5)))
        separable.data_gradient(between, depthwise, guarded.zeros(shapes[0]))
        guarded.check((n, c, size))
