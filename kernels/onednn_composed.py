"""Operations put together from oneDNN's where its own kernel is slow.

All take addresses of float32 memory, or NumPy arrays for what belongs to channels.
"""

import ctypes
import math

import numpy as np

from kernels import onednn_binding as onednn
from kernels.cpu_function import FLOAT_SIZE, view

VECTOR = 16  # float32 values in a 512-bit register


@onednn.cached
def convolution(shape, weights, stride, pads, group, layout):
    """Forward run(x, w, y), data gradient run(dy, w, dx), weight gradient run(dy, x, dw); raises `RefusedError`."""
    key = (shape, weights, stride, pads, group, layout)
    forward, data, gradient = (onednn.convolution(d, *key) for d in ("forward", "data", "weights"))
    if layout == "NHWC" and weights[2:] == (1, 1) and pads == (0,) * 4 and group == 1:
        pixels, (filters, c) = shape[0] * shape[2] * shape[3], weights[:2]
        gradient = onednn.product(filters, pixels, c, (1, filters), (c, 1), (c, 1))
    if layout == "NHWC" and group == shape[1] == weights[0] and stride == (1, 1):
        height, width = weights[2:]
        rest = (height - 1 - pads[0], height - 1 - pads[1], width - 1 - pads[2], width - 1 - pads[3])
        if min(rest) >= 0:
            result = onednn.output_shape(shape, weights[0], weights[2:], stride, pads)
            data = TurnedConvolution(result, weights, rest, group)
        if width == 5 and pads[2:] == (2, 2) and shape[3] % 2 == 0:
            gradient = PairedWeightGradient(shape, weights, pads)
    return forward, data, gradient


@onednn.cached
def separable_convolution(shape, depthwise, pointwise, stride, pads, layout):
    """See `SeparableConvolution`; raises `RefusedError`."""
    return SeparableConvolution(shape, depthwise, pointwise, stride, pads, layout)


class SeparableConvolution:
    """A convolution of every channel by itself, then a 1x1 convolution; what lies between is computed twice instead of kept.

    It is as large as input and output, and the first one takes a tenth of the time of the whole.
    """

    def __init__(self, shape, depthwise, pointwise, stride, pads, layout):
        between = onednn.output_shape(shape, depthwise[0], depthwise[2:], stride, pads)
        self.result = onednn.output_shape(between, pointwise[0], (1, 1), (1, 1), (0,) * 4)
        self._first = convolution(shape, depthwise, stride, pads, depthwise[0], layout)
        self._second = convolution(between, pointwise, (1, 1), (0,) * 4, 1, layout)
        self._size = math.prod(between) * FLOAT_SIZE

    def forward(self, x, depthwise, pointwise, y):
        """From and to addresses."""
        self._second[0].run(self._between(x, depthwise), pointwise, y)

    def _between(self, x, depthwise):
        between = onednn.scratch("between", self._size)
        self._first[0].run(x, depthwise, between)
        return between

    def pointwise_gradient(self, dy, x, depthwise, result):
        """To the address `result`."""
        self._second[2].run(dy, self._between(x, depthwise), result)

    def gradient_between(self, dy, pointwise):
        """Address of the gradient that the two below take."""
        result = onednn.scratch("between", self._size)
        self._second[1].run(dy, pointwise, result)
        return result

    def data_gradient(self, between, depthwise, dx):
        """To the address dx; `between` is from `gradient_between`."""
        self._first[1].run(between, depthwise, dx)

    def depthwise_gradient(self, between, x, result):
        """To the address `result`; `between` is from `gradient_between`."""
        self._first[2].run(between, x, result)


@onednn.cached
def mixture(shapes, filters, layout):
    """See `Mixture`; raises `RefusedError`."""
    return Mixture(shapes, filters, layout)


