"""The layers that every image network is built from.

This file alone knows which kernels run and, with them, where the channels are: builders hand tensors from one
function to the next and name neither an axis nor a kernel. `use` takes a set of kernels for all graphs built from
then on; until then, and inside `plain`, they are NNabla's own. Weights are stored in NNabla's own form, (outputs,
inputs / groups, height, width). Convolutions have no bias and "same" padding in TensorFlow's sense: with
stride 2 on an even size the extra row is at the bottom, the extra column on the right.
"""

import contextlib
import functools
from collections.abc import Callable
from dataclasses import dataclass, field

import nnabla as nn
import nnabla.functions as F
import numpy as np

from constants import BATCH_NORM_DECAY, BATCH_NORM_EPSILON
from kernels.nnabla_functions import NNablaKernels, moments, scale_and_offset  # noqa: F401 - those two are layers too
from models.inputs import mask_input
from models.parameters import constant, he_normal

# How batch normalization gets its statistics.
TRAIN = "train"  # those of the mini-batch; the running averages follow
BATCH = "batch"  # those of the mini-batch; the running averages stay as they are
RUNNING = "running"  # the running averages

_kernels = NNablaKernels()
_recompute = False


def use(kernels):
    """Build all graphs from now on with these kernels (an object of `kernels.choose`)."""
    global _kernels
    _kernels = kernels


def kernels_in_use():
    """What `use` was given last."""
    return _kernels


@contextlib.contextmanager
def plain():
    """Inside, graphs are made of NNabla's own functions: what is exported, counted or compared."""
    before = _kernels
    use(NNablaKernels())
    try:
        yield
    finally:
        use(before)


@contextlib.contextmanager
def recomputing():
    """Inside, graphs do not keep the results of batch normalization and ReLU but compute them again for their gradients.

    A fifth less memory for 5 % more time, with oneDNN; such a graph goes forward once for each time that it goes back.
    """
    global _recompute
    before, _recompute = _recompute, True
    try:
        yield
    finally:
        _recompute = before


def image_input(images):
    """Variable (batch, channels, height, width) -> tensor in the layout of the other functions."""
    return _kernels.from_nchw(images)


def channels(x):
    """Number of channels of a tensor."""
    return x.shape[_kernels.channel_axis]


def size(x):
    """(height, width) of a tensor."""
    return x.shape[2:] if _kernels.channel_axis == 1 else x.shape[1:3]


def concatenate(tensors):
    """Tensors of one size -> one tensor with all their channels, in order."""
    return tensors[0] if len(tensors) == 1 else _kernels.concatenate(*tensors)


def add(tensors):
    """Sum of tensors of one shape."""
    return _kernels.add(*tensors)


def relu(x):
    """max(x, 0)."""
    return _kernels.relu(x, recompute=_recompute)


class FeatureMap:
    """A tensor that several operations read; those that begin with a ReLU share one."""

    def __init__(self, value):
        self.value = value

    @functools.cached_property
    def activated(self):
        """Its ReLU, made when somebody asks for it."""
        return relu(self.value)


def convolution(x, scope, filters, kernel, stride=1, dilation=1):
    """Dense `kernel` x `kernel` convolution to `filters` channels; its weights see every `dilation`-th pixel."""
    weight = scope.get("W", (filters, channels(x), kernel, kernel), he_normal(channels(x) * kernel**2))
    return convolve(x, weight, stride, dilation)


def convolve(x, weight, stride=1, dilation=1):
    """Dense convolution with a given weight (outputs, inputs, kernel, kernel)."""
    pads = _pads(size(x), weight.shape[2:], stride, dilation)
    return _kernels.convolution(x, weight, stride=(stride, stride), pad=pads, dilation=dilation)


@functools.lru_cache(maxsize=256)
def _pads(lengths, kernel, stride, dilation):
    """((above, below), (left, right)) of a convolution over a tensor of `lengths` (height, width)."""
    before, after = _same_padding(lengths, tuple((length - 1) * dilation + 1 for length in kernel), stride)
    return tuple(zip(before, after, strict=True))


def whole_map_convolution(x, scope, filters):
    """Dense convolution to `filters` channels whose kernel is as large as the tensor."""
    height, width = size(x)
    fan_in = channels(x) * height * width
    return convolve(x, scope.get("W", (filters, channels(x), height, width), he_normal(fan_in)))


