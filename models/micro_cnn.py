"""Child networks of the micro space: two cells, normal and reduction, are searched and stacked.

`L` layers make L + 2 cells. Two of them are reduction cells: height and width halve, the filters double. A
cell reads the outputs of the two cells before it, brought to its own number of filters, and puts out the
loose ends: whatever none of its nodes reads.
"""

import contextlib
import dataclasses
import functools

from models import layers
from models.layers import FeatureMap, Masks, Outputs
from search_spaces.micro import loose_ends
from search_spaces.operations import BY_NAME


def reduction_cells(num_layers):
    """The two reduction cells, counted from 0: L // 3 and 2 (L // 3) + 1 (authors' code)."""
    third = num_layers // 3
    return third, 2 * third + 1


@dataclasses.dataclass(frozen=True)
class SharedNetwork:
    """The network of the search: all architectures use one set of weights.

    Every operation of a node has its own for each input that the node may read. A cell has `filters`
    channels, twice as many from each reduction on; its loose ends are mixed by a 1x1 convolution.
    """

    scope: object  # ParameterScope
    filters: int
    num_classes: int
    num_layers: int
    keep_rate: float = 1.0
    auxiliary: bool = False
    auxiliary_form: str = "authors"  # of AUXILIARY_CONVOLUTIONS

    def build(self, images, architecture, statistics, training=False):
        """Graph of one architecture: images (batch, channels, height, width) -> `Outputs`."""
        return _assemble(self, _shared_cell, images, architecture, statistics, training)


@dataclasses.dataclass(frozen=True)
class FinalNetwork:
    """The network of retraining: `filters` channels per loose end, twice as many from each reduction on.

    In training drop path (Larsson et al. 2017, arXiv:1605.07648) zeroes the results of operations, most often
    in the last cells and at the end of training, where the last cell's are kept with `drop_path_keep_rate`.
    """

    scope: object  # ParameterScope
    filters: int
    num_classes: int
    num_layers: int
    keep_rate: float = 1.0
    auxiliary: bool = False
    drop_path_keep_rate: float = 1.0
    auxiliary_form: str = "authors"  # of AUXILIARY_CONVOLUTIONS
    recompute: bool = False  # in training, as `layers.recomputing`

    def build(self, images, architecture, statistics, training=False):
        """Graph of one architecture: images (batch, channels, height, width) -> `Outputs`."""
        with layers.recomputing() if training and self.recompute else contextlib.nullcontext():
            return _assemble(self, _final_cell, images, architecture, statistics, training)

    def path_keep_rate(self, index):
        """Drop path's keep rate in cell `index` as a function of the progress of training (authors' code)."""
        dropped = (1 - self.drop_path_keep_rate) * (index + 1) / (self.num_layers + 2)
        return lambda progress: 1 - progress * dropped


@dataclasses.dataclass(frozen=True)
class _Cell:
    """What the parts of one cell have in common."""

    network: SharedNetwork | FinalNetwork
    index: int
    nodes: tuple  # of search_spaces.micro.Node
    scope: object  # ParameterScope
    filters: int
    reduces: bool
    statistics: str
    masks: Masks


def _assemble(network, build_cell, images, architecture, statistics, training):
    """Stem, cells, classifier; `build_cell(cell, *inputs)` gives the two inputs of the next cell, each `FeatureMap`."""
    masks = Masks(training)
    stem = FeatureMap(_stem(images, network.scope, 3 * network.filters, statistics))
    inputs, auxiliary_logits = (stem, stem), None
    for index in range(network.num_layers + 2):
        inputs = build_cell(_cell(network, index, architecture, statistics, masks), *inputs)
        if training and network.auxiliary and index == reduction_cells(network.num_layers)[1] + 1:
            auxiliary_logits = _auxiliary_head(inputs[1].activated, network, statistics, masks)
    logits = layers.classifier(inputs[1].activated, network.scope / "fc", network.num_classes, network.keep_rate, masks)
    return Outputs(logits, auxiliary_logits, masks)


def _cell(network, index, architecture, statistics, masks):
    reductions = reduction_cells(network.num_layers)
    reduces = index in reductions
    return _Cell(
        network,
        index,
        nodes=architecture.reduction if reduces else architecture.normal,
        scope=network.scope / f"cell_{index}",
        filters=network.filters * 2 ** sum(reduction <= index for reduction in reductions),
        reduces=reduces,
        statistics=statistics,
        masks=masks,
    )


def _shared_cell(cell, before, last):
    """A reduction cell halves its last input first; then all its operations have stride 1."""
    if cell.reduces:
        x = layers.factorized_reduction(last.value, cell.scope / "reduction", cell.filters, cell.statistics)
        before, last = last, FeatureMap(x)
    tensors = _nodes(cell, _calibrate(cell, before, last), _shared_operation)
    return last, FeatureMap(_mix(cell, tensors))