class Mixture:
    """1x1 convolution of the concatenation of tensors of `shapes`, which is never made: a sum of one convolution for each."""

    def __init__(self, shapes, filters, layout):
        self.result = onednn.output_shape(shapes[0], filters, (1, 1), (1, 1), (0,) * 4)
        ends = np.cumsum([shape[1] for shape in shapes]).tolist()
        self._weights = filters, ends[-1]
        self._parts = [slice(end - shape[1], end) for shape, end in zip(shapes, ends, strict=True)]
        keys = [(shape, (filters, shape[1], 1, 1), (1, 1), (0,) * 4, 1, layout) for shape in shapes]
        self._forward = [onednn.convolution("forward", *key, adding=number > 0) for number, key in enumerate(keys)]
        self._data, self._gradients = zip(*(convolution(*key)[1:] for key in keys), strict=True)

    def _block(self, w, part):
        return np.ascontiguousarray(view(w, self._weights)[:, part])

    def forward(self, xs, w, y):
        """xs: addresses."""
        for x, part, add in zip(xs, self._parts, self._forward, strict=True):
            block = self._block(w, part)
            add.run(x, block.ctypes.data, y)

    def data_gradient(self, i, dy, w, dx):
        """Of tensor i."""
        block = self._block(w, self._parts[i])
        self._data[i].run(dy, block.ctypes.data, dx)

    def weight_gradient(self, dy, xs, dw):
        """To the address dw, of all tensors; xs: addresses."""
        gradient = view(dw, self._weights)
        for x, part, operation in zip(xs, self._parts, self._gradients, strict=True):
            block = np.empty((self._weights[0], part.stop - part.start), np.float32)
            operation.run(dy, x, block.ctypes.data)
            gradient[:, part] = block


class TurnedConvolution:
    """Data gradient of a depthwise convolution of stride 1: the convolution of dy with the weights turned by 180 degrees.

    oneDNN's own kernel takes half as long again. run(dy, w, dx)
    """

    def __init__(self, shape, weights, pads, group):
        self._operation = onednn.convolution("forward", shape, weights, (1, 1), pads, group, "NHWC")
        self._turned = onednn.aligned(math.prod(weights)).reshape(weights)

    def run(self, dy, w, dx):
        """From and to addresses."""
        self._turned[...] = view(w, self._turned.shape)[:, :, ::-1, ::-1]
        self._operation.run(dy, self._turned.ctypes.data, dx)


