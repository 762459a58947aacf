"""The macro space: a whole network, layer by layer, with skip connections (paper section 2.3)."""

from dataclasses import dataclass
from math import isqrt
from typing import ClassVar

import numpy as np

from errors import UserError
from search_spaces.decisions import SKIP, Decision
from search_spaces.operations import authors_names, names_of
from search_spaces.parsing import (
    JSON_FORMAT,
    choose_operations,
    expect_document,
    expect_integer,
    expect_list,
    expect_name,
    expect_object,
    expect_space,
    integer_array,
    name_of,
    number_of,
    read_integers,
)

# The position in the tuple is the operation's number; .npy files and the authors' strings number differently.
OPERATIONS = names_of("macro")
AUTHORS_OPERATIONS = authors_names()

MIN_LAYERS = 3  # the resolution halves twice, after each third of the layers
MAX_LAYERS = 300  # the bits grow with its square; the largest still fits a file that we read


def reduction_layers(num_layers):
    """The two layers, counted from 0, after which height and width halve (authors' code: 12 -> 3, 7)."""
    third = num_layers // 3
    return third - 1, 2 * third - 1


def tensor_names(layer):
    """Names of the tensors that the bits of `layer` may add: the stem, layer 0, ... layer `layer - 2`."""
    return ("stem", *(f"layer {earlier}" for earlier in range(layer - 1)))[:layer]


@dataclass(frozen=True)
class MacroArchitecture:
    """A network of L layers; the input of layer i is the output of layer i - 1 (of the stem for layer 0).

    operations: L names of OPERATIONS. skips: L tuples, `skips[i]` of i bits (0 or 1): does layer i also add
    the output of the stem (bit 0) or of layer j - 1 (bit j). Raises UserError when made of anything else.
    """

    space: ClassVar[str] = "macro"
    outputs: ClassVar[str] = "classes"  # what its networks give probabilities of
    operations: tuple[str, ...]
    skips: tuple[tuple[int, ...], ...]

    def __post_init__(self):
        self.validate()

    @property
    def num_layers(self):
        return len(self.operations)

    def validate(self):
        """Raises UserError naming the first layer that is wrong."""
        expect_integer(self.num_layers, MIN_LAYERS, MAX_LAYERS, "the number of layers")
        if len(self.skips) != self.num_layers:
            raise UserError(f"{len(self.skips)} rows of skip bits found; expected {self.num_layers}")
        for layer, (operation, bits) in enumerate(zip(self.operations, self.skips, strict=True)):
            expect_name(OPERATIONS, operation, f"the operation of layer {layer}")
            if len(bits) != layer:
                raise UserError(f"layer {layer} has {len(bits)} skip bits; expected {layer}")
            for bit in bits:
                expect_integer(bit, 0, 1, f"a skip bit of layer {layer}")

    def added_tensors(self, layer):
        """Names of the tensors that `layer` adds: "stem" or "layer 3"."""
        return tuple(name for name, bit in zip(tensor_names(layer), self.skips[layer], strict=True) if bit)

    def to_numbers(self):
        """The .npy form: int64 (L (L + 1) / 2,), per layer the operation's number, then its bits."""
        return np.array(self._flatten(OPERATIONS), dtype=np.int64)

    @classmethod
    def from_numbers(cls, array):
        """Read the .npy form. Raises UserError when it is no macro architecture."""
        return cls._from_flat(integer_array(array, dimensions=1).tolist(), OPERATIONS)

    def to_text(self):
        """The authors' `fixed_arc` string in one line: ordered as the .npy form, other operation numbers."""
        return " ".join(str(number) for number in self._flatten(AUTHORS_OPERATIONS))

    @classmethod
    def from_text(cls, text):
        """Read the authors' string; bars and line breaks count as blanks. Raises UserError."""
        return cls._from_flat(read_integers(text), AUTHORS_OPERATIONS)

    def _flatten(self, numbering):
        numbers = []
        for operation, bits in zip(self.operations, self.skips, strict=True):
            numbers += [numbering.index(operation), *bits]
        return numbers

    @classmethod
    def _from_flat(cls, numbers, numbering):
        operations, skips = [], []
        for layer in range(_layers_in(len(numbers))):
            start = layer * (layer + 1) // 2
            operations.append(name_of(numbering, numbers[start], f"the operation of layer {layer}"))
            skips.append(tuple(numbers[start + 1 : start + 1 + layer]))
        return cls(tuple(operations), tuple(skips))

    def to_json(self):
        """The .json form: a dict of names."""
        layers = [
            {"operation": operation, "skips": list(self.added_tensors(layer))}
            for layer, operation in enumerate(self.operations)
        ]
        return {"format": JSON_FORMAT, "space": self.space, "layers": layers}

    @classmethod
    def from_json(cls, document):
        """Read the .json form. Raises UserError when a name is missing, unknown or twice there."""
        layers = expect_list(expect_document(document, cls.space, ("layers",))["layers"], "layers")
        expect_integer(len(layers), MIN_LAYERS, MAX_LAYERS, "the number of layers")
        for number, layer in enumerate(layers):
            expect_object(layer, ("operation", "skips"), f"layer {number}")
        skips = tuple(_bits_from_json(layer["skips"], number) for number, layer in enumerate(layers))
        return cls(tuple(layer["operation"] for layer in layers), skips)

    def describe(self):
        """One line per layer: its operation and what it adds, and a line where the resolution halves."""
        halvings = reduction_layers(self.num_layers)
        lines = [f"macro network of {self.num_layers} layers"]
        for layer, operation in enumerate(self.operations):
            added = self.added_tensors(layer)
            lines.append(f"layer {layer}: {operation}" + (f" + {', '.join(added)}" if added else ""))
            if layer in halvings:
                lines.append("-- height and width halve --")
        return "\n".join(lines)