def _final_cell(cell, before, last):
    """A reduction cell's operations have stride 2 where they read one of its inputs."""
    calibrated, base = _calibrate(cell, before, last)
    base = _adapt(cell, base, cell.scope / "base")
    tensors = _nodes(cell, (calibrated, base), _final_operation)
    return last, FeatureMap(_join(cell, tensors))


def _stem(images, scope, filters, statistics):
    x = layers.convolution(layers.image_input(images), scope / "stem", filters, 3)
    return layers.batch_normalization(x, scope / "stem/bn", statistics)


def _calibrate(cell, before, last):
    """Both inputs with the size of the later one and the cell's number of filters."""
    scope = cell.scope / "calibrate"
    if layers.size(before.value) != layers.size(last.value):
        before = FeatureMap(layers.factorized_reduction(before.activated, scope / "before", cell.filters, cell.statistics))
    elif layers.channels(before.value) != cell.filters:
        before = _adapt(cell, before, scope / "before")
    if layers.channels(last.value) != cell.filters:
        last = _adapt(cell, last, scope / "last")
    return before, last


def _adapt(cell, x, scope):
    x = layers.convolution(x.activated, scope, cell.filters, 1)
    return FeatureMap(layers.batch_normalization(x, scope / "bn", cell.statistics))


def _nodes(cell, inputs, operation):
    """What a node or the output may read: the two inputs and then every node's sum, all `FeatureMap`."""
    tensors = list(inputs)
    for number, node in enumerate(cell.nodes):
        scope = cell.scope / f"node_{number}"
        x = operation(cell, tensors, node.input_x, node.operation_x, scope / "x")
        y = operation(cell, tensors, node.input_y, node.operation_y, scope / "y")
        tensors.append(FeatureMap(layers.add([x, y])))
    return tensors


def _shared_operation(cell, tensors, number, operation, scope):
    x, entry = tensors[number], BY_NAME[operation]
    return x.value if entry.layer is None else _apply(cell, entry, x, scope / f"input_{number}" / operation)


def _final_operation(cell, tensors, number, operation, scope):
    stride = 2 if cell.reduces and _is_input(number) else 1
    x, entry, scope = tensors[number], BY_NAME[operation], scope / operation
    if entry.layer is None:
        return x.value if stride == 1 else layers.factorized_reduction(x.value, scope, cell.filters, cell.statistics)
    x = _apply(cell, entry, x, scope, stride)
    if cell.network.drop_path_keep_rate < 1:
        x = layers.drop_path(x, cell.network.path_keep_rate(cell.index), cell.masks)
    return x


def _apply(cell, entry, x, scope, stride=1):
    """An entry of the table of operations on x (`FeatureMap`).

    One with weights comes after a ReLU and before batch normalization, as often as the entry says; the stride is the first one's.
    """
    if not entry.weighted:
        return entry.layer(layers, x.value, scope, cell.filters, stride)
    x = x.activated
    for number in range(entry.in_a_row):
        place, last = scope / f"stack_{number}", number == entry.in_a_row - 1
        x = entry.layer(layers, x, place, cell.filters, 1 if number else stride)
        x = layers.batch_normalization(x, place / "bn", cell.statistics, activate=not last)
    return x


def _mix(cell, tensors):
    """Output of a shared cell: whatever is loose, the number of channels is the same."""
    ends = {f"output/from_{number}": tensors[number].activated for number in loose_ends(cell.nodes)}
    x = layers.mix_named(ends, cell.scope, cell.filters)
    return layers.batch_normalization(x, cell.scope / "output/bn", cell.statistics)


def _join(cell, tensors):
    """Output of a final cell: the loose ends side by side, an input of a reduction cell halved."""
    ends = []
    for number in loose_ends(cell.nodes):
        x = tensors[number].value
        if cell.reduces and _is_input(number):
            scope = cell.scope / "output" / f"from_{number}"
            x = layers.factorized_reduction(x, scope, cell.filters, cell.statistics)
        ends.append(x)
    return layers.concatenate(ends)


# Of the auxiliary head, by its form: name and layer (x, scope, filters) of the two convolutions after the pooling.
AUXILIARY_CONVOLUTIONS = {
    "authors": (("conv1x1", functools.partial(layers.convolution, kernel=1)), ("map", layers.whole_map_convolution)),
    "example": tuple((name, functools.partial(layers.convolution, kernel=3)) for name in ("conv3x3", "conv3x3_2")),
}


def _auxiliary_head(x, network, statistics, masks):
    """A second classifier, after the cell that follows the last reduction, brings the gradient deeper."""
    scope = network.scope / "auxiliary"
    x = layers.average_pooling_valid(x, kernel=5, stride=3)
    for (name, convolution), filters in zip(AUXILIARY_CONVOLUTIONS[network.auxiliary_form], (128, 768), strict=True):
        x = convolution(x, scope / name, filters)
        x = layers.batch_normalization(x, scope / name / "bn", statistics, activate=True)
    return layers.classifier(x, scope / "fc", network.num_classes, 1.0, masks)


def _is_input(number):
    return number < 2
