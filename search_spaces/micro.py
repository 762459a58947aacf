"""The micro space: two cells, normal and reduction, of which a network is stacked (paper section 2.4)."""

from dataclasses import astuple, dataclass
from typing import ClassVar

import numpy as np

from errors import UserError
from search_spaces.decisions import Decision
from search_spaces.operations import names_of
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

# The position in the tuple is the operation's number, in the .npy and in the authors' form.
OPERATIONS = names_of("micro")
CELLS = ("normal", "reduction")
_FIELDS = ("input_x", "operation_x", "input_y", "operation_y")


@dataclass(frozen=True)
class Node:
    """operation_x(input_x) + operation_y(input_y).

    Input 0 is the output of the cell before the previous one, 1 of the previous cell, 2 + k of node k.
    """

    input_x: int
    operation_x: str
    input_y: int
    operation_y: str


def input_names(count):
    """Names of the first `count` inputs: the two cells, then node 0, node 1, ..."""
    return ("cell before previous", "previous cell", *(f"node {node}" for node in range(count - 2)))[:count]


def loose_ends(cell):
    """Ascending numbers of the inputs and nodes that no node of `cell` reads: they make its output."""
    read = {number for node in cell for number in (node.input_x, node.input_y)}
    return tuple(number for number in range(len(cell) + 2) if number not in read)


@dataclass(frozen=True)
class MicroArchitecture:
    """Two cells of B nodes; node k reads inputs 0 to k + 1. Raises UserError when made of anything else."""

    space: ClassVar[str] = "micro"
    outputs: ClassVar[str] = "classes"  # what its networks give probabilities of
    normal: tuple[Node, ...]
    reduction: tuple[Node, ...]

    def __post_init__(self):
        self.validate()

    @property
    def num_nodes(self):
        return len(self.normal)

    def validate(self):
        """Raises UserError naming the first cell and node that is wrong."""
        if not self.normal or len(self.normal) != len(self.reduction):
            counts = f"{len(self.normal)} and {len(self.reduction)}"
            raise UserError(f"the cells have {counts} nodes; expected the same number in both, at least one")
        for name in CELLS:
            for number, node in enumerate(getattr(self, name)):
                place = f"node {number} of the {name} cell"
                for value in (node.input_x, node.input_y):
                    expect_integer(value, 0, number + 1, f"an input of {place}")
                for value in (node.operation_x, node.operation_y):
                    expect_name(OPERATIONS, value, f"an operation of {place}")

    def to_numbers(self):
        """The .npy form: int64 (2, 4 B), a row per cell, per node input, operation, input, operation."""
        return np.array([_flatten(self.normal), _flatten(self.reduction)], dtype=np.int64)

    @classmethod
    def from_numbers(cls, array):
        """Read the .npy form. Raises UserError when it is no pair of cells."""
        array = integer_array(array, dimensions=2)
        if array.shape[0] != 2 or array.shape[1] % 4 or not array.size:
            raise UserError(f"array of shape {array.shape} found; expected (2, 4 B) for B nodes (5: (2, 20))")
        return cls(*(_cell(row, name) for row, name in zip(array.tolist(), CELLS, strict=True)))

    def to_text(self):
        """The authors' numbers in one line: the normal cell, then the reduction cell."""
        return " ".join(str(number) for number in _flatten(self.normal) + _flatten(self.reduction))

    @classmethod
    def from_text(cls, text):
        """Read the authors' numbers, both cells; bars and line breaks count as blanks. Raises UserError."""
        numbers = read_integers(text)
        if len(numbers) % 8:
            alone = f", as for one cell of {len(numbers) // 4} nodes alone" if len(numbers) % 4 == 0 else ""
            raise UserError(f"{len(numbers)} numbers found{alone}; expected 8 B for cells of B nodes (5 nodes: 40)")
        half = len(numbers) // 2
        return cls(_cell(numbers[:half], "normal"), _cell(numbers[half:], "reduction"))

    def to_json(self):
        """The .json form: a dict of names."""
        return {
            "format": JSON_FORMAT,
            "space": self.space,
            "normal": _cell_to_json(self.normal),
            "reduction": _cell_to_json(self.reduction),
        }

    @classmethod
    def from_json(cls, document):
        """Read the .json form. Raises UserError when a name is missing or unknown."""
        document = expect_document(document, cls.space, CELLS)
        return cls(*(_cell_from_json(document[name], name) for name in CELLS))

    def describe(self):
        """Per cell one line per node, then what makes the cell's output."""
        return "\n".join(line for name in CELLS for line in _describe_cell(getattr(self, name), name))