def _layers_in(count):
    """Number of layers that take `count` numbers: L (L + 1) / 2 = count."""
    layers = (isqrt(8 * count + 1) - 1) // 2
    if layers < MIN_LAYERS or layers * (layers + 1) // 2 != count:
        raise UserError(f"{count} numbers found; expected L (L + 1) / 2 for L >= 3 layers (12 layers: 78)")
    return layers


def _bits_from_json(names, layer):
    positions = {name: position for position, name in enumerate(tensor_names(layer))}
    bits = [0] * layer
    for name in expect_list(names, f"skips of layer {layer}"):
        position = number_of(positions, name, f"a skip of layer {layer}")
        if bits[position]:
            raise UserError(f"layer {layer} has the skip {name!r} twice; name it once")
        bits[position] = 1
    return tuple(bits)


@dataclass(frozen=True)
class MacroSpace:
    """The networks of `num_layers` layers with `operations` (names), or the first `num_ops` of all; UserError out of bounds.

    Chance draws each skip connection with probability `skip_prob`.
    """

    name: ClassVar[str] = "macro"
    num_layers: int = 12
    num_ops: int = len(OPERATIONS)
    operations: tuple[str, ...] = ()
    skip_prob: float = 0.5

    def __post_init__(self):
        expect_integer(self.num_layers, MIN_LAYERS, MAX_LAYERS, "the number of layers")
        choose_operations(self, OPERATIONS)

    def numbers(self):
        """The .npy form's number of each of `operations`."""
        return [OPERATIONS.index(name) for name in self.operations]

    def decisions(self):
        """Per layer its operation, then each skip connection."""
        for layer in range(self.num_layers):
            yield Decision("operation", f"layer {layer}", self.operations)
            yield from (Decision(SKIP, f"layer {layer}", (None, name)) for name in tensor_names(layer))

    def random(self, rng):
        """An architecture drawn with a `np.random.Generator`; each is as likely as any other if half of the skips are there."""
        operations = tuple(self.operations[number] for number in rng.integers(self.num_ops, size=self.num_layers))
        skips = tuple(tuple(self._random_skips(rng, layer).tolist()) for layer in range(self.num_layers))
        return MacroArchitecture(operations, skips)

    def _random_skips(self, rng, count):
        if self.skip_prob == 0.5:
            return rng.integers(2, size=count)  # the draws of what has been published
        return (rng.random(count) < self.skip_prob).astype(int)

    def contains(self, architecture):
        """Raises UserError naming what keeps `architecture` out of this space."""
        expect_space(architecture, self.name)
        if architecture.num_layers != self.num_layers:
            raise UserError(f"{architecture.num_layers} layers found; expected {self.num_layers} layers")
        for layer, operation in enumerate(architecture.operations):
            expect_name(self.operations, operation, f"the operation of layer {layer}")


# The network of the paper's CIFAR-10 table as the authors' final script gives it: 24 layers, 96 filters.
PUBLISHED = {
    "enas": MacroArchitecture.from_text(
        """0 | 3 0 | 0 1 0 | 2 0 0 1 | 2 0 0 0 0 | 3 1 1 0 1 0 | 2 0 0 0 0 0 1 | 2 0 1 1 0 1 1 1
        | 1 0 1 1 1 0 1 0 1 | 0 0 0 0 0 0 0 0 0 0 | 2 0 0 0 0 0 1 0 0 0 0 | 0 1 0 0 1 1 0 0 0 0 1 1
        | 2 0 1 0 0 0 0 0 1 0 1 1 0
        | 1 0 0 1 0 0 0 1 1 1 0 1 0 1 | 0 1 1 0 1 0 1 0 0 0 0 0 1 0 0 | 2 0 0 1 0 0 0 0 0 0 0 1 0 1 0 1
        | 2 0 1 0 0 0 1 0 0 1 1 1 1 0 0 1 0 | 2 0 0 0 0 1 0 1 0 1 0 0 1 0 1 0 0 1
        | 3 0 1 1 0 1 0 0 0 0 0 1 0 1 0 1 0 0 0 | 3 0 1 1 0 0 0 0 0 0 0 0 0 1 1 0 0 0 0 1
        | 0 1 0 0 1 0 1 1 0 0 0 1 0 0 0 0 0 1 1 0 0 | 3 0 1 0 1 1 0 0 1 0 1 1 0 1 1 0 1 0 0 1 0 0
        | 0 1 0 1 0 1 0 0 0 0 0 0 0 0 1 0 1 0 0 1 0 0 0 | 0 1 1 0 0 0 1 1 1 0 1 0 0 0 1 0 1 0 0 1 1 0 0 0"""
    )
}
