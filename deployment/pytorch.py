"""Trained networks as PyTorch modules: one file of source, which needs PyTorch alone, and the weights beside it.

The source is made of the parts in `torch_parts` that the network needs and of the classes that `pytorch_sources` writes for it.
"""

import ast
import json
import keyword
import os
import pathlib
import struct
import sys

import numpy as np

from deployment.export import architecture_of, inference_graph
from deployment.pytorch_sources import BATCH_NORM, SOURCES
from errors import UserError
from files import atomic_write

PARTS = pathlib.Path(__file__).parent / "torch_parts"
IMPORTS = {
    "json": "import json", "pathlib": "import pathlib", "": "", "torch": "import torch", "nn": "from torch import nn",
    "F": "from torch.nn import functional as F",
}  # fmt: skip
LINE = 120  # characters
SUFFIX = ".safetensors"
MARK = "ENAS on NNabla"  # in the first line of what is exported
KNOWN = ("classes", "mean", "std", "image_shape", "words")  # facts that the weights are stored with


def expect_module(path):
    """Raises UserError if Python could not import the file `path` by its name, or if it or the weights beside are foreign."""
    path = pathlib.Path(path)
    if not path.stem.isidentifier() or keyword.iskeyword(path.stem) or path.stem in {"torch", *sys.stdlib_module_names}:
        raise UserError(f"{path}: Python cannot import a module {path.stem}; choose a name of letters, such as model.py")
    for place, is_ours in ((path, _is_module), (path.with_suffix(SUFFIX), _is_weights)):
        try:
            if place.exists() and not (place.is_file() and is_ours(place)):
                what = "an exported network" if place == path else "the weights of an exported one"
                raise UserError(f"{place} exists already and is not {what}; choose another name")
        except OSError as error:
            raise UserError(f"cannot read {place}, which exists already: {error.strerror}; choose another name") from error


def _is_module(path):
    with open(path, errors="replace") as file:
        return MARK in file.readline()


def _is_weights(path):
    """Does a .safetensors file hold the facts that `_safetensors` writes?"""
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        try:
            known = set(json.loads(file.read(length) if length < os.path.getsize(path) else b"")["__metadata__"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return False
    return "words" in known or {"classes", "image_shape"} <= known


def write_pytorch(path, network, facts):
    """Write the trained network as a PyTorch module `path` (.py) and its weights beside, .safetensors; gives that path.

    Neither file is written unless both can be. Raises UserError for what has no form in PyTorch.
    """
    path = pathlib.Path(path)
    used = inference_graph(network, facts).parameters
    weights = {name: np.float32(used[name].d) for name in network.scope.all() if name in used}
    lines, tensors = SOURCES[type(network)](network, architecture_of(facts), weights)
    stored = _safetensors(_tensors(tensors, weights), facts)
    with atomic_write(path, "w") as source, atomic_write(path.with_suffix(SUFFIX)) as file:
        source.write(_source(path.stem, lines, facts))
        source.flush()
        file.write(stored)
    return path.with_suffix(SUFFIX)


# ---- weights ---------------------------------------------------------------------------------------------------------


def _tensors(places, weights):
    """Dict of name -> array in PyTorch's form, of dict of PyTorch's name -> ours."""
    if sorted(places.values()) != sorted(weights):
        raise ValueError(f"weights without a place or with two: {sorted({*places.values()} ^ {*weights})}")
    return {name: _in_pytorchs_form(ours, weights[ours]) for name, ours in places.items()}


def _in_pytorchs_form(name, array):
    if name.rpartition("/")[2] in BATCH_NORM.values():
        return array.ravel()  # (1, channels, 1, 1) here
    return array.T if array.ndim == 2 and name != "embedding/W" else array  # a linear layer's is (outputs, inputs) there


def _safetensors(tensors, facts):
    """The bytes of a .safetensors file: length of the header, header (JSON), arrays."""
    known = {name: json.dumps(facts[name]) for name in KNOWN if name in facts}
    header, end = {"__metadata__": {"format": "pt"} | known}, 0
    for name, array in tensors.items():
        begin, end = end, end + array.nbytes
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([struct.pack("<Q", len(text)), text, *(array.astype("<f4").tobytes() for array in tensors.values())])


# ---- source ----------------------------------------------------------------------------------------------------------


def _source(module, lines, facts):
    """The text of a module of that name, whose own classes are `lines`."""
    kind = "text" if "words" in facts else "images"
    parts = _parts(kind)
    del parts["Network"]
    tail, network = [parts.pop("load"), *_parts("files").values()][::-1], "\n".join(lines)
    used = _names("\n".join([network, *tail]))
    for name, part in reversed(parts.items()):  # a part uses those before it
        if name in used:
            used |= _names(part)
    blocks = [part for name, part in parts.items() if name in used] + [network, *tail]
    head = "\n".join(line for name, line in IMPORTS.items() if name in used or not name)
    constants = [] if kind == "text" else [_constants(facts)]
    text = "\n\n\n".join([*constants, *blocks])
    return f'"""{_description(kind, module, facts)}"""\n\n{head}\n\n{text}\n'


def _parts(kind):
    """Dict of name -> source of the functions and classes in a file of parts."""
    text = (PARTS / f"{kind}.py").read_text()
    made = (node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef | ast.ClassDef))
    return {node.name: ast.get_source_segment(text, node) for node in made}


def _names(text):
    return {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}


def _constants(facts):
    values = {"CLASSES": facts["classes"], "MEAN": facts["mean"], "STD": facts["std"]}
    return "\n".join(_constant(name, value) for name, value in values.items())


def _constant(name, values):
    """`NAME = (...)`, in several lines if it is long."""
    text = f"{name} = {tuple(values)!r}"
    if len(text) <= LINE:
        return text
    lines = [""]
    for value in values:
        word = f"{value!r}, "
        lines[-1:] = [lines[-1] + word] if len(lines[-1] + word) <= LINE - 4 else [lines[-1], word]
    return "\n".join([f"{name} = (", *(f"    {line.rstrip()}" for line in lines), ")"])


def _description(kind, module, facts):
    if kind == "text":
        return LANGUAGE_MODEL.format(module=module, words=len(facts["words"]))
    return IMAGE_NETWORK.format(module=module, shape=", ".join(map(str, facts["image_shape"])))


IMAGE_NETWORK = f"""An image classifier whose architecture was searched ({MARK}), with PyTorch.

    import {{module}}

    network = {{module}}.load()  # its weights are in {{module}}.safetensors, beside this file
    logits = network(pixels)  # uint8 (batch, {{shape}}) of 0 to 255
    {{module}}.CLASSES[logits[0].argmax()]

Floats in place of uint8 count as normalized, which is what `network.normalize(pixels)` does. The network may be trained further;
what acts in training alone (dropout, drop path, auxiliary head) is left out.
"""

LANGUAGE_MODEL = f"""A language model of {{words:,}} words whose cell was searched ({MARK}), with PyTorch.

    import {{module}}

    network = {{module}}.load()  # its weights and its vocabulary are in {{module}}.safetensors, beside this file
    logits, state = network(network.numbers("the end of the"))  # (words given, 1, words known); `state` is where more words go on
    network.words[logits[-1, 0].argmax()]  # the most probable next word

The network may be trained further; what acts in training alone (dropout, regularizers) is left out.
"""