def mix(tensors, scope, filters):
    """1x1 convolution of all channels of `tensors` (a list) to `filters` channels."""
    count = sum(channels(x) for x in tensors)
    return _kernels.mix(tensors, scope.get("W", (filters, count, 1, 1), he_normal(count)))


def mix_named(tensors, scope, filters):
    """1x1 convolution of all channels of `tensors` (dict: name -> tensor) to `filters` channels.

    Each tensor's block of the weight is a parameter of its own, `scope / name`, initialized by its own fan-in
    alone: which other tensors it is mixed with changes from one architecture to the next.
    """
    blocks = []
    for name, x in tensors.items():
        initializer = he_normal(channels(x))
        blocks.append((scope / name).get("W", (filters, channels(x), 1, 1), initializer))
    weight = blocks[0] if len(blocks) == 1 else F.concatenate(*blocks, axis=1)
    return _kernels.mix(list(tensors.values()), weight)


def separable_convolution(x, scope, filters, kernel, stride=1, dilation=1):
    """One `kernel` x `kernel` filter for every channel, then pointwise to `filters` channels; `dilation` as of `convolution`."""
    depthwise = (scope / "depthwise").get("W", (channels(x), 1, kernel, kernel), he_normal(kernel**2))
    pointwise = (scope / "pointwise").get("W", (filters, channels(x), 1, 1), he_normal(channels(x)))
    pads = _pads(size(x), (kernel, kernel), stride, dilation)
    return _kernels.separable_convolution(x, depthwise, pointwise, (stride, stride), pads, dilation)


def max_pooling(x, stride=1):
    """Maximum over 3x3 windows, "same" padding."""
    return _pool(_kernels.max_pooling, x, stride)


def average_pooling(x, stride=1):
    """Mean over 3x3 windows, "same" padding, which does not count in the mean."""
    return _pool(_kernels.average_pooling, x, stride)


def average_pooling_valid(x, kernel, stride):
    """Mean over the `kernel` x `kernel` windows inside the tensor; along a shorter axis they shrink to it."""
    window = tuple(min(kernel, length) for length in size(x))
    return _kernels.average_pooling(x, window, (stride, stride))


def batch_normalization(x, scope, statistics, epsilon=BATCH_NORM_EPSILON, activate=False):
    """Batch normalization with offset `beta` and scale `gamma` in `scope`, followed by ReLU if `activate`.

    Normalizes with the biased variance of the mini-batch; the running variance follows the unbiased one,
    decay 0.9. The running averages start at 0 and 1 and are not zero-debiased as TensorFlow's: after 100
    steps the two differ by 3e-5.
    """
    shape = (1, channels(x), 1, 1)
    mean = var = None
    beta, gamma = scope.get("beta", shape, constant(0)), scope.get("gamma", shape, constant(1))
    if statistics != BATCH:
        mean, var = scope.get("mean", shape, constant(0), False), scope.get("var", shape, constant(1), False)
    fused = activate and _kernels.fuses_relu
    x = _kernels.batch_normalization(
        x, beta, gamma, mean, var, BATCH_NORM_DECAY, epsilon, batch_stat=statistics != RUNNING, relu=fused, recompute=_recompute
    )
    return relu(x) if activate and not fused else x


