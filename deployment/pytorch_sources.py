"""The text of a network in PyTorch, for each kind of network that is exported, and which of its weights is which of ours.

Every part is a `Module` of classes in `torch_parts`. `weights` are ours, name -> array: sizes are read off them.
"""

import pathlib
from dataclasses import dataclass, field

from errors import UserError
from models import macro_cnn, micro_cnn
from models.recurrent_lm import LanguageModel
from search_spaces.macro import reduction_layers
from search_spaces.micro import loose_ends
from search_spaces.operations import BY_NAME

BATCH_NORM = {"weight": "gamma", "bias": "beta", "running_mean": "mean", "running_var": "var"}
HALVINGS = ("half", "quarter")  # of a macro network
FUNCTIONS = {"tanh": "torch.tanh", "relu": "torch.relu", "sigmoid": "torch.sigmoid", "identity": "identity"}


@dataclass(frozen=True)
class Module:
    """The expression that makes a module, and where its tensors come from: dict of their names -> names of our weights."""

    text: str
    tensors: dict = field(default_factory=dict)


@dataclass
class Source:
    """A class under construction: base class, what it is, its attributes, the lines of its forward pass."""

    base: str
    description: str
    forward: list = field(default_factory=list)
    attributes: list = field(default_factory=list)
    tensors: dict = field(default_factory=dict)

    def add(self, name, module):
        """An attribute."""
        self.attributes.append(f"self.{name} = {module.text}")
        self.tensors |= _under(name, module.tensors)

    def lines(self, name, parameters="", base_arguments="", signature="features(self, images)"):
        """The lines of the class."""
        return [
            f"class {name}({self.base}):",
            f'    """{self.description}"""',
            "",
            f"    def __init__({', '.join(filter(None, ['self', parameters]))}):",
            f"        super().__init__({base_arguments})",
            *(f"        {line}" for line in self.attributes),
            "",
            f"    def {signature}:",
            *(f"        {line}" for line in self.forward),
        ]


def _under(name, tensors):
    return {f"{name}.{tensor}": ours for tensor, ours in tensors.items()}


# ---- parts -----------------------------------------------------------------------------------------------------------


def _batch_norm(scope):
    return {tensor: f"{scope}/{ours}" for tensor, ours in BATCH_NORM.items()}


def _normalized(filters, layer, scope, **options):
    given = "".join(f", {name}={value!r}" for name, value in options.items() if value)
    tensors = _under("layer", layer.tensors) | _under("bn", _batch_norm(scope))
    return Module(f"Normalized({filters}, {layer.text}{given})", tensors)


def _convolution(scope, weights):
    filters, inputs, kernel, _ = weights[f"{scope}/W"].shape
    return Module(f"Convolution({inputs}, {filters}, {kernel})", {"weight": f"{scope}/W"})


def _convolution_1x1(scope):
    """Tensors of a 1x1 convolution with batch normalization, a `Normalized`."""
    return _normalized("", Module("", {"weight": f"{scope}/W"}), f"{scope}/bn").tensors


def _halve(scope, inputs, filters):
    tensors = {"even.weight": f"{scope}/path1/W", "odd.weight": f"{scope}/path2/W"} | _under("bn", _batch_norm(f"{scope}/bn"))
    return Module(f"Halve({inputs}, {filters})", tensors)


@dataclass(frozen=True)
class _Built:
    """What an operation's entry builds: modules, one after the other, the last one with so many channels."""

    channels: object  # a number, or the name of one
    modules: tuple = ()

    def then(self, channels, name, *arguments, tensors=None, **options):
        given = [*map(str, arguments), *(f"{option}={value}" for option, value in options.items() if value != 1)]
        return _Built(channels, (*self.modules, Module(f"{name}({', '.join(given)})", tensors or {})))

    def module(self):
        if len(self.modules) == 1:
            return self.modules[0]
        tensors = {}
        for number, module in enumerate(self.modules):
            tensors |= _under(number, module.tensors)
        return Module(f"nn.Sequential({', '.join(module.text for module in self.modules)})", tensors)


