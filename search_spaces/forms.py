"""The forms of an architecture in bytes: .npy (numbers), .txt (the authors' string and its kin), .json (names, origin)."""

import io
import json
import math
from collections import Counter

import numpy as np

from errors import UserError
from search_spaces.genotype import MICRO_FIELDS, RECURRENT_FIELDS, from_fields, is_genotype, read_genotype
from search_spaces.loose_text import read_rows, rows_fit
from search_spaces.macro import MacroArchitecture
from search_spaces.micro import MicroArchitecture
from search_spaces.numpy_file import MAGIC, ZIP_MAGIC, read_npy, read_npz
from search_spaces.parsing import expect_name, found
from search_spaces.recurrent import RecurrentArchitecture

SUFFIXES = (".npy", ".txt", ".json")
SPACES = {kind.space: kind for kind in (MacroArchitecture, MicroArchitecture, RecurrentArchitecture)}
MAX_BYTES = 1_000_000  # no architecture is larger; nothing beyond is read
LONG_ROW = 32  # numbers; published recurrent arcs have up to 23, published micro cells 40
MAX_DIGITS = 100  # of an integer in a .json: longer ones cost time that grows with the square


def parse(data, suffix, space_name=None):
    """The architecture in the bytes of a file of this suffix. Raises UserError and nothing else.

    With a suffix that is none of SUFFIXES the bytes decide what they are. Without `space_name` ("macro", "micro", "recurrent")
    they decide their space too: a .json says it, a .npy of two rows is micro. A row of numbers is the first of macro, micro,
    recurrent that reads it; one of fewer than 32 numbers the first of macro, recurrent, micro.
    """
    return parse_with_remarks(data, suffix, space_name)[0]


def parse_with_remarks(data, suffix, space_name=None):
    """As `parse`, and lines that say where the architecture is not what the bytes say."""
    if space_name is not None:
        expect_name(tuple(SPACES), space_name, "the space")
    suffix = suffix if suffix in SUFFIXES else _form(data)
    if suffix == ".json":
        architecture, remarks = _from_json(_read_json(data), space_name)
    elif suffix == ".txt" and is_genotype(text := _decode(data)):
        architecture, remarks = read_genotype(text)
    elif suffix == ".txt":
        rows = read_rows(text)
        flat, remarks = " ".join(str(number) for row in rows for number in row), ()
        architecture = _read_row(lambda kind: _from_rows(kind, rows, flat), sum(map(len, rows)), space_name)
    else:
        array, remarks = read_npz(data, MAX_BYTES) if suffix == ".npz" else read_npy(data), ()
        fits = "micro" if array.ndim == 2 and space_name is None else space_name
        architecture = _read_row(lambda kind: kind.from_numbers(array), array.size, fits)
    if space_name not in (None, architecture.space):
        raise UserError(f"this is a {architecture.space} architecture; expected a {space_name} architecture")
    return architecture, remarks


def to_bytes(architecture, suffix, origin):
    """The architecture in the form of a suffix, .npy where that is none of SUFFIXES; `origin` (a dict) is kept by .json only."""
    if suffix == ".json":
        document = {**architecture.to_json(), "origin": _plain(origin)}
        return (json.dumps(document, indent=1, allow_nan=False) + "\n").encode()
    if suffix == ".txt":
        return (architecture.to_text() + "\n").encode()
    stream = io.BytesIO()
    np.save(stream, architecture.to_numbers(), allow_pickle=False)
    return stream.getvalue()


def _form(data):
    """The suffix that bytes of this kind have."""
    if data.startswith((MAGIC, ZIP_MAGIC)):
        return ".npy" if data.startswith(MAGIC) else ".npz"
    if b"\0" in data or data.startswith(b"\x80"):
        raise UserError("it is neither a NumPy array nor a text; expected an architecture, and nothing is unpickled")
    return ".json" if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") else ".txt"


def _from_rows(kind, rows, flat):
    if not rows_fit(kind.space, rows):
        found = ", ".join(str(len(row)) for row in rows[:4])
        raise UserError(f"rows of {found}, ... numbers found, which do not match its layers or cells")
    return kind.from_text(flat)


def _read_row(read, count, space_name):
    """What `read(kind)` gives for the kind asked for, else for the first kind that it does not refuse.

    Macro is first: other rows seldom have bits where it wants them, but a macro row can look like an arc.
    """
    names = ("macro", "micro", "recurrent") if count >= LONG_ROW else ("macro", "recurrent", "micro")
    refusals = {}
    for name in (space_name, *(name for name in names if name != space_name)) if space_name else names:
        try:
            architecture = read(SPACES[name])
        except UserError as error:
            refusals[name] = str(error)
            continue
        if space_name in (None, name):
            return architecture
        raise UserError(f"not a {space_name} architecture: {refusals[space_name]}. It can be read as a {name} architecture")
    if space_name is not None:
        raise UserError(refusals[space_name])
    told = "; ".join(f"{name}: {refusal}" for name, refusal in refusals.items())
    raise UserError(f"no space reads it ({told}); correct it, or give its space")


def _from_json(document, space_name):
    """A .json of ours says its space; the fields of a genotype and two lists of numbers can only be cells."""
    if set(document) in (set(MICRO_FIELDS), set(RECURRENT_FIELDS)):
        return from_fields(document)
    numbers = document.get("normal"), document.get("reduce", document.get("reduction"))
    if "space" not in document and len(document) == 2 and all(isinstance(row, list) for row in numbers):
        return MicroArchitecture.from_numbers(_two_rows(*numbers)), ()
    space = document.get("space") if space_name is None else space_name
    expect_name(tuple(SPACES), space, "the space")
    return SPACES[space].from_json(document), ()


def _two_rows(normal, reduction):
    if len(normal) != len(reduction) or not all(type(number) is int and 0 <= number < 1000 for number in normal + reduction):
        raise UserError("normal and reduce must be lists of equally many whole numbers, 4 for each node")
    return np.array([normal, reduction])


def _decode(data):
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"byte {error.start} is not UTF-8; expected a text file") from error


def _read_json(data):
    text = _decode(data)
    try:
        document = json.loads(text, object_pairs_hook=_unique_names, parse_int=_short_integer)
    except (ValueError, RecursionError) as error:
        raise UserError(f"it is not JSON ({error}); expected an architecture") from error
    if not isinstance(document, dict):
        raise UserError(f"it holds {found(document)}; expected an object with format, space, ...")
    return document


def _unique_names(pairs):
    result = dict(pairs)
    if len(result) != len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise UserError(f"the JSON has {found(twice)} twice in one object; keep one of them")
    return result


def _short_integer(text):
    if len(text) > MAX_DIGITS:
        raise ValueError(f"an integer of {len(text)} digits")
    return int(text)


def _plain(value):
    """`value` in types that JSON has: NumPy's become Python's; nan and inf, which it lacks, become texts."""
    if isinstance(value, dict):
        return {str(name): _plain(entry) for name, entry in value.items()}
    if isinstance(value, (np.ndarray, np.generic)):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
