"""Architectures in files: .npy (numbers), .txt (the authors' string), .json (names and their origin)."""

import io
import json
import math
import os
import stat
import tempfile
import warnings
from collections import Counter

import numpy as np

from errors import UserError
from files import atomic_write
from search_spaces.macro import MacroArchitecture
from search_spaces.micro import MicroArchitecture
from search_spaces.parsing import expect_name, found, read_integers
from search_spaces.recurrent import RecurrentArchitecture

SUFFIXES = (".npy", ".txt", ".json")
SPACES = {kind.space: kind for kind in (MacroArchitecture, MicroArchitecture, RecurrentArchitecture)}
MAX_BYTES = 1_000_000  # no architecture is larger; nothing beyond is read
LONG_ROW = 32  # numbers; published recurrent arcs have up to 23, published micro cells 40
MAX_DIGITS = 100  # of an integer in a .json: longer ones cost time that grows with the square


def load_architecture(path, space_name=None):
    """Read an architecture from a .npy, .txt or .json file.

    Without `space_name` ("macro", "micro", "recurrent") the file decides: a .json says its space, a .npy of
    two dimensions is micro. A row of numbers is the first of macro, micro, recurrent that reads it; one of
    fewer than 32 numbers the first of macro, recurrent, micro. Raises UserError naming the file, also when it
    is no architecture of the space asked for.
    """
    try:
        return parse(_read_file(path), _suffix(path), space_name)
    except UserError as error:
        raise UserError(f"architecture file {os.fspath(path)}: {error}") from error


def save_architecture(path, architecture, origin=None):
    """Write an architecture in the form that the suffix says; the file is complete or absent.

    origin: dict of where it came from (seed, iteration, accuracy, ...), kept by .json only. Raises UserError
    as `check_architecture_path` does, before anything is written, or when the system refuses.
    """
    check_architecture_path(path)
    data = _to_bytes(architecture, _suffix(path), origin or {})
    with atomic_write(path) as file:
        file.write(data)


def check_architecture_path(path):
    """Raises UserError if `path` cannot take an architecture: for its suffix, its folder or the rights."""
    try:
        _suffix(path)
        _expect_writable(*os.path.split(os.fspath(path)))
    except UserError as error:
        raise UserError(f"architecture file {os.fspath(path)}: {error}") from error


def _expect_writable(folder, name):
    folder = folder or "."
    if not os.path.isdir(folder):
        raise UserError(f"there is no folder {folder}; make it or choose another")
    if os.path.isdir(os.path.join(folder, name)):
        raise UserError("this is a folder; choose the name of a file")
    try:  # a file of the kind that atomic_write makes: only this tells of every refusal
        with tempfile.NamedTemporaryFile(prefix=f".{name}.", suffix=".tmp", dir=folder):
            pass
    except OSError as error:
        raise UserError(f"cannot write there ({error.strerror}); choose another folder or name") from error


def parse(data, suffix, space_name=None):
    """The architecture in the bytes of a file of this suffix. Raises UserError and nothing else."""
    if suffix == ".json":
        document = _read_json(data)
        return _kind(document.get("space") if space_name is None else space_name).from_json(document)
    if suffix == ".npy":
        array = _read_npy(data)
        if array.ndim == 2 and space_name is None:
            space_name = "micro"
        return _read_row(lambda kind: kind.from_numbers(array), array.size, space_name)
    text = _decode(data)
    return _read_row(lambda kind: kind.from_text(text), len(read_integers(text)), space_name)


def _read_row(read, count, space_name):
    """What `read(kind)` gives for the kind asked for, else for the first kind that it does not refuse.

    Macro is first: other rows seldom have bits where it wants them, but a macro row can look like an arc.
    """
    if space_name is not None:
        return read(_kind(space_name))
    refusals = []
    for name in ("macro", "micro", "recurrent") if count >= LONG_ROW else ("macro", "recurrent", "micro"):
        try:
            return read(SPACES[name])
        except UserError as error:
            refusals.append(f"{name}: {error}")
    raise UserError(f"no space reads it ({'; '.join(refusals)}); correct it or name its space")


def _kind(space_name):
    expect_name(tuple(SPACES), space_name, "the space")
    return SPACES[space_name]


def _suffix(path):
    root, suffix = os.path.splitext(os.fspath(path))
    if "\0" in root:
        raise UserError("its name holds a zero byte; choose another name")
    if suffix.lower() not in SUFFIXES:
        hint = f"expected .npy, .txt or .json (such as {os.path.basename(root)}.npy)"
        raise UserError(f"it has {f'the suffix {found(suffix)}' if suffix else 'no suffix'}; {hint}")
    return suffix.lower()


def _read_file(path):
    _suffix(path)
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise UserError("this is no file; give the name of a .npy, .txt or .json file")
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UserError(f"cannot read it ({error.strerror}); check the name and the rights") from error
    if not data:
        raise UserError("it is empty; expected an architecture")
    if len(data) > MAX_BYTES:
        raise UserError(f"it is larger than {MAX_BYTES} bytes; expected an architecture")
    return data


def _decode(data):
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"byte {error.start} is not UTF-8; expected a text file") from error


def _read_npy(data):
    """The integer array in the bytes of a .npy file; the header must fit it before it is trusted."""
    stream = io.BytesIO(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shape, by_columns, dtype = _read_npy_header(stream)
    except Exception as error:  # NumPy passes on whatever evaluating the header raised
        raise UserError("it has no readable NumPy header; expected a file of numpy.save") from error
    if dtype.kind not in "iu":
        raise UserError(f"numbers of type {found(str(dtype))} found; expected integers")
    size = len(data) - stream.tell()
    if len(shape) not in (1, 2) or min(shape) <= 0 or math.prod(shape) * dtype.itemsize != size:
        raise UserError(f"shape {found(shape)} with {size} bytes of numbers found; it is empty or damaged")
    return np.frombuffer(data, dtype, offset=stream.tell()).reshape(shape, order="F" if by_columns else "C")


def _read_npy_header(stream):
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    return readers[np.lib.format.read_magic(stream)](stream)


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


def _to_bytes(architecture, suffix, origin):
    if suffix == ".json":
        document = {**architecture.to_json(), "origin": _plain(origin)}
        return (json.dumps(document, indent=1, allow_nan=False) + "\n").encode()
    if suffix == ".txt":
        return (architecture.to_text() + "\n").encode()
    stream = io.BytesIO()
    np.save(stream, architecture.to_numbers(), allow_pickle=False)
    return stream.getvalue()


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