class _Layers:
    """Stands in for `models.layers` where the table of operations says how one is built."""

    def convolution(self, x, scope, filters, kernel, stride=1, dilation=1):
        tensors = {"weight": f"{scope}/W"}
        return x.then(filters, "Convolution", x.channels, filters, kernel, stride=stride, dilation=dilation, tensors=tensors)

    def separable_convolution(self, x, scope, filters, kernel, stride=1, dilation=1):
        tensors = {f"{part}.weight": f"{scope}/{part}/W" for part in ("depthwise", "pointwise")}
        return x.then(filters, "Separable", x.channels, filters, kernel, stride=stride, dilation=dilation, tensors=tensors)

    def max_pooling(self, x, stride=1):
        return x.then(x.channels, "MaxPool", stride=stride)

    def average_pooling(self, x, stride=1):
        return x.then(x.channels, "AveragePool", stride=stride)

    def __getattr__(self, name):
        raise UserError(f"layers.{name} of an operation cannot be translated to PyTorch; export to .onnx or .nnp instead")


def _operation(entry, scope, filters, stride=1):
    """An operation of the table on `filters` channels, a number or its name."""
    return entry.layer(_Layers(), _Built(filters), pathlib.PurePosixPath(scope), filters, stride).module()


# ---- macro networks --------------------------------------------------------------------------------------------------


def macro(network, architecture, weights):
    """(lines, tensors) of a macro network of either form."""
    layer = _shared_layer if network.added else _layer
    if getattr(network, "dense_only", False):
        architecture = macro_cnn.densified(architecture)
    source = Source("ImageNetwork", f"A macro network of {architecture.num_layers} layers.", ["stem = self.stem(images)"])
    source.add("stem", _normalized(network.filters, _convolution("stem", weights), "stem/bn"))
    halvings = reduction_layers(architecture.num_layers)
    names = ["stem", *(f"x{index}" for index in range(architecture.num_layers))]
    for index, (operation, bits) in enumerate(zip(architecture.operations, architecture.skips, strict=True)):
        source.add(f"layer_{index}", layer(index, operation, sum(bits), weights))
        read = [names[index], *(names[earlier] for earlier, bit in enumerate(bits) if bit)]
        source.forward.append(f"x{index} = self.layer_{index}({', '.join(read)})")
        if index in halvings:
            _halve_all(source, halvings.index(index) + 1, names[: index + 2], weights)
    source.forward.append(f"return {names[-1]}")
    return _image_network(source, weights)


def _layer(index, operation, skips, weights):
    scope = f"layer_{index}/{operation}"
    filters, inputs = weights[f"{scope}/conv1x1/W"].shape[:2]
    made = _macro_operation(operation, scope, filters, activate=index > 0)
    tensors = _under("conv1x1", _convolution_1x1(f"{scope}/conv1x1")) | _under("operation", made.tensors)
    if index == 0:
        return Module(f"FirstLayer({inputs}, {filters}, {made.text})", tensors)
    tensors |= _under("mix", _convolution_1x1(f"layer_{index}/skip"))
    return Module(f"Layer({inputs}, {filters}, {made.text}, skips={skips})", tensors)


def _shared_layer(index, operation, skips, weights):
    scope = f"layer_{index}/{operation}"
    filters = len(weights[f"{scope}/conv1x1/W"])
    made = _macro_operation(operation, scope, filters, activate=True, eps=macro_cnn.SHARED_CONVOLUTION_EPSILON)
    tensors = _under("conv1x1", _convolution_1x1(f"{scope}/conv1x1")) | _under("operation", made.tensors)
    if index == 0:
        return Module(f"FirstSharedLayer({filters}, {made.text})", tensors)
    return Module(f"SharedLayer({filters}, {made.text})", tensors | _under("bn", _batch_norm(f"layer_{index}/skip/bn")))


