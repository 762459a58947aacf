"""Architectures as DARTS writes them (Liu et al., arXiv:1806.09055): `Genotype(normal=[('sep_conv_3x3', 1), ...], ...)`.

A node of a micro cell is two pairs (operation, state); states 0 and 1 are the outputs of the cell before the previous and of the
previous cell, 2 + k is node k, so the numbers are ours. A node of a recurrent cell is one pair (function, node).
"""

import ast
import re

from errors import UserError
from search_spaces.micro import MicroArchitecture, Node, loose_ends
from search_spaces.operations import TABLE
from search_spaces.parsing import expect_integer, expect_list, found
from search_spaces.recurrent import FUNCTIONS, RecurrentArchitecture

# The name in a genotype -> ours.
OPERATIONS = {operation.darts: operation.name for operation in TABLE if operation.darts and operation.micro is not None}
MICRO_FIELDS = ("normal", "normal_concat", "reduce", "reduce_concat")
RECURRENT_FIELDS = ("recurrent", "concat")
LONGEST = 20_000  # characters; Python's parser takes memory and depth in proportion
_BEGIN = re.compile(r"(?:\w+\s*=\s*|.*\bgenotype\s*=\s*)?Genotype\s*\(")
_COMMENT = re.compile(r"^\s*#.*$", re.MULTILINE)


def is_genotype(text):
    """Does the text begin as a genotype does, perhaps after comments, `NAME = ` or what a log puts before `genotype = `?"""
    return _BEGIN.match(_COMMENT.sub("", text).lstrip()) is not None


def read_genotype(text):
    """(architecture, lines that say where it differs from the genotype). Raises UserError, also for what has no equivalent."""
    count = len(re.findall(r"\bGenotype\s*\(", text))
    if count > 1:
        raise UserError(f"it holds {count} genotypes; keep one")
    if len(text) > LONGEST:
        raise UserError(f"the genotype has more than {LONGEST} characters; expected one of some hundred")
    return from_fields(_fields(_COMMENT.sub("", text).strip()))


def from_fields(fields):
    """As `read_genotype` for a dict of the fields, with lists (or tuples) of pairs and of numbers."""
    if set(fields) == set(RECURRENT_FIELDS):
        return _recurrent(fields), ()
    if set(fields) != set(MICRO_FIELDS):
        expected = f"{', '.join(MICRO_FIELDS)} or {', '.join(RECURRENT_FIELDS)}"
        raise UserError(f"a genotype with {found(', '.join(map(str, fields)))[1:-1]} found; expected {expected}")
    cells = [_cell(fields[name], name) for name in ("normal", "reduce")]
    remarks = []
    for cell, name in zip(cells, ("normal", "reduce"), strict=True):
        joined = _numbers(fields[f"{name}_concat"], len(cell) + 1, f"{name}_concat")
        if joined != loose_ends(cell):
            remarks.append(
                f"the genotype's {name} cell concatenates the states {_listed(joined)}; here a cell concatenates the states "
                f"that no node reads: {_listed(loose_ends(cell))}"
            )
    return MicroArchitecture(*cells), tuple(remarks)


def to_genotype(architecture):
    """The text of a genotype. Raises UserError for what it cannot say."""
    if architecture.space == "recurrent":
        pairs = [(function, previous) for previous, function in architecture.nodes]
        if architecture.first_function != "tanh":
            raise UserError(f"node 0 is {architecture.first_function}; a genotype's is always tanh")
        return f"Genotype(recurrent={pairs!r}, concat={list(architecture.output_nodes())!r})"
    if architecture.space != "micro":
        raise UserError(f"a {architecture.space} architecture found; a genotype is of a micro or recurrent cell")
    fields = []
    for name, cell in (("normal", architecture.normal), ("reduce", architecture.reduction)):
        ends = loose_ends(cell)
        if name == "reduce" and ends[0] < 2:
            found = "one input of the reduction cell goes to the output because no node reads it"
            raise UserError(f"{found}; a genotype cannot say that")
        fields += [f"{name}={_pairs(cell)!r}", f"{name}_concat={list(ends)!r}"]
    return f"Genotype({', '.join(fields)})"


