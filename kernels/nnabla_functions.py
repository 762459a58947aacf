"""NNabla's own functions behind the interface that every set of kernels has; also where oneDNN's end up when it refuses."""

import functools

import nnabla as nn
import nnabla.function_bases
import nnabla.functions as F

TO_NHWC, TO_NCHW = (0, 2, 3, 1), (0, 3, 1, 2)
ACTIVATIONS = {"tanh": F.tanh, "relu": F.relu, "sigmoid": F.sigmoid, "identity": lambda x: x}  # of a gated unit

# Convolution of every channel by itself on a GPU: cuDNN's with as many groups as channels, or NNabla's own kernel. On the CPU the
# first one. `python -m benchmarks.depthwise --context cudnn` compares them; no GPU has been asked yet.
GROUPED, OWN = "grouped", "own"
DEPTHWISE = GROUPED


@functools.lru_cache(maxsize=256)
def four_pads(pad):
    """(vertical, horizontal) or ((top, bottom), (left, right)) as (top, bottom, left, right)."""
    (top, bottom), (left, right) = (p if isinstance(p, tuple | list) else (p, p) for p in pad)
    return int(top), int(bottom), int(left), int(right)


def spread(w, dilation):
    """Weights `(out, in, height, width)` with zeros between them: what they do with a dilation, these do without."""
    if dilation == 1:
        return w
    outputs, inputs, height, width = w.shape
    w = F.reshape(w, (outputs, inputs, height, 1, width, 1))
    w = F.pad(w, (0, 0, 0, dilation - 1, 0, 0, 0, dilation - 1))
    w = F.reshape(w, (outputs, inputs, height * dilation, width * dilation))
    return w[:, :, : (height - 1) * dilation + 1, : (width - 1) * dilation + 1]