def _macro_operation(name, scope, filters, **options):
    made = _operation(BY_NAME[name], scope, filters)
    return _normalized(filters, made, f"{scope}/bn", **options) if BY_NAME[name].weighted else made


def _halve_all(source, level, names, weights):
    """Halve whatever is read later."""
    for number, name in enumerate(names):
        scope = f"reduction_{level}/from_{number}"
        if f"{scope}/path1/W" in weights:
            half, inputs = weights[f"{scope}/path1/W"].shape[:2]
            source.add(f"{HALVINGS[level - 1]}_{name}", _halve(scope, inputs, 2 * half))
            source.forward.append(f"{name} = self.{HALVINGS[level - 1]}_{name}({name})")


def _image_network(source, weights):
    """(lines, tensors) of the class `Network`."""
    lines = source.lines("Network", base_arguments=len(weights["fc/W"]))
    return lines, source.tensors | {"fc.weight": "fc/W"}


# ---- micro networks --------------------------------------------------------------------------------------------------


def micro(network, architecture, weights):
    """(lines, tensors) of a micro network: a class for each kind of cell, and the network that stacks them."""
    source = Source("ImageNetwork", f"A micro network of {network.num_layers + 2} cells.", list(STACKED))
    source.add("stem", _normalized(3 * network.filters, _convolution("stem", weights), "stem/bn"))
    reductions, used, cells = micro_cnn.reduction_cells(network.num_layers), {}, []
    before = last = 3 * network.filters
    for index in range(network.num_layers + 2):
        kind = "ReductionCell" if index in reductions else "NormalCell"
        nodes = architecture.reduction if index in reductions else architecture.normal
        cell = used.setdefault(kind, _cell(nodes, 2 if index in reductions else 1))
        filters = len(weights[f"cell_{index}/base/W"])
        cells.append(f"    {kind}({before}, {last}, {filters}{', halve=True' if _halves(index, weights) else ''}),")
        tensors = cell.tensors | _adapted(f"cell_{index}", weights)
        source.tensors |= {f"cells.{index}.{tensor}": f"cell_{index}/{ours}" for tensor, ours in tensors.items()}
        before, last = last, filters * len(loose_ends(nodes))
    source.attributes += ["cells = [", *cells, "]", "self.cells = nn.ModuleList(cells)"]
    lines, tensors = _image_network(source, weights)
    return [line for kind, cell in used.items() for line in [*cell.lines(kind, *IN_AND_OUT), "", ""]] + lines, tensors


STACKED = (
    "before = last = self.stem(images)",
    "for cell in self.cells:",
    "    before, last = last, cell(before, last)",
    "return F.relu(last)",
)
IN_AND_OUT = ("before, last, filters, halve=False", "", "forward(self, before, last)")  # of a cell


def _halves(index, weights):
    """Does this cell halve the first of its inputs? The cell between had half the size already."""
    return f"cell_{index}/calibrate/before/path1/W" in weights


def _cell(nodes, stride):
    """The `Source` of a cell whose operations have this stride on its inputs; its tensors come from below the cell's scope."""
    cell = Source("nn.Module", "A normal cell." if stride == 1 else "A reduction cell: it halves height and width.")
    cell.add("before", Module("adapted(before, filters, halve)"))
    cell.add("last", Module("adapted(last, filters)"))
    cell.add("base", Module("Stack(filters, Convolution(filters, filters, 1))", _stacked("base")))
    cell.forward.append("before, last = self.before(before), self.base(self.last(last))")
    names = ["before", "last", *(f"node_{number}" for number in range(len(nodes)))]
    for number, node in enumerate(nodes):
        x = _end(cell, number, "x", node.operation_x, node.input_x, names, stride)
        y = _end(cell, number, "y", node.operation_y, node.input_y, names, stride)
        cell.forward.append(f"node_{number} = {x} + {y}")
    ends = loose_ends(nodes)
    outputs = [_halved_input(cell, end, names[end]) if stride == 2 and end < 2 else names[end] for end in ends]
    cell.forward.append(f"return torch.cat([{', '.join(outputs)}], 1)")
    return cell


