"""Child networks of the macro space: one operation and the incoming skip connections of every layer are searched.

Both forms share the skeleton: a stem, `L` layers, and two points where height and width halve. Every earlier output has its
own factorized reduction there, which is built only if some later layer reads its result.
"""

import contextlib
import dataclasses
from typing import ClassVar

from models import layers
from models.layers import FeatureMap, Masks, Outputs
from search_spaces.macro import reduction_layers
from search_spaces.operations import BY_NAME

# TensorFlow's layer for the shared k x k convolutions has another default than its batch normalization elsewhere.
SHARED_CONVOLUTION_EPSILON = 1e-3


@dataclasses.dataclass(frozen=True)
class SharedNetwork:
    """The network of the search: all architectures use one set of weights, `filters` wide everywhere, skip connections added.

    Retraining may build it for one architecture alone: then it has that architecture's weights only.
    """

    scope: object  # ParameterScope
    filters: int
    num_classes: int
    keep_rate: float = 1.0
    added: ClassVar[bool] = True  # skip connections

    def build(self, images, architecture, statistics, training=False):
        """Graph of one architecture: images (batch, channels, height, width) -> `Outputs`."""
        return _assemble(self, _shared_layer, lambda level: self.filters, images, architecture, statistics, training)


@dataclasses.dataclass(frozen=True)
class FinalNetwork:
    """The network of retraining: `filters` wide, twice as wide after each halving, skip connections concatenated.

    `dense_only` repeats the authors' final network, which turns every operation into a dense convolution of its size. With
    `added` layers and skip connections are those of the search: what comes together is added.
    """

    scope: object  # ParameterScope
    filters: int
    num_classes: int
    keep_rate: float = 1.0
    dense_only: bool = False
    recompute: bool = True  # in training, as `layers.recomputing`
    added: bool = False

    def build(self, images, architecture, statistics, training=False):
        """Graph of one architecture: images (batch, channels, height, width) -> `Outputs`."""
        if self.dense_only:
            architecture = densified(architecture)
        layer = _shared_layer if self.added else _final_layer
        with layers.recomputing() if training and self.recompute else contextlib.nullcontext():
            return _assemble(self, layer, lambda level: self.filters * 2**level, images, architecture, statistics, training)


def _assemble(network, layer, filters_at, images, architecture, statistics, training):
    """Stem, layers, classifier; `filters_at(level)` is the width after `level` halvings."""
    masks = Masks(training)
    stored = _StoredOutputs(network.scope, filters_at, statistics)
    stored.append(_stem(images, network.scope, network.filters, statistics))
    for index, (operation, skips) in enumerate(zip(architecture.operations, architecture.skips, strict=True)):
        scope = network.scope / f"layer_{index}"
        stored.append(layer(stored, scope, operation, skips, statistics))
        if index in reduction_layers(architecture.num_layers):
            stored.halve()
    logits = layers.classifier(stored.last().value, network.scope / "fc", network.num_classes, network.keep_rate, masks)
    return Outputs(logits, None, masks)


def _shared_layer(stored, scope, operation, skips, statistics):
    x = _shared_operation(stored.last().value, scope / operation, operation, stored.filters, statistics)
    if not skips:  # the first layer
        return x
    x = layers.add([x, *(tensor.value for tensor in stored.read(skips))])
    return layers.batch_normalization(x, scope / "skip/bn", statistics)


def _final_layer(stored, scope, operation, skips, statistics):
    first = not skips
    x = _final_operation(stored.last(), scope / operation, operation, stored.filters, statistics, activate=not first)
    if first:
        return x
    x = layers.mix([*(tensor.activated for tensor in stored.read(skips)), x], scope / "skip", stored.filters)
    return layers.batch_normalization(x, scope / "skip/bn", statistics)


class _StoredOutputs:
    """Outputs of the stem and the layers, brought to the current size when somebody reads them."""

    def __init__(self, scope, filters_at, statistics):
        self._scope, self._filters_at, self._statistics = scope, filters_at, statistics
        self._at_level = []  # per output: {level: FeatureMap}
        self._level = 0

    @property
    def filters(self):
        return self._filters_at(self._level)

    def append(self, x):
        self._at_level.append({self._level: FeatureMap(x)})

    def halve(self):
        self._level += 1

    def last(self):
        return self._get(len(self._at_level) - 1, self._level)

    def read(self, bits):
        """The outputs whose bit is set, in order: bit 0 is the stem, bit j is layer j - 1."""
        return [self._get(index, self._level) for index, bit in enumerate(bits) if bit]

    def _get(self, index, level):
        tensors = self._at_level[index]
        if level not in tensors:
            scope = self._scope / f"reduction_{level}" / f"from_{index}"
            x = self._get(index, level - 1).value
            tensors[level] = FeatureMap(layers.factorized_reduction(x, scope, self._filters_at(level), self._statistics))
        return tensors[level]


def _stem(images, scope, filters, statistics):
    x = layers.convolution(layers.image_input(images), scope / "stem", filters, 3)
    return layers.batch_normalization(x, scope / "stem/bn", statistics)


def _shared_operation(x, scope, operation, filters, statistics):
    x = layers.convolution(x, scope / "conv1x1", filters, 1)
    x = layers.batch_normalization(x, scope / "conv1x1/bn", statistics, activate=True)
    entry = BY_NAME[operation]
    x = entry.layer(layers, x, scope, filters)
    if not entry.weighted:
        return x
    return layers.batch_normalization(x, scope / "bn", statistics, SHARED_CONVOLUTION_EPSILON, activate=True)


def _final_operation(x, scope, operation, filters, statistics, activate):
    """`activate`: end with a ReLU. What is pooled is not negative: it needs none."""
    x = layers.convolution(x.activated, scope / "conv1x1", filters, 1)
    x = layers.batch_normalization(x, scope / "conv1x1/bn", statistics, activate=True)
    entry = BY_NAME[operation]
    x = entry.layer(layers, x, scope, filters)
    return layers.batch_normalization(x, scope / "bn", statistics, activate=activate) if entry.weighted else x


def densified(architecture):
    """The architecture with every separable convolution made a dense one of the same size."""
    operations = tuple(name.removeprefix("sep") for name in architecture.operations)
    return dataclasses.replace(architecture, operations=operations)
