"""Operations of the binding write nowhere but into what they are given."""

import contextlib
import itertools
import math

import numpy as np
import pytest

from tests.kernels.comparison import onednn

LAYOUTS = ("NHWC", "NCHW")
GUARD = 1 << 16  # bytes on both sides of every buffer, behind it as many again as it has
# (channels, height and width): what the networks have, what fills no vector, and 8 to 15 channels on large images, which oneDNN
# packed past the end of its scratchpad.
SELECTION = [(1, 8), (5, 7), (8, 56), (8, 64), (9, 96), (12, 8), (12, 128), (15, 64), (20, 16), (36, 8), (64, 16)]
SIZES = (8, 9, 14, 16, 28, 32, 56, 64, 96, 128, 224)


class Guarded:
    """The binding with buffers exactly as large as oneDNN asks for, between bytes that must not change."""

    def __init__(self, monkeypatch):
        from kernels import onednn_binding

        self.binding = onednn_binding
        self._buffers = []
        monkeypatch.setattr(onednn_binding, "aligned", self.aligned)
        monkeypatch.setattr(onednn_binding, "_room", lambda size: 0)
        monkeypatch.setattr(onednn_binding, "_scratch", None)
        self.renew()

    def renew(self):
        """Forget what is compiled, and with it the buffers."""
        self.binding._scratch = self.binding._Scratch()
        self.binding.set_threads(1)
        self.binding.set_precision("float")
        self.binding.forget()
        self._buffers.clear()

    def aligned(self, count, dtype=np.float32):
        size = count * np.dtype(dtype).itemsize
        memory = np.zeros(2 * size + 2 * GUARD + 64, np.uint8)
        start = GUARD + -(memory.ctypes.data + GUARD) % 64
        memory[:start], memory[start + size :] = 0xAB, 0xAB
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