class PairedWeightGradient:
    """Weight gradient of a depthwise convolution 5 columns wide, of stride 1 and padding 2, for even widths.

    oneDNN is quick up to 3 columns only (a fifth of the time). The middle three are such a convolution. The outer two
    are at distance 2; with two neighboring pixels read as one of twice the channels they are at distance 1, and the
    gradient of a weight is the sum over the two places in a pair. run(dy, x, dw)
    """

    def __init__(self, shape, weights, pads):
        n, c, height, width = shape
        rows = weights[2]
        window = ((1, 1), (*pads[:2], 1, 1))
        self._middle = onednn.convolution("weights", shape, (c, 1, rows, 3), *window, c, "NHWC")
        pairs = (n, 2 * c, height, width // 2)
        self._outer = onednn.convolution("weights", pairs, (2 * c, 1, rows, 3), *window, 2 * c, "NHWC")
        self._shape = weights
        self._three = onednn.aligned(c * rows * 3).reshape(c, rows, 3)
        self._pairs = onednn.aligned(2 * c * rows * 3).reshape(2, c, rows, 3)

    def run(self, dy, x, dw):
        """From and to addresses."""
        self._middle.run(dy, x, self._three.ctypes.data)
        self._outer.run(dy, x, self._pairs.ctypes.data)
        gradient = view(dw, self._shape)[:, 0]
        gradient[:, :, 1:4] = self._three
        gradient[:, :, ::4] = self._pairs[..., ::2].sum(0)


@onednn.cached
def pooling(shape, kind, kernel, stride, pads, layout):
    """Forward run(x, y) and backward run(dy, dx), each with a workspace if kind is "max"; raises `RefusedError`."""
    return tuple(onednn.pooling(d, kind, shape, kernel, stride, pads, layout) for d in ("forward", "backward"))


@onednn.cached
def halving(shape, first, second):
    """See `Halving`; raises `RefusedError`."""
    return Halving(shape, first, second)


class Halving:
    """Two 1x1 convolutions of stride 2, of `first` and `second` channels, concatenated; NHWC, even height and width.

    Their pixels are packed, and the products with the weights lie side by side in the result. The second one's pixels are
    one to the right and below: the same operation on an address that much higher.
    """

    def __init__(self, shape, first, second):
        n, c, height, width = shape
        if height % 2 or width % 2:
            raise onednn.RefusedError("odd size")
        self._pack, self._spread = (onednn.every_second_pixel(direction, shape) for direction in ("pack", "spread"))
        self._pixels = n * height * width // 4
        self._packed, self._whole = self._pixels * c * FLOAT_SIZE, math.prod(shape) * FLOAT_SIZE
        self._starts = 0, (width + 1) * c * FLOAT_SIZE  # of their pixels in x
        self._columns = 0, first * FLOAT_SIZE  # of their channels in y
        self._products = [self._matrices(c, channels, first + second) for channels in (first, second)]

    def _matrices(self, c, channels, both):
        """y = pixels w', its gradient's product with w, and the weight gradient; rows of y are `both` floats apart."""
        pixels, y, w = (c, 1), (both, 1), (c, 1)
        return (
            onednn.product(self._pixels, c, channels, pixels, w[::-1], y),
            onednn.product(self._pixels, channels, c, y, w, pixels),
            onednn.product(channels, self._pixels, c, y[::-1], pixels, w),
        )

    def _pixels_of(self, i, x):
        packed = onednn.scratch("pixels", self._packed)
        self._pack.run(x + self._starts[i], packed)
        return packed

    def forward(self, x, weights, y):
        """weights: two addresses."""
        for i, w in enumerate(weights):
            self._products[i][0].run(self._pixels_of(i, x), w, y + self._columns[i])

    def data_gradient(self, dy, weights, dx):
        packed = onednn.scratch("pixels", self._packed)
        ctypes.memset(dx, 0, self._whole)
        for i, w in enumerate(weights):
            self._products[i][1].run(dy + self._columns[i], w, packed)
            self._spread.run(packed, dx + self._starts[i])

    def weight_gradient(self, i, dy, x, dw):
        """Of the first (0) or the second (1) convolution."""
        self._products[i][2].run(dy + self._columns[i], self._pixels_of(i, x), dw)


@onednn.cached
def normalization(shape, eps, batch_stat, relu, layout):
    """See `Normalization`; raises `RefusedError`."""
    return Normalization(shape, eps, batch_stat, relu, layout)


class Normalization:
    """Batch normalization; its ReLU is fast in oneDNN only where channels fill whole vectors, elsewhere it follows in place.

    `workspace` bytes pass from forward to backward, if any; backward reads y if `needs_output`.
    """

    def __init__(self, shape, eps, batch_stat, relu, layout):
        fused = relu and layout == "NHWC" and shape[1] % VECTOR == 0
        key = (shape, eps, not batch_stat, fused, layout)
        self._forward, self._backward = (onednn.batch_normalization(d, *key) for d in ("forward", "backward"))
        self._size = math.prod(shape)
        self.workspace = self._forward.workspace
        self.needs_output = relu and not fused

    def forward(self, x, gamma, beta, statistics, y, *workspace):
        """gamma, beta `(channels,)`; statistics `(2, channels)`: mean and biased variance, written or read."""
        self._forward.run(x, *_addresses(gamma, beta, *statistics), y, *workspace)
        if self.needs_output:
            onednn.relu("forward", self._size).run(y, y)

    def backward(self, x, gamma, statistics, y, dy, dx, *workspace):
        """Writes dx; gives the gradients of gamma and beta `(2, channels)`."""
        gradients = np.empty_like(statistics)
        if self.needs_output:
            onednn.relu("backward", self._size).run(y, dy, dx)
            dy = dx  # dx holds the gradient of the normalized values for a moment
        self._backward.run(x, *_addresses(gamma, *statistics), dy, dx, *_addresses(*gradients), *workspace)
        return gradients


def rounded_product(a, b, out):
    """`numpy.matmul` of two matrices of float32, both rounded to bfloat16, with sums in float32; itself where oneDNN refuses."""
    steps = [tuple(step // a.itemsize for step in array.strides) for array in (a, b, out)]
    try:
        operation = onednn.product(*a.shape, b.shape[1], *steps, onednn.BFLOAT16)
    except onednn.RefusedError:
        return np.matmul(a, b, out=out)
    operation.run(*_addresses(a, b, out))
    return out


def _addresses(*arrays):
    """They hold as long as the caller holds the arrays."""
    return [array.ctypes.data for array in arrays]