def _fields(text):
    """Dict of what stands in `Genotype(...)`: literals, and `range` of them. Nothing is evaluated."""
    try:
        call = ast.parse(_BEGIN.sub("Genotype(", text, count=1), mode="eval").body
        if not isinstance(call, ast.Call) or call.args or not isinstance(call.func, ast.Name) or call.func.id != "Genotype":
            raise ValueError("no call")
        return {keyword.arg: _literal(keyword.value) for keyword in call.keywords}
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
        raise UserError("the genotype is not complete; expected Genotype(normal=[(...), ...], normal_concat=..., ...)") from error


def _literal(node):
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range" and not node.keywords:
        ends = [ast.literal_eval(end) for end in node.args]
        if not all(type(end) is int and abs(end) < 1000 for end in ends):
            raise ValueError("no range of some numbers")
        return list(range(*ends))
    return ast.literal_eval(node)


def _cell(pairs, name):
    pairs = _expect_pairs(pairs, name)
    if not pairs or len(pairs) % 2:
        raise UserError(f"the {name} cell has {len(pairs)} pairs; expected two for each node")
    nodes = []
    for number in range(len(pairs) // 2):
        (x, input_x), (y, input_y) = pairs[2 * number : 2 * number + 2]
        place = f"node {number} of the {name} cell"
        for state in (input_x, input_y):
            expect_integer(state, 0, number + 1, f"a state of {place}")
        nodes.append(Node(input_x, _equivalent(x, place), input_y, _equivalent(y, place)))
    return tuple(nodes)


def _equivalent(operation, place):
    if not isinstance(operation, str) or operation not in OPERATIONS:
        raise UserError(f"{place} is {found(operation)}, which has no equivalent here; expected {', '.join(OPERATIONS)}")
    return OPERATIONS[operation]


def _recurrent(fields):
    nodes = []
    for number, (function, previous) in enumerate(_expect_pairs(fields["recurrent"], "recurrent"), 1):
        if function not in FUNCTIONS:
            raise UserError(f"node {number} is {found(function)}, which has no equivalent here; expected {', '.join(FUNCTIONS)}")
        nodes.append((previous, function))
    joined = _numbers(fields["concat"], len(nodes), "concat")
    for output in ("all", "loose_ends"):
        cell = RecurrentArchitecture(tuple(nodes), output=output)
        if joined == cell.output_nodes():
            return cell
    raise UserError(f"the genotype's output is the mean of the nodes {_listed(joined)}; here of all or of those not read")


def _expect_pairs(pairs, name):
    pairs = expect_list(list(pairs) if isinstance(pairs, tuple) else pairs, f"{name} of the genotype")
    for pair in pairs:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2 or not isinstance(pair[0], str):
            raise UserError(f"{name} of the genotype holds {found(pair)}; expected pairs (operation, number)")
    return pairs


def _numbers(value, largest, name):
    """Ascending, as a tuple."""
    for number in expect_list(list(value) if isinstance(value, tuple) else value, f"{name} of the genotype"):
        expect_integer(number, 0, largest, f"a number of {name}")
    return tuple(sorted(set(value)))


def _pairs(cell):
    names = {ours: name for name, ours in OPERATIONS.items()}
    for name in (name for node in cell for name in (node.operation_x, node.operation_y) if name not in names):
        raise UserError(f"{name} has no name in a genotype; expected {', '.join(names)}")
    ends = [end for node in cell for end in ((node.operation_x, node.input_x), (node.operation_y, node.input_y))]
    return [(names[operation], state) for operation, state in ends]


def _listed(numbers):
    return ", ".join(map(str, numbers)) or "none"