def factorized_reduction(x, scope, filters, statistics):
    """Halve height and width without losing a pixel's neighbor, `filters` (even) channels out.

    One half of the channels sees the even pixels, the other half the odd ones (zeros beyond the border), each
    through a 1x1 convolution; then batch normalization. Raises ValueError when `filters` is odd.
    """
    if filters % 2:
        raise ValueError(f"a factorized reduction makes an even number of filters, asked for {filters}")
    shape, initializer = (filters // 2, channels(x), 1, 1), he_normal(channels(x))
    even, odd = ((scope / path).get("W", shape, initializer) for path in ("path1", "path2"))
    return batch_normalization(_kernels.factorized_reduction(x, even, odd), scope / "bn", statistics)


def fully_connected(x, scope, outputs):
    """(batch, inputs) -> (batch, outputs), no bias; the weight is (inputs, outputs)."""
    return F.affine(x, scope.get("W", (x.shape[1], outputs), he_normal(x.shape[1])))


def softmax_cross_entropy(hidden, weight, labels, training):
    """(..., 1), nats: -log softmax(hidden weight')[label]; hidden (..., size), weight (classes, size), labels (..., 1).

    `training`: a backward pass will follow.
    """
    return _kernels.softmax_cross_entropy(hidden, weight, labels, training)


def masked(x, mask):
    """x times `mask`, of its shape or one that spreads to it: dropout, in which no gradient reaches the mask."""
    return _kernels.masked(x, mask)


def product(x, weight):
    """(..., outputs): x (..., size) times weight (size, outputs)."""
    return _kernels.product(x, weight)


def gated_unit(previous, x, weight, activation, shift=None):
    """previous + sigmoid(t) * (activation(h) - previous), (batch, size), where [h, t] = x weight + shift.

    previous and x (batch, size), weight (size, 2 size), shift (batch, 2 size) or None; activation: the name of a function.
    """
    return _kernels.gated_unit(previous, x, weight, activation, shift)


def normalized_unit(previous, x, weight, activation, gamma, beta, epsilon, shift=None):
    """`gated_unit` with [h, t] = batch normalization over the rows of x weight + shift, gamma and beta (1, 2 size).

    Returns the unit, (batch, size), and the rows' mean and biased variance, (1, 2 size), which no gradient goes through.
    """
    return _kernels.normalized_unit(previous, x, weight, activation, gamma, beta, epsilon, shift)


def classifier(x, scope, num_classes, keep_rate, masks):
    """Head of a network: global average pooling, dropout, affine. Tensor -> logits (batch, num_classes)."""
    features = _kernels.global_average_pooling(x)
    if keep_rate < 1 and masks.active:
        features = features * masks.new(features.shape, lambda progress: keep_rate)
    return fully_connected(features, scope, num_classes)


def drop_path(x, keep_rate, masks):
    """In training zero x for whole examples, each kept with `keep_rate(progress)` and divided by it."""
    if not masks.active:
        return x
    return _kernels.scale_examples(x, masks.new((x.shape[0], 1, 1, 1), keep_rate))


@dataclass(frozen=True)
class Mask:
    """An input of the graph; the training loop fills it with zeros and 1 / keep rate before each step."""

    input: object  # of `models.inputs.mask_input`
    keep_rate: Callable[[float], float]  # of the progress of training, 0 (exclusive) to 1

    @property
    def variable(self):
        """It in the graph."""
        return self.input.value

    def draw(self, rng, progress, batch=None, part=slice(None)):
        """Fill the variable: every element is kept with the keep rate and divided by it.

        The graph of a `part` of a mini-batch of `batch` examples gets what the graph of the whole one would get there.
        """
        rate, (count, *rest) = self.keep_rate(progress), self.variable.shape
        self.input.put(np.floor(rate + rng.random((batch or count, *rest), np.float32)[part]) / rate)


@dataclass(frozen=True)
class Masks:
    """The masks of one graph. A graph that is not `active` (evaluation) has none."""

    active: bool
    items: list[Mask] = field(default_factory=list)

    def new(self, shape, keep_rate):
        """The Variable of a new mask of `shape`, whose first axis is the examples."""
        self.items.append(Mask(mask_input(shape), keep_rate))
        return self.items[-1].variable


@dataclass(frozen=True)
class Outputs:
    """What a network builder returns.

    Logits (batch, classes), those of the auxiliary head or None, and the masks to fill.
    """

    logits: nn.Variable
    auxiliary_logits: nn.Variable | None
    masks: Masks


def _pool(function, x, stride):
    """3x3 pooling; if only bottom and right need padding the last windows are cut at the border instead."""
    before, after = _same_padding(size(x), (3, 3), stride)
    return function(x, (3, 3), (stride, stride), pad=before, ignore_border=before == after)


@functools.lru_cache(maxsize=256)
def _same_padding(lengths, kernel, stride):
    """TensorFlow's SAME for a tensor of `lengths` (height, width): zeros (above, left) and (below, right)."""
    pairs = [_padding(n, k, stride) for n, k in zip(lengths, kernel, strict=True)]
    return tuple(before for before, _ in pairs), tuple(after for _, after in pairs)


def _padding(length, kernel, stride):
    total = max((-(-length // stride) - 1) * stride + kernel - length, 0)
    return total // 2, total - total // 2
