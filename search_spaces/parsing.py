"""What the three spaces share for reading untrusted input: functions that give a value or raise UserError."""

import re

import numpy as np

from errors import UserError

JSON_FORMAT = 1  # version of the .json form; raise it when the fields change
_WHOLE_NUMBER = re.compile("[0-9]{1,9}")


def found(value):
    """A short text for an error message that shows `value`, however long or deep it is."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."


def read_integers(text):
    """List of the whole numbers in `text`, separated by blanks; bars and line breaks count as blanks."""
    words = text.replace("|", " ").split()
    if not words:
        raise UserError("no numbers found; expected whole numbers separated by blanks")
    for position, word in enumerate(words, 1):
        if not _WHOLE_NUMBER.fullmatch(word):
            raise UserError(f"number {position} is {found(word)}; expected whole numbers separated by blanks")
    return [int(word) for word in words]


def integer_array(array, dimensions):
    """`array` as a NumPy array, checked to hold integers (not booleans) in so many dimensions."""
    array = np.asarray(array)
    if array.dtype.kind not in "iu":
        raise UserError(f"numbers of type {found(str(array.dtype))} found; expected integers")
    if array.ndim != dimensions:
        raise UserError(f"array of shape {array.shape} found; expected {dimensions} dimension(s)")
    return array


def name_of(names, number, what):
    """The entry of the tuple `names` with this number."""
    if not 0 <= number < len(names):
        raise UserError(f"{what} is {number}; expected 0 to {len(names) - 1} ({', '.join(names)})")
    return names[number]


def number_of(numbers, name, what):
    """The number of this name in the dict `numbers`."""
    if not isinstance(name, str) or name not in numbers:
        raise UserError(f"{what} is {found(name)}; expected {_choice(tuple(numbers))}")
    return numbers[name]


def expect_name(names, name, what):
    """Check that `name` is in the tuple `names`."""
    if not isinstance(name, str) or name not in names:
        raise UserError(f"{what} is {found(name)}; expected {_choice(names)}")


def _choice(names):
    if len(names) > 8:
        return f"one of {names[0]}, {names[1]}, ... {names[-1]}"
    return f"one of {', '.join(names)}" if names else "none"


def expect_integer(value, low, high, what):
    """Check that `value` is a Python integer (no boolean) from `low` to `high` (None: no upper bound)."""
    if type(value) is not int or value < low or (high is not None and value > high):
        limits = f"of at least {low}" if high is None else f"from {low} to {high}"
        raise UserError(f"{what} is {found(value)}; expected a whole number {limits}")


def expect_list(value, what):
    """Check that `value`, read from JSON, is a list."""
    if not isinstance(value, list):
        raise UserError(f"{what} is {found(value)}; expected a list")
    return value


def expect_object(value, names, what):
    """Check that `value`, read from JSON, is an object with exactly these names."""
    if not isinstance(value, dict):
        raise UserError(f"{what} is {found(value)}; expected an object with {', '.join(names)}")
    for name in names:
        if name not in value:
            raise UserError(f"{what} has no {name!r}; expected {', '.join(names)}")
    for name in value:
        if name not in names:
            raise UserError(f"{what} has {found(name)}, which is unknown; expected {', '.join(names)}")
    return value


def expect_document(document, space, names):
    """Check the dict of a .json architecture: `space`, format, `names`, and an optional object `origin`."""
    if document.get("space") != space:
        raise UserError(f"the JSON's space is {found(document.get('space'))}; expected {space!r}")
    version = document.get("format")
    if type(version) is not int or version != JSON_FORMAT:
        raise UserError(f"the JSON's format is {found(version)}; this program reads format {JSON_FORMAT}")
    if not isinstance(document.get("origin", {}), dict):
        raise UserError(f"the JSON's origin is {found(document['origin'])}; expected an object")
    content = {name: value for name, value in document.items() if name != "origin"}
    return expect_object(content, ("format", "space", *names), "the JSON")


def expect_space(architecture, space):
    """Check that an architecture belongs to the space of this name."""
    if architecture.space != space:
        raise UserError(f"a {architecture.space} architecture found; expected a {space} architecture")


def choose_operations(space, names):
    """Fill in a new space's `operations` from its `num_ops`, or the other way round; `names` are all that there are."""
    for name in space.operations:
        expect_name(names, name, "an operation")
    if len(set(space.operations)) != len(space.operations):
        raise UserError(f"operations {', '.join(space.operations)} found; expected each of them once")
    if space.operations:
        object.__setattr__(space, "num_ops", len(space.operations))
    expect_integer(space.num_ops, 1, len(names), "the number of operations")
    object.__setattr__(space, "operations", space.operations or names[: space.num_ops])
