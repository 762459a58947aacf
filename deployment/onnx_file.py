"""Graphs of NNabla functions as ONNX files: a node for each function of which the exported networks are made."""

import importlib
import json

import numpy as np

from errors import UserError
from files import atomic_write

PACKAGE = "onnx~=1.17.0"  # as in pyproject.toml; later ones need another protobuf than NNabla does
OPSET, IR_VERSION = 15, 8


def expect_onnx():
    """Raises UserError if the package that makes the files is not installed."""
    try:
        importlib.import_module("onnx")
    except ImportError as error:  # missing, or made for another protobuf
        raise UserError(f"writing .onnx requires the package onnx: pip install '{PACKAGE}' ({error})") from error


def write_onnx(path, graph, facts):
    """Write an `InferenceGraph` as a file that takes any number of examples at once.

    `facts`: dict of name -> what JSON can say, kept in the file as its metadata. Raises UserError naming a function that has
    no translation here.
    """
    import onnx  # optional, and slow to import

    model = _Translation(graph, onnx).model()
    for name, value in facts.items():
        model.metadata_props.add(key=name, value=json.dumps(value))
    onnx.checker.check_model(model, full_check=True)
    with atomic_write(path) as file:
        file.write(model.SerializeToString())


class _Translation:
    """The nodes and constants of one graph, in the order of computation; inputs, outputs and parameters keep their names."""

    def __init__(self, graph, onnx):
        self._graph, self._onnx = graph, onnx
        self._names = {variable: name for name, variable in (graph.parameters | graph.inputs).items()}
        self._constants, self._nodes = {}, []

    def model(self):
        """The ModelProto."""
        helper, outputs = self._onnx.helper, self._graph.outputs
        for name, output in outputs.items():
            output.visit(self._translate)
            self.node("Identity", [self._names[output]], [name])
        constants = [self._onnx.numpy_helper.from_array(array, name) for name, array in self._constants.items()]
        ends = [[self._end(name, variable) for name, variable in group.items()] for group in (self._graph.inputs, outputs)]
        graph = helper.make_graph(self._nodes, "network", *ends, constants)
        opset = helper.make_opsetid("", OPSET)
        return helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION, producer_name="ENAS on NNabla")

    def _end(self, name, variable):
        """Description of an input or output, whose first axis, the batch, may have any length."""
        kind = self._onnx.TensorProto.INT64 if name in self._graph.integers else self._onnx.TensorProto.FLOAT
        return self._onnx.helper.make_tensor_value_info(name, kind, ["batch", *variable.shape[1:]])

    def _translate(self, function):
        if function.outputs[0] in self._names:
            return
        name = function.info.type_name
        if name not in _TRANSLATIONS:
            raise UserError(f"NNabla's function {name} cannot be translated to ONNX; export to .nnp instead")
        inputs = [self._input(variable) for variable in function.inputs]
        for output in function.outputs:
            self._names[output] = f"{name}_{len(self._nodes)}_{len(self._names)}"
        _TRANSLATIONS[name](self, function, inputs, [self._names[output] for output in function.outputs])

    def _input(self, variable):
        """Name of a variable; a parameter's value becomes a constant of the file."""
        name = self._names[variable]
        if name in self._graph.parameters:
            self._constants[name] = np.float32(variable.d)
        return name

    def node(self, operator, inputs, outputs, **attributes):
        """Add a node between variables of these names."""
        self._nodes.append(self._onnx.helper.make_node(operator, inputs, outputs, **attributes))

    def constant(self, value, kind=np.int64):
        """Name of a new constant."""
        name = f"constant_{len(self._constants)}"
        self._constants[name] = np.array(value, kind)
        return name

    def flatten(self, name):
        """Make a parameter (1, channels, 1, 1) one of (channels,); gives its name."""
        self._constants[name] = self._constants[name].ravel()
        return name


def _same(operator):
    return lambda made, function, inputs, outputs: made.node(operator, inputs, outputs)