def _end(cell, node, end, operation, read, names, stride):
    """Add an operation of a node, on the tensor number `read` of `names`; gives the expression of its result."""
    entry, stride, scope = BY_NAME[operation], stride if read < 2 else 1, f"node_{node}/{end}/{operation}"
    if entry.layer is None and stride == 1:
        return names[read]
    if entry.layer is None:
        made = _halve(scope, "filters", "filters")
    else:
        made = _stack(entry, scope, stride) if entry.weighted else _operation(entry, scope, "filters", stride)
    cell.add(f"node_{node}_{end}", made)
    return f"self.node_{node}_{end}({names[read]})"


def _stack(entry, scope, stride):
    """ReLU, operation, batch normalization, as often in a row as its entry says; the stride is the first one's."""
    texts, tensors = [], {}
    for number in range(entry.in_a_row):
        place = f"{scope}/stack_{number}"
        made = _operation(entry, place, "filters", 1 if number else stride)
        texts.append(made.text)
        tensors |= _under(3 * number + 1, made.tensors) | _under(3 * number + 2, _batch_norm(f"{place}/bn"))
    return Module(f"Stack(filters, {', '.join(texts)})", tensors)


def _stacked(scope):
    """Tensors of a `Stack` of one convolution."""
    return {"1.weight": f"{scope}/W"} | _under(2, _batch_norm(f"{scope}/bn"))


def _halved_input(cell, number, name):
    cell.add(f"half_{name}", _halve(f"output/from_{number}", "filters", "filters"))
    return f"self.half_{name}({name})"


def _adapted(scope, weights):
    """Tensors of what brings both inputs of a cell to its number of filters."""
    tensors = {}
    for name in ("before", "last"):
        place = f"calibrate/{name}"
        if f"{scope}/{place}/path1/W" in weights:
            tensors |= _under(f"{name}.1", _halve(place, 0, 0).tensors)
        elif f"{scope}/{place}/W" in weights:
            tensors |= _under(name, _stacked(place))
    return tensors


# ---- language models -------------------------------------------------------------------------------------------------


def recurrent(model, architecture, weights):
    """(lines, tensors) of a language model. Raises UserError for one with batch normalization."""
    if model.normalized:
        raise UserError("a cell with --node-batch-norm cannot be translated to PyTorch; export to .nnp instead")
    count = len(architecture.nodes)
    source = Source("LanguageModel", f"A language model; its cell has {count} nodes after node 0.")
    first = f"node_0/{architecture.first_function}"
    source.add("node_0", _linear(f"{first}/W_state", weights))
    source.forward.append(f"node_0 = gated(state, word + self.node_0(state), {FUNCTIONS[architecture.first_function]})")
    for number, (previous, function) in enumerate(architecture.nodes, 1):
        source.add(f"node_{number}", _linear(f"node_{number}/from_{previous}/{function}/W", weights))
        gate = f"gated(node_{previous}, self.node_{number}(node_{previous}), {FUNCTIONS[function]})"
        source.forward.append(f"node_{number} = {gate}")
    outputs = [f"node_{number}" for number in architecture.output_nodes()]
    source.forward.append(f"return ({' + '.join(outputs)}) / {len(outputs)}" if len(outputs) > 1 else f"return {outputs[0]}")
    source.tensors |= {"embedding.weight": "embedding/W", "word.weight": f"{first}/W_word"}
    size = weights["embedding/W"].shape[1]
    return source.lines("Network", "words", f"words, {size}", "step(self, word, state)"), source.tensors


def _linear(name, weights):
    inputs, outputs = weights[name].shape
    return Module(f"nn.Linear({inputs}, {outputs}, bias=False)", {"weight": name})


SOURCES = {
    macro_cnn.SharedNetwork: macro,
    macro_cnn.FinalNetwork: macro,
    micro_cnn.FinalNetwork: micro,
    LanguageModel: recurrent,
}
