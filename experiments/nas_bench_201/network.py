"""The network around a cell: stem, three stages of equal cells with two residual blocks between them, classifier."""

from dataclasses import dataclass

import nnabla.functions as F

from experiments.nas_bench_201.space import EDGES
from models import layers
from models.layers import FeatureMap, Masks, Outputs
from models.parameters import constant

STAGES = 3


@dataclass(frozen=True)
class CellNetwork:
    """The network of the benchmark (its section 2.1), for one cell or, in a search, with weights that all cells share.

    Every edge of every cell has its own weights for each of its two convolutions. `cells` in each stage (benchmark: 5), `filters`
    in the first (16), twice as many in each later one. A strided convolution pads below and on the right, as everywhere in this
    project; the benchmark's pads on all sides.
    """

    scope: object  # ParameterScope
    num_classes: int
    filters: int = 16
    cells: int = 5

    def build(self, images, architecture, statistics, training=False):
        """Graph of one cell: images (batch, channels, height, width) -> `Outputs`."""
        scope, masks = self.scope, Masks(training)
        x = layers.convolution(layers.image_input(images), scope / "stem", self.filters, 3)
        x = layers.batch_normalization(x, scope / "stem/bn", statistics)
        for stage in range(STAGES):
            if stage:
                x = _residual_block(x, scope / f"reduction_{stage}", self.filters * 2**stage, statistics)
            for number in range(self.cells):
                x = _cell(x, scope / f"stage_{stage}" / f"cell_{number}", architecture, statistics)
        x = layers.batch_normalization(x, scope / "last/bn", statistics, activate=True)
        logits = layers.classifier(x, scope / "fc", self.num_classes, 1.0, masks)
        bias = (scope / "fc").get("b", (1, self.num_classes), constant(0))
        return Outputs(logits + F.broadcast(bias, logits.shape), None, masks)


def _cell(x, scope, architecture, statistics):
    """A node is the sum of what its edges bring; the last one is the output."""
    nodes = [FeatureMap(x)]
    for target in range(1, 4):
        brought = []
        for (source, reader), operation in zip(EDGES, architecture.operations, strict=True):
            if reader == target and operation != "none":
                edge = scope / f"edge_{source}_{target}" / operation
                brought.append(_OPERATIONS[operation](nodes[source], edge, statistics))
        nodes.append(FeatureMap(_sum(brought) if brought else x * 0))
    return nodes[-1].value


def _sum(tensors):
    return tensors[0] if len(tensors) == 1 else layers.add(tensors)


def _activated_convolution(x, scope, filters, kernel, statistics, stride=1):
    """ReLU, convolution, batch normalization; `x` is a `FeatureMap`."""
    x = layers.convolution(x.activated, scope, filters, kernel, stride)
    return layers.batch_normalization(x, scope / "bn", statistics)


def _same_size(kernel):
    return lambda x, scope, statistics: _activated_convolution(x, scope, layers.channels(x.value), kernel, statistics)


def _residual_block(x, scope, filters, statistics):
    """Halve height and width: two 3x3 convolutions beside mean and 1x1 convolution."""
    main = _activated_convolution(FeatureMap(x), scope / "first", filters, 3, statistics, stride=2)
    main = _activated_convolution(FeatureMap(main), scope / "second", filters, 3, statistics)
    beside = layers.convolution(layers.average_pooling_valid(x, 2, 2), scope / "shortcut", filters, 1)
    return layers.add([main, beside])


_OPERATIONS = {
    "skip_connect": lambda x, scope, statistics: x.value,
    "nor_conv_1x1": _same_size(1),
    "nor_conv_3x3": _same_size(3),
    "avg_pool_3x3": lambda x, scope, statistics: layers.average_pooling(x.value),
}
