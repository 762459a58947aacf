"""The kernels by oneDNN, each with its way back to NNabla's own where oneDNN refuses a shape."""

import nnabla.functions as F
import numpy as np
from threadpoolctl import threadpool_limits

from kernels import onednn_binding as onednn
from kernels import onednn_composed as composed
from kernels import onednn_functions as functions
from kernels.gated_unit import GatedUnit, NormalizedUnit, Product
from kernels.masked import Masked
from kernels.nnabla_functions import NNablaKernels, four_pads, spread
from kernels.onednn_functions import logical
from kernels.softmax_cross_entropy import SoftmaxCrossEntropy


def create(layout, threads, precision, log):
    """These kernels on that many threads, of NumPy's linear algebra too.

    `precision`: of the products in dense convolutions and, in training, in the output layer of a language model.
    """
    if precision == "bfloat16" and not onednn.HAS_BFLOAT16:
        precision = "float"
        log("kernels: products in float, because this processor does not multiply in bfloat16")
    products = ", products in bfloat16" if precision == "bfloat16" else ""
    result = OneDnnKernels(layout, threads, f"{onednn.version()}, {threads} thread{'s' * (threads > 1)}, {layout}{products}")
    onednn.set_precision(precision)
    if precision == "bfloat16":
        result.multiply = composed.rounded_product
    result.use_threads(threads)
    return result


class OneDnnKernels(NNablaKernels):
    """The same operations by oneDNN, those of language models by NumPy; shapes that oneDNN refuses go to NNabla's own."""

    name = "onednn"
    fuses_relu = True
    multiply = np.matmul  # of the output layer in training

    def use_threads(self, count):
        """What is built from now on runs on so many threads, NumPy's linear algebra at once."""
        onednn.set_threads(count)
        threadpool_limits(count, user_api="blas")

    def convolution(self, x, w, stride=(1, 1), pad=(0, 0), group=1, dilation=1):
        w, pads, stride = spread(w, dilation), four_pads(pad), tuple(stride)
        try:
            composed.convolution(logical(x.shape, self.layout), w.shape, stride, pads, group, self.layout)
        except onednn.RefusedError:
            return super().convolution(x, w, stride, pad, group)
        return functions.Convolution(stride, pads, group, self.layout)(x, w)

    def separable_convolution(self, x, depthwise, pointwise, stride=(1, 1), pad=(0, 0), dilation=1):
        depthwise, pads, stride = spread(depthwise, dilation), four_pads(pad), tuple(stride)
        try:
            shape = logical(x.shape, self.layout)
            composed.separable_convolution(shape, depthwise.shape, pointwise.shape, stride, pads, self.layout)
        except onednn.RefusedError:
            return super().separable_convolution(x, depthwise, pointwise, stride, pad)
        return functions.SeparableConvolution(stride, pads, self.layout)(x, depthwise, pointwise)

    def mix(self, xs, w):
        try:
            if len(xs) == 1:
                raise onednn.RefusedError("a convolution does it")
            composed.mixture(tuple(logical(x.shape, self.layout) for x in xs), w.shape[0], self.layout)
        except onednn.RefusedError:
            return super().mix(xs, w)
        return functions.Mixture(len(xs), self.layout)(*xs, w)

    def factorized_reduction(self, x, first, second):
        try:
            if self.layout == "NCHW":
                raise onednn.RefusedError("written for NHWC")
            composed.halving(logical(x.shape, "NHWC"), first.shape[0], second.shape[0])
        except onednn.RefusedError:
            return super().factorized_reduction(x, first, second)
        return functions.FactorizedReduction()(x, first, second)

    def batch_normalization(
        self, x, beta, gamma, mean, var, decay=0.9, eps=1e-5, batch_stat=True, relu=False, recompute=False
    ):
        try:
            running = () if mean is None else (mean, var)
            function = functions.BatchNormalization(x, running, decay, eps, batch_stat, relu, recompute, self.layout)
        except onednn.RefusedError:
            return super().batch_normalization(x, beta, gamma, mean, var, decay, eps, batch_stat, relu)
        return function(x, beta, gamma).apply(recompute=recompute)

    def relu(self, x, recompute=False):
        return functions.ReLU()(x).apply(recompute=recompute)

    def max_pooling(self, x, kernel, stride=None, pad=(0, 0), ignore_border=True):
        y = self._pooling("max", x, kernel, stride, pad, ignore_border)
        return super().max_pooling(x, kernel, stride, pad, ignore_border) if y is None else y

    def average_pooling(self, x, kernel, stride=None, pad=(0, 0), ignore_border=True, including_pad=False):
        kind = "average_with_padding" if including_pad else "average"
        y = self._pooling(kind, x, kernel, stride, pad, ignore_border)
        return super().average_pooling(x, kernel, stride, pad, ignore_border, including_pad) if y is None else y

    def _pooling(self, kind, x, kernel, stride, pad, ignore_border):
        """None where oneDNN refuses."""
        shape = logical(x.shape, self.layout)
        kernel, stride = tuple(kernel), tuple(stride or kernel)
        ends = [pooling_end(*sizes, ignore_border) for sizes in zip(shape[2:], kernel, stride, pad, strict=True)]
        pads = (pad[0], ends[0], pad[1], ends[1])
        if kind == "average_with_padding" and (ends[0] > pad[0] or ends[1] > pad[1]):
            return None  # NNabla does not count places beyond the padding
        if any(end >= size for end, size in zip(ends, kernel, strict=True)):
            return None  # a window may lie outside the image
        try:
            composed.pooling(shape, kind, kernel, stride, pads, self.layout)
        except onednn.RefusedError:
            return None
        return functions.Pooling(kind, kernel, stride, pads, self.layout)(x)

    def global_average_pooling(self, x):
        if self.layout == "NCHW":
            return super().global_average_pooling(x)
        n, height, width, channels = x.shape
        return F.reshape(self.average_pooling(x, (height, width)), (n, channels))

    def add(self, *xs):
        return xs[0] if len(xs) == 1 else functions.Sum()(*xs)

    def softmax_cross_entropy(self, hidden, weight, labels, training):
        return SoftmaxCrossEntropy(training, self.multiply if training else np.matmul)(hidden, weight, labels)

    def masked(self, x, mask):
        return Masked()(x, mask)

    def product(self, x, weight):
        return Product()(x, weight)

    def gated_unit(self, previous, x, weight, activation, shift=None):
        return GatedUnit(activation)(previous, x, weight, *(() if shift is None else (shift,)))

    def normalized_unit(self, previous, x, weight, activation, gamma, beta, eps, shift=None):
        return NormalizedUnit(activation, eps)(previous, x, weight, gamma, beta, *(() if shift is None else (shift,)))

    def scale_examples(self, x, factors):
        return functions.ScaleExamples()(x, factors)


def pooling_end(size, kernel, stride, pad, ignore_border):
    """Padding at the end that makes NNabla's number of windows.

    Without `ignore_border` a window belongs to every `stride`-th place inside the padding, however little is left there.
    """
    if ignore_border:
        return pad
    return (size + 2 * pad - 1) // stride * stride + kernel - size - pad