def convolution(kernel, stride, depthwise=False, precision="float"):
    """All three passes, with few and with many channels out."""

    def run(guarded, n, c, size, layout):
        guarded.binding.set_precision(precision)
        for outputs in (c,) if depthwise else (4, c, 36):
            x, group = (n, c, size, size), c if depthwise else 1
            w, key = (outputs, c // group, kernel, kernel), ((stride, stride), (kernel // 2,) * 4)
            y = guarded.binding.output_shape(x, outputs, w[2:], *key)
            tensors = {name: guarded.zeros(shape) for name, shape in (("x", x), ("w", w), ("y", y))}
            for direction, names in (("forward", "xwy"), ("data", "ywx"), ("weights", "yxw")):
                with contextlib.suppress(guarded.binding.RefusedError):
                    operation = guarded.binding.convolution(direction, x, w, *key, group, layout)
                    operation.run(*(tensors[name] for name in names))

    return run


def batch_normalization(relu):
    def run(guarded, n, c, size, layout):
        from kernels.onednn_composed import Normalization

        x, gamma, beta = (n, c, size, size), *np.ones((2, c), np.float32)
        operation, statistics = Normalization(x, 1e-5, True, relu, layout), guarded.aligned(2 * c).reshape(2, c)
        workspace = [guarded.aligned(operation.workspace, np.uint8).ctypes.data] if operation.workspace else []
        values, normalized, dy, dx = (guarded.zeros(x) for _ in range(4))
        operation.forward(values, gamma, beta, statistics, normalized, *workspace)
        operation.backward(values, gamma, statistics, normalized, dy, dx, *workspace)

    return run


def pooling(kind, stride):
    def run(guarded, n, c, size, layout):
        x, key = (n, c, size, size), ((3, 3), (stride, stride), (1, 1, 1, 1))
        y = guarded.binding.output_shape(x, c, *key)
        forward, backward = (guarded.binding.pooling(d, kind, x, *key, layout) for d in ("forward", "backward"))
        workspace = [guarded.aligned(forward.workspace, np.uint8).ctypes.data] if forward.workspace else []
        x, y = guarded.zeros(x), guarded.zeros(y)
        forward.run(x, y, *workspace)
        backward.run(y, x, *workspace)

    return run


def factorized_reduction(guarded, n, c, size, layout):
    """Its second convolution begins between the pixels, and yet reads and writes nothing past the last one."""
    from kernels.onednn_composed import Halving

    if size % 2:
        return
    halving = Halving((n, c, size, size), 4, 18)
    x, dx, y = guarded.zeros((n, c, size, size)), guarded.zeros((n, c, size, size)), guarded.zeros((n, size // 2, size // 2, 22))
    first, second = guarded.zeros((4, c)), guarded.zeros((18, c))
    halving.forward(x, (first, second), y)
    halving.data_gradient(y, (first, second), dx)
    halving.weight_gradient(0, y, x, first)
    halving.weight_gradient(1, y, x, second)


def mixture(guarded, n, c, size, layout):
    from kernels.onednn_composed import Mixture

    shapes, w, y = [(n, channels, size, size) for channels in (c, 5, 16)], (18, c + 21), (n, 18, size, size)
    operation, xs, dy = Mixture(shapes, 18, layout), [guarded.zeros(shape) for shape in shapes], guarded.zeros(y)
    operation.forward(xs, guarded.zeros(w), guarded.zeros(y))
    operation.weight_gradient(dy, xs, guarded.zeros(w))
    for i, shape in enumerate(shapes):
        operation.data_gradient(i, dy, guarded.zeros(w), guarded.zeros(shape))


def separable_convolution(kernel, stride):
    def run(guarded, n, c, size, layout):
        from kernels.onednn_composed import SeparableConvolution

        weights = (c, 1, kernel, kernel), (18, c, 1, 1)
        operation = SeparableConvolution((n, c, size, size), *weights, (stride, stride), (kernel // 2,) * 4, layout)
        x, dy = guarded.zeros((n, c, size, size)), guarded.zeros(operation.result)
        depthwise, pointwise = map(guarded.zeros, weights)
        operation.forward(x, depthwise, pointwise, guarded.zeros(operation.result))
        operation.pointwise_gradient(dy, x, depthwise, guarded.zeros(weights[1]))
        between = operation.gradient_between(dy, pointwise)
        operation.depthwise_gradient(between, x, guarded.zeros(weights[0]))
        operation.data_gradient(between, depthwise, guarded.zeros((n, c, size, size)))

    return run


def of_vectors(guarded, n, c, size, layout):
    """ReLU and sum."""
    count = n * c * size * size
    x, y, dx = (guarded.zeros((count,)) for _ in range(3))
    guarded.binding.relu("forward", count).run(x, y)
    guarded.binding.relu("backward", count).run(y, x, dx)
    guarded.binding.add(count).run(x, y, dx)


OPERATIONS = {
    **{f"convolution {k}x{k}, stride {s}": convolution(k, s) for k in (1, 3, 5) for s in (1, 2)},
    **{f"bfloat16 {k}x{k}, stride {s}": convolution(k, s, precision="bfloat16") for k in (1, 3, 5) for s in (1, 2)},
    **{f"depthwise {k}x{k}, stride {s}": convolution(k, s, True) for k in (3, 5) for s in (1, 2)},
    **{f"separable {k}x{k}, stride {s}": separable_convolution(k, s) for k in (3, 5) for s in (1, 2)},
    "batch normalization": batch_normalization(False),
    "batch normalization, ReLU": batch_normalization(True),
    **{f"{kind} pooling, stride {s}": pooling(kind, s) for kind in ("max", "average") for s in (1, 2)},
    "factorized reduction": factorized_reduction,
    "mixture": mixture,
    "of vectors": of_vectors,
}


def probe(guarded, operation, layout, n, c, size):
    guarded.renew()
    with contextlib.suppress(guarded.binding.RefusedError):
        OPERATIONS[operation](guarded, n, c, size, layout)
    guarded.check((operation, layout, n, c, size))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_selection_of_shapes(guarded, operation, layout):
    for c, size in SELECTION:
        probe(guarded, operation, layout, 1 if size > 32 else 3, c, size)


@pytest.mark.slow
@pytest.mark.parametrize("operation", OPERATIONS)
def test_all_shapes(guarded, operation):
    for c, size in itertools.product(range(1, 65), SIZES):
        for layout in LAYOUTS if operation != "factorized reduction" else LAYOUTS[:1]:
            probe(guarded, operation, layout, 1 if size > 64 else 2, c, size)


@pytest.mark.parametrize("rows, inner, columns", [(512, 200, 1000), (48, 64, 10_000), (7, 33, 101), (1, 1, 1), (35, 5, 17)])
def test_rounded_products(guarded, rows, inner, columns):
    from kernels.onednn_composed import rounded_product

    if not guarded.binding.HAS_BFLOAT16:
        pytest.skip("this processor does not multiply in bfloat16")
    hidden, weight, logits = (guarded.aligned(a * b).reshape(a, b) for a, b in ((rows, inner), (columns, inner), (rows, columns)))
    rounded_product(hidden, weight.T, logits)
    rounded_product(logits, weight, hidden)
    rounded_product(logits.T, hidden, weight)
    guarded.check((rows, inner, columns))


def test_the_room_behind_a_buffer_is_kept(guarded, monkeypatch):
    """Where oneDNN asks for less than it needs, on whatever processor, the damage ends in memory that is nobody's."""
    monkeypatch.undo()
    from kernels import onednn_binding

    scratch = onednn_binding._Scratch()
    scratch.pointer("test", 1000)
    assert scratch._buffers["test"].size == 2 * 1000 + onednn_binding.SLACK