class NNablaKernels:
    """The operations of the networks by `nnabla.functions`.

    Images are Variables `(batch, channels, height, width)` if `layout` is "NCHW", `(batch, height, width, channels)` if
    "NHWC" (transposed around every function: meant for comparison). Weights and the parameters of batch normalization
    have NNabla's own shapes whatever the layout: `(out, in / group, height, width)` and `(1, channels, 1, 1)`.
    """

    name = "nnabla"
    depthwise = GROUPED
    fuses_relu = False  # is batch normalization with ReLU faster than one after the other?

    def __init__(self, layout="NCHW", threads=1, description=""):
        self.layout, self.threads, self.description = layout, threads, description
        self.channel_axis = 1 if layout == "NCHW" else 3

    def from_nchw(self, x):
        """Images from NCHW to the layout of these kernels."""
        return x if self.layout == "NCHW" else F.transpose(x, TO_NHWC)

    def to_nchw(self, x):
        """The gradients of the inputs, from those of the outputs."""
        return x if self.layout == "NCHW" else F.transpose(x, TO_NCHW)

    def convolution(self, x, w, stride=(1, 1), pad=(0, 0), group=1, dilation=1):
        """Convolution without bias; pad is (vertical, horizontal) or ((top, bottom), (left, right)).

        dilation: pixels from one that a weight sees to the one that the next weight sees.
        """
        x, pad = self._padded(x, pad)
        return self.from_nchw(F.convolution(x, w, pad=pad, stride=stride, group=group, dilation=(dilation, dilation)))

    def _padded(self, x, pad):
        """(images in NCHW, even padding that is left to the convolution)"""
        x, pads = self.to_nchw(x), four_pads(pad)
        return (x, pads[::2]) if pads[::2] == pads[1::2] else (F.pad(x, pads), (0, 0))

    def depthwise_convolution(self, x, w, stride=(1, 1), pad=(0, 0), dilation=1):
        """Convolution of every channel by itself with w `(channels, 1, height, width)`."""
        if self.depthwise == GROUPED or nn.get_current_context().backend[0].startswith("cpu"):
            return self.convolution(x, w, stride, pad, w.shape[0], dilation)
        x, pad = self._padded(x, pad)
        w = F.reshape(w, (w.shape[0], *w.shape[2:]))
        return self.from_nchw(F.depthwise_convolution(x, w, pad=pad, stride=stride, dilation=(dilation, dilation)))

    def separable_convolution(self, x, depthwise, pointwise, stride=(1, 1), pad=(0, 0), dilation=1):
        """Convolution of every channel by itself with `depthwise` `(channels, 1, height, width)`, then 1x1 with `pointwise`."""
        return self.convolution(self.depthwise_convolution(x, depthwise, stride, pad, dilation), pointwise)

    def mix(self, xs, w):
        """1x1 convolution of all channels of `xs`, tensors of one size, with w `(out, channels of all, 1, 1)`."""
        return self.convolution(xs[0] if len(xs) == 1 else self.concatenate(*xs), w)

    def factorized_reduction(self, x, first, second):
        """Half the height and width without losing a pixel's path: 1x1 convolutions of every second pixel, concatenated.

        `first` `(channels, in, 1, 1)` sees pixels (0, 0), (2, 2), ...; `second` those one to the right and below, with
        zeros beyond the border. Sizes are rounded up. (Authors' code, without its batch normalization.)
        """
        x = self.to_nchw(x)
        n, c, height, width = x.shape
        shifted = F.pad(x, (0, height % 2, 0, width % 2)) if height % 2 or width % 2 else x
        even = F.convolution(x, first, stride=(2, 2))
        odd = F.slice(shifted, (1, 1), shifted.shape[2:], (2, 2))  # the last axes alone: a saved graph takes any batch size
        return self.from_nchw(F.concatenate(even, F.convolution(odd, second), axis=1))

    def batch_normalization(
        self, x, beta, gamma, mean, var, decay=0.9, eps=1e-5, batch_stat=True, relu=False, recompute=False
    ):
        """Normalized by the batch's statistics, which also move `mean` and (unbiased) `var`, or by those two.

        With `batch_stat` both may be None: nothing is remembered then. `recompute`: oneDNN's do not keep the result, but
        compute it again for the backward pass; NNabla's own keep it.
        """
        if mean is None:
            mean, var = nn.Variable(beta.shape), nn.Variable(beta.shape)
        # `F.batch_normalization` looks for cases that do not occur here: a sixth of the time of building a graph
        normalize = nnabla.function_bases.batch_normalization
        y = normalize(self.to_nchw(x), beta, gamma, mean, var, axes=[1], decay_rate=decay, eps=eps, batch_stat=batch_stat)
        return self.from_nchw(F.relu(y) if relu else y)

    def relu(self, x, recompute=False):
        """`recompute`: as in `batch_normalization`."""
        return F.relu(x)

    def max_pooling(self, x, kernel, stride=None, pad=(0, 0), ignore_border=True):
        """Pixels beyond the border never win; `ignore_border=False` also pools the incomplete windows at the end."""
        return self.from_nchw(F.max_pooling(self.to_nchw(x), kernel, stride or kernel, ignore_border, pad))

    def average_pooling(self, x, kernel, stride=None, pad=(0, 0), ignore_border=True, including_pad=False):
        """`including_pad`: do the zeros beyond the border count in the mean?"""
        y = F.average_pooling(self.to_nchw(x), kernel, stride or kernel, ignore_border, pad, including_pad=including_pad)
        return self.from_nchw(y)

    def global_average_pooling(self, x):
        """Mean over height and width: `(batch, channels)`."""
        return F.mean(x, axis=(2, 3) if self.layout == "NCHW" else (1, 2))

    def add(self, *xs):
        """Sum of tensors of one shape."""
        return xs[0] if len(xs) == 1 else F.add2(*xs) if len(xs) == 2 else F.add_n(*xs)

    def concatenate(self, *xs):
        """Along the channels."""
        return F.concatenate(*xs, axis=self.channel_axis)

    def softmax_cross_entropy(self, hidden, weight, labels, training):
        """-log softmax(hidden weight')[label], `(..., 1)`, of hidden `(..., size)`, weight `(classes, size)`, labels `(..., 1)`.

        `training`: a backward pass will follow.
        """
        logits = F.affine(hidden, F.transpose(weight, (1, 0)), base_axis=len(hidden.shape) - 1)
        return F.softmax_cross_entropy(logits, labels)

    def scale_examples(self, x, factors):
        """Every example times its own number, `factors` `(batch, 1, 1, 1)`: drop path. No gradient reaches `factors`."""
        return F.mul2(x, factors)

    def masked(self, x, mask):
        """x times `mask`, of its shape or one that spreads to it: dropout. No gradient reaches `mask`."""
        return F.mul2(x, mask)

    def product(self, x, weight):
        """x `(..., size)` times weight `(size, outputs)`."""
        return F.affine(x, weight, base_axis=len(x.shape) - 1)

    def gated_unit(self, previous, x, weight, activation, shift=None):
        """previous + sigmoid(t) * (activation(h) - previous), `(batch, size)`, where [h, t] = x weight + shift.

        previous and x `(batch, size)`, weight `(size, 2 size)`, shift `(batch, 2 size)`; activation: one of ACTIVATIONS.
        """
        return _gate(previous, _shifted_product(x, weight, shift), activation)

    def normalized_unit(self, previous, x, weight, activation, gamma, beta, eps, shift=None):
        """`gated_unit` with [h, t] = BN(x weight + shift), BN a batch normalization over the rows, by their biased variance.

        gamma and beta `(1, 2 size)`. Returns the unit's output and the mean and variance of the rows, `(1, 2 size)`, which no
        gradient goes through.
        """
        both = _shifted_product(x, weight, shift)
        mean, variance = moments(both)
        scale, offset = scale_and_offset(mean, variance, gamma, beta, eps)
        return _gate(previous, F.add2(F.mul2(both, scale), offset), activation), mean, variance


def moments(x):
    """Mean and biased variance of the rows of x `(rows, columns)`, both `(1, columns)`."""
    mean = F.mean(x, axis=0, keepdims=True)
    deviation = F.sub2(x, mean)
    return mean, F.mean(F.mul2(deviation, deviation), axis=0, keepdims=True)


def scale_and_offset(mean, variance, gamma, beta, eps):
    """What batch normalization multiplies by, then adds: gamma / sqrt(variance + eps), beta - mean * that."""
    scale = F.mul2(gamma, F.pow_scalar(F.add_scalar(variance, eps), -0.5))
    return scale, F.sub2(beta, F.mul2(mean, scale))


def _shifted_product(x, weight, shift):
    product = F.affine(x, weight)
    return product if shift is None else F.add2(product, shift)


def _gate(previous, both, activation):
    h, t = F.split(F.reshape(both, (both.shape[0], 2, previous.shape[1])), axis=1)
    return F.add2(previous, F.mul2(F.sigmoid(t), F.sub2(ACTIVATIONS[activation](h), previous)))