def _flatten(cell):
    numbers = []
    for node in cell:
        numbers += [node.input_x, OPERATIONS.index(node.operation_x)]
        numbers += [node.input_y, OPERATIONS.index(node.operation_y)]
    return numbers


def _cell(numbers, name):
    nodes = []
    for number in range(len(numbers) // 4):
        input_x, x, input_y, y = numbers[4 * number : 4 * number + 4]
        place = f"an operation of node {number} of the {name} cell"
        nodes.append(Node(input_x, name_of(OPERATIONS, x, place), input_y, name_of(OPERATIONS, y, place)))
    return tuple(nodes)


def _cell_to_json(cell):
    names = input_names(len(cell) + 2)
    rows = ((names[node.input_x], node.operation_x, names[node.input_y], node.operation_y) for node in cell)
    return [dict(zip(_FIELDS, row, strict=True)) for row in rows]


def _cell_from_json(cell, name):
    numbers = {input_name: number for number, input_name in enumerate(input_names(2))}
    nodes = []
    for fields in expect_list(cell, f"the {name} cell"):
        place = f"node {len(nodes)} of the {name} cell"
        expect_object(fields, _FIELDS, place)
        x = number_of(numbers, fields["input_x"], f"input_x of {place}")
        y = number_of(numbers, fields["input_y"], f"input_y of {place}")
        numbers[f"node {len(nodes)}"] = len(numbers)
        nodes.append(Node(x, fields["operation_x"], y, fields["operation_y"]))
    return tuple(nodes)


def _describe_cell(cell, name):
    names = input_names(len(cell) + 2)
    yield f"{name} cell of {len(cell)} nodes"
    for number, node in enumerate(cell):
        input_x, operation_x, input_y, operation_y = astuple(node)
        yield f"node {number}: {operation_x}({names[input_x]}) + {operation_y}({names[input_y]})"
    yield f"output: {', '.join(names[number] for number in loose_ends(cell))}"


@dataclass(frozen=True)
class MicroSpace:
    """Cells of `num_nodes` nodes with `operations` (names), or the first `num_ops` of all; UserError out of bounds.

    The nodes are those with operations; the NNabla example's option counts the two inputs too.
    """

    name: ClassVar[str] = "micro"
    num_nodes: int = 5
    num_ops: int = len(OPERATIONS)
    operations: tuple[str, ...] = ()

    def __post_init__(self):
        expect_integer(self.num_nodes, 1, None, "the number of nodes")
        choose_operations(self, OPERATIONS)

    def numbers(self):
        """The .npy form's number of each of `operations`."""
        return [OPERATIONS.index(name) for name in self.operations]

    def decisions(self):
        """Per cell and node two inputs, then two operations: those at the left of a drawing, then those at the right."""
        for cell in CELLS:
            for node in range(self.num_nodes):
                places = [f"node {node} {side}" for side in ("left", "right")]
                yield from (Decision(f"input, {cell} cell", place, input_names(node + 2)) for place in places)
                yield from (Decision(f"operation, {cell} cell", place, self.operations) for place in places)

    def random(self, rng):
        """An architecture drawn uniformly with a `np.random.Generator`."""
        return MicroArchitecture(self._random_cell(rng), self._random_cell(rng))

    def _random_cell(self, rng):
        nodes = []
        for number in range(self.num_nodes):
            inputs = rng.integers(number + 2, size=2).tolist()
            x, y = (self.operations[operation] for operation in rng.integers(self.num_ops, size=2))
            nodes.append(Node(inputs[0], x, inputs[1], y))
        return tuple(nodes)

    def contains(self, architecture):
        """Raises UserError naming what keeps `architecture` out of this space."""
        expect_space(architecture, self.name)
        if architecture.num_nodes != self.num_nodes:
            raise UserError(f"cells of {architecture.num_nodes} nodes found; expected {self.num_nodes} nodes")
        for name in CELLS:
            for number, node in enumerate(getattr(architecture, name)):
                for operation in (node.operation_x, node.operation_y):
                    place = f"an operation of node {number} of the {name} cell"
                    expect_name(self.operations, operation, place)


# The cells of the paper's CIFAR-10 table as the authors' final script gives them.
PUBLISHED = {
    "enas": MicroArchitecture.from_text(
        "0 2 0 0 0 4 0 1 0 4 1 1 1 0 0 1 0 2 1 1 | 1 0 1 0 0 3 0 2 1 1 3 1 1 0 0 4 0 3 1 1"
    )
}
