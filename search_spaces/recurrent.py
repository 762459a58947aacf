"""The recurrent space: the cell of a language model (paper section 2.1)."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from errors import UserError
from search_spaces.decisions import Decision
from search_spaces.parsing import (
    JSON_FORMAT,
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

# The position in the tuple is the function's number. The two numberings are not the same.
FUNCTIONS = ("tanh", "relu", "sigmoid", "identity")  # the new arc form: 2 N numbers
OLD_FUNCTIONS = ("tanh", "relu", "identity", "sigmoid")  # the old arc form: 2 N + 1 numbers
OUTPUTS = ("all", "loose_ends")
FORMS = NEW, OLD = "new", "old"


@dataclass(frozen=True)
class RecurrentArchitecture:
    """A cell of node 0, which reads the word and the last state, and N further nodes.

    nodes: N pairs; `nodes[k - 1]` is (previous node < k, function) of node k. first_function: that of node 0.
    output: "all" is the mean of nodes 1 to N, "loose_ends" the mean of the nodes that nobody reads.

    Each architecture has one arc form, so reading and writing lose nothing: the new one for "all", the old
    one for "loose_ends" (its first number is node 0's function, and its authors count node 0 as a node).
    Raises UserError when made of anything else, also for "all" with a node 0 other than tanh: it has no arc.
    """

    space: ClassVar[str] = "recurrent"
    outputs: ClassVar[str] = "words"  # what its networks give probabilities of
    nodes: tuple[tuple[int, str], ...]
    first_function: str = "tanh"
    output: str = "all"

    def __post_init__(self):
        self.validate()

    @property
    def num_nodes(self):
        """N: node 0 does not count."""
        return len(self.nodes)

    def validate(self):
        """Raises UserError naming the first node that is wrong."""
        expect_name(OUTPUTS, self.output, "the output")
        expect_name(FUNCTIONS, self.first_function, "the function of node 0")
        if self.output == "all" and self.first_function != "tanh":
            raise UserError(f"node 0 is {self.first_function}; expected tanh, or loose_ends for the output")
        if not self.nodes:
            raise UserError("the cell has no nodes; expected at least one after node 0")
        for number, (previous, function) in enumerate(self.nodes, 1):
            expect_integer(previous, 0, number - 1, f"the previous node of node {number}")
            expect_name(FUNCTIONS, function, f"the function of node {number}")

    def output_nodes(self):
        """Ascending numbers of the nodes whose mean is the output and the next state."""
        if self.output == "all":
            return tuple(range(1, self.num_nodes + 1))
        read = {previous for previous, _ in self.nodes}
        return tuple(number for number in range(self.num_nodes + 1) if number not in read)

    def to_numbers(self):
        """The .npy form: int64 (2 N,) or (2 N + 1,), the numbers of `to_text`."""
        return np.array(self._flatten(), dtype=np.int64)

    @classmethod
    def from_numbers(cls, array):
        """Read the .npy form of either length. Raises UserError when it is no recurrent cell."""
        return cls._from_flat(integer_array(array, dimensions=1).tolist())

    def to_text(self):
        """The authors' arc in one line, in the form that this architecture has."""
        return " ".join(str(number) for number in self._flatten())

    @classmethod
    def from_text(cls, text):
        """Read an arc: the new form if the length is even, the old one if it is odd. Raises UserError."""
        return cls._from_flat(read_integers(text))

    def _flatten(self):
        old = self.output == "loose_ends"
        functions = OLD_FUNCTIONS if old else FUNCTIONS
        numbers = [functions.index(self.first_function)] if old else []
        for previous, function in self.nodes:
            numbers += [previous, functions.index(function)]
        return numbers

    @classmethod
    def _from_flat(cls, numbers):
        if len(numbers) < 2:
            raise UserError(f"{len(numbers)} number(s) found; expected 2 N for N nodes (old form: 2 N + 1)")
        old = len(numbers) % 2
        functions = OLD_FUNCTIONS if old else FUNCTIONS
        pairs = enumerate(zip(numbers[old::2], numbers[old + 1 :: 2], strict=True), 1)
        nodes = tuple((p, name_of(functions, f, f"the function of node {k}")) for k, (p, f) in pairs)
        if not old:
            return cls(nodes)
        return cls(nodes, name_of(functions, numbers[0], "the function of node 0"), "loose_ends")

    def to_json(self):
        """The .json form: a dict of names."""
        return {
            "format": JSON_FORMAT,
            "space": self.space,
            "first_function": self.first_function,
            "nodes": [{"previous": f"node {p}", "function": function} for p, function in self.nodes],
            "output": self.output,
        }

    @classmethod
    def from_json(cls, document):
        """Read the .json form. Raises UserError when a name is missing or unknown."""
        document = expect_document(document, cls.space, ("first_function", "nodes", "output"))
        numbers, nodes = {}, []
        for k, fields in enumerate(expect_list(document["nodes"], "nodes"), 1):
            expect_object(fields, ("previous", "function"), f"node {k}")
            numbers[f"node {k - 1}"] = k - 1
            previous = number_of(numbers, fields["previous"], f"the previous node of node {k}")
            nodes.append((previous, fields["function"]))
        return cls(tuple(nodes), document["first_function"], document["output"])

    def describe(self):
        """One line per node, then what makes the output."""
        lines = [f"recurrent cell of {self.num_nodes} nodes after node 0"]
        lines.append(f"node 0: {self.first_function}(word, last state)")
        lines += [f"node {k}: {function}(node {p})" for k, (p, function) in enumerate(self.nodes, 1)]
        lines.append(f"output: mean of {', '.join(f'node {number}' for number in self.output_nodes())}")
        return "\n".join(lines)


@dataclass(frozen=True)
class RecurrentSpace:
    """The cells of `num_nodes` nodes after node 0 that an arc form can say; UserError out of bounds.

    form: "new", where node 0 is tanh and the output the mean of all other nodes, or "old", where the function of node 0 is chosen
    too and the output is the mean of the loose ends. Functions are the first `num_functions` of the form's.
    """

    name: ClassVar[str] = "recurrent"
    num_nodes: int = 9
    form: str = NEW
    num_functions: int = len(FUNCTIONS)

    def __post_init__(self):
        expect_integer(self.num_nodes, 1, None, "the number of nodes")
        expect_name(FORMS, self.form, "the arc form")
        expect_integer(self.num_functions, 1, len(FUNCTIONS), "the number of functions")

    @property
    def functions(self):
        """Names of the functions that may be chosen, in the order of the form's numbers."""
        return (OLD_FUNCTIONS if self.form == OLD else FUNCTIONS)[: self.num_functions]

    def decisions(self):
        """Per node the previous node, then the function; before them the function of node 0, where it is chosen."""
        if self.form == OLD:
            yield Decision("function", "node 0", self.functions)
        for node in range(1, self.num_nodes + 1):
            yield Decision("previous node", f"node {node}", tuple(f"node {earlier}" for earlier in range(node)))
            yield Decision("function", f"node {node}", self.functions)

    def random(self, rng):
        """An architecture drawn uniformly with a `np.random.Generator`."""
        previous = (int(rng.integers(number)) for number in range(1, self.num_nodes + 1))
        functions = rng.integers(self.num_functions, size=self.num_nodes)
        nodes = [(p, self.functions[f]) for p, f in zip(previous, functions, strict=True)]
        return self._cell(nodes, self.functions[rng.integers(self.num_functions)] if self.form == OLD else None)

    def covering(self):
        """Architectures that together make every choice of every node."""
        return [
            self._cell([(min(previous, node), function) for node in range(self.num_nodes)], function)
            for previous in range(self.num_nodes) for function in self.functions
        ]  # fmt: skip

    def _cell(self, nodes, first_function):
        """Of this form; `first_function` is that of node 0 where it has a choice."""
        nodes = tuple(nodes)
        return RecurrentArchitecture(nodes) if self.form == NEW else RecurrentArchitecture(nodes, first_function, "loose_ends")

    def contains(self, architecture):
        """Raises UserError naming what keeps `architecture` out of this space."""
        expect_space(architecture, self.name)
        if architecture.num_nodes != self.num_nodes:
            raise UserError(f"{architecture.num_nodes} nodes after node 0 found; expected {self.num_nodes}")
        form = NEW if architecture.output == "all" else OLD
        if form != self.form:
            raise UserError(f"an arc of the {form} form found (output {architecture.output}); expected the {self.form} form")
        for function in ([architecture.first_function] if form == OLD else []) + [function for _, function in architecture.nodes]:
            expect_name(self.functions, function, "a function")


# Arcs for Penn Treebank: of ENAS and DARTS in the authors' corrected code, and of ENAS in their first code.
PUBLISHED = {
    "enas": RecurrentArchitecture.from_text("0 2 1 0 2 1 2 2 4 0 5 0 3 2 6 2"),
    "darts": RecurrentArchitecture.from_text("0 2 1 1 1 1 1 3 2 0 5 2 3 0 5 1"),
    "enas-old": RecurrentArchitecture.from_text("0 0 0 1 1 2 1 2 0 2 0 5 1 1 0 6 1 8 1 8 1 8 1"),
}
