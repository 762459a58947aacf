"""The cells of NAS-Bench-201: an operation on each of the six edges between four nodes. No NNabla in here."""

import re
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from errors import UserError
from search_spaces import forms
from search_spaces.decisions import Decision
from search_spaces.parsing import expect_name, expect_space, found, integer_array, name_of, read_integers

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))  # (node read, node that reads), in the order of the strings
NUM_CELLS = len(OPERATIONS) ** len(EDGES)


@dataclass(frozen=True)
class Cell:
    """`operations`: six names of OPERATIONS, one for each of EDGES. Raises UserError when made of anything else."""

    space: ClassVar[str] = "nas_bench_201"
    outputs: ClassVar[str] = "classes"
    operations: tuple[str, ...]

    def __post_init__(self):
        if len(self.operations) != len(EDGES):
            raise UserError(f"{len(self.operations)} operations found; expected {len(EDGES)}")
        for (source, target), operation in zip(EDGES, self.operations, strict=True):
            expect_name(OPERATIONS, operation, f"the operation of edge {source} to {target}")

    def to_numbers(self):
        """int64 (6,): the number of each operation."""
        return np.array([OPERATIONS.index(operation) for operation in self.operations], np.int64)

    @classmethod
    def from_numbers(cls, array):
        """Read `to_numbers`. Raises UserError."""
        numbers = integer_array(array, dimensions=1).tolist()
        return cls(tuple(name_of(OPERATIONS, number, "an operation") for number in numbers))

    def to_text(self):
        """The six numbers of `to_numbers`, as the loop writes and reads them."""
        return " ".join(map(str, self.to_numbers()))

    @classmethod
    def from_text(cls, text):
        """Read `to_text`. Raises UserError."""
        return cls.from_numbers(np.array(read_integers(text)))

    def to_string(self):
        """The benchmark's form: |op~0|+|op~0|op~1|+|op~0|op~1|op~2|."""
        names = iter(self.operations)
        nodes = ["|".join(f"{next(names)}~{source}" for source in range(target)) for target in (1, 2, 3)]
        return "+".join(f"|{node}|" for node in nodes)

    @classmethod
    def from_string(cls, text):
        """Read the benchmark's form. Raises UserError."""
        edges = re.findall(r"([a-z0-9_]+)~(\d)", text)
        cell = cls(tuple(name for name, _ in edges))
        if cell.to_string() != text.strip():
            raise UserError(f"{found(text)} is no cell; expected |op~0|+|op~0|op~1|+|op~0|op~1|op~2|")
        return cell

    def to_json(self):
        """Dict of names."""
        return {"format": 1, "space": self.space, "operations": list(self.operations)}

    @classmethod
    def from_json(cls, document):
        """Read `to_json`. Raises UserError."""
        return cls(tuple(document.get("operations", ())))

    def describe(self):
        """One line for each edge."""
        edges = zip(EDGES, self.operations, strict=True)
        return "\n".join(f"node {source} to node {target}: {operation}" for (source, target), operation in edges)

    @property
    def index(self):
        """Place among all cells, from 0; the last edge changes fastest."""
        return int(self.to_numbers() @ len(OPERATIONS) ** np.arange(len(EDGES) - 1, -1, -1))


class CellSpace:
    """All cells."""

    name, architecture = Cell.space, Cell

    def decisions(self):
        """An operation for each edge."""
        return [Decision("operation", f"node {source} to {target}", OPERATIONS) for source, target in EDGES]

    def random(self, rng):
        """A cell drawn uniformly with a `np.random.Generator`."""
        return Cell.from_numbers(rng.integers(len(OPERATIONS), size=len(EDGES)))

    def contains(self, architecture):
        """Raises UserError if it is of another space."""
        expect_space(architecture, self.name)


forms.SPACES[Cell.space] = Cell  # the loop reads back what it has written as text