def _convolution(made, function, inputs, outputs):
    given = function.info.args
    made.node(
        "Conv", inputs, outputs, kernel_shape=function.inputs[1].shape[2:], strides=given["stride"],
        pads=[*given["pad"], *given["pad"]], dilations=given["dilation"], group=given["group"],
    )  # fmt: skip


def _batch_normalization(made, function, inputs, outputs):
    x, beta, gamma, mean, var = inputs
    weights = [made.flatten(name) for name in (gamma, beta, mean, var)]
    made.node("BatchNormalization", [x, *weights], outputs, epsilon=function.info.args["eps"])


def _pooling(operator):
    """Windows that the border cuts become padding, which neither mean nor maximum counts."""

    def translate(made, function, inputs, outputs):
        given = function.info.args
        kernel, stride, before = given["kernel"], given["stride"], given["pad"]
        lengths = zip(function.inputs[0].shape[2:], function.outputs[0].shape[2:], kernel, stride, before, strict=True)
        after = [max((out - 1) * step + window - length - pad, 0) for length, out, window, step, pad in lengths]
        made.node(operator, inputs, outputs, kernel_shape=kernel, strides=stride, pads=[*before, *after])

    return translate


def _pad(made, function, inputs, outputs):
    widths = function.info.args["pad_width"]  # before and after each of the last axes
    none = [0] * (function.inputs[0].ndim - len(widths) // 2)
    made.node("Pad", [*inputs, made.constant([*none, *widths[::2], *none, *widths[1::2]])], outputs)


def _slice(made, function, inputs, outputs):
    given = function.info.args  # of the last axes
    axes = range(-len(given["start"]), 0)
    ends = [made.constant(values) for values in (given["start"], given["stop"], list(axes), given["step"])]
    made.node("Slice", [*inputs, *ends], outputs)


def _mean(made, function, inputs, outputs):
    given = function.info.args
    made.node("ReduceMean", inputs, outputs, axes=given["axes"], keepdims=int(given["keep_dims"]))


def _with(operator, name, given):
    """A node with one attribute, NNabla's argument `given`."""
    return lambda made, function, inputs, outputs: made.node(operator, inputs, outputs, **{name: function.info.args[given]})


def _times(made, function, inputs, outputs):
    made.node("Mul", [*inputs, made.constant(function.info.args["val"], np.float32)], outputs)


def _split(made, function, inputs, outputs):
    """To tensors without the axis."""
    for number, output in enumerate(outputs):
        made.node("Gather", [*inputs, made.constant(number)], [output], axis=function.info.args["axis"])


def _reshape(made, function, inputs, outputs):
    """The first axis of the result is the batch: as long as the rest leaves it."""
    made.node("Reshape", [*inputs, made.constant([-1, *function.outputs[0].shape[1:]])], outputs)


def _embed(made, function, inputs, outputs):
    made.node("Gather", inputs[::-1], outputs)


_TRANSLATIONS = {
    "Add2": _same("Add"),
    "AddN": _same("Sum"),
    "Affine": _same("MatMul"),  # of the last axis, without bias: layers.fully_connected and layers.product
    "AveragePooling": _pooling("AveragePool"),
    "BatchNormalization": _batch_normalization,
    "Concatenate": _with("Concat", "axis", "axis"),
    "Convolution": _convolution,
    "Div2": _same("Div"),
    "Embed": _embed,
    "Identity": _same("Identity"),
    "MaxPooling": _pooling("MaxPool"),
    "Mean": _mean,
    "Mul2": _same("Mul"),
    "MulScalar": _times,
    "Pad": _pad,
    "ReLU": _same("Relu"),
    "Reshape": _reshape,
    "Sigmoid": _same("Sigmoid"),
    "Slice": _slice,
    "Softmax": _with("Softmax", "axis", "axis"),
    "Split": _split,
    "Sub2": _same("Sub"),
    "Tanh": _same("Tanh"),
    "Transpose": _with("Transpose", "perm", "axes"),
}
