"""The integers in the bytes of a .npy or .npz file, which nobody has to trust: nothing is unpickled, no size is believed."""

import io
import math
import warnings
import zipfile

import numpy as np

from errors import UserError
from search_spaces.parsing import found

MAGIC, ZIP_MAGIC = b"\x93NUMPY", b"PK\x03\x04"
LARGEST = 10**9  # no number of an architecture is; beyond 2**53 a float is not exact


def read_npy(data):
    """The integers of an array of one or two dimensions; a single row or column of two has one.

    Whole numbers stored as floats count as integers. Raises UserError for everything else.
    """
    stream = io.BytesIO(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shape, by_columns, dtype = _read_header(stream)
    except Exception as error:  # NumPy passes on whatever evaluating the header raised
        raise UserError("it has no readable NumPy header; expected a file of numpy.save") from error
    if dtype.kind not in "iuf":
        raise UserError(f"numbers of type {found(str(dtype))} found; expected integers")
    size = len(data) - stream.tell()
    if min(shape, default=1) <= 0 or math.prod(shape) * dtype.itemsize != size:
        raise UserError(f"shape {found(shape)} with {size} bytes of numbers found; it is empty or damaged")
    if len(shape) not in (1, 2):
        rows = "one row of numbers (macro, recurrent) or two rows (micro)"
        raise UserError(f"an array of {len(shape)} dimensions, {found(shape)}, found; expected {rows}")
    array = np.frombuffer(data, dtype, offset=stream.tell()).reshape(shape, order="F" if by_columns else "C")
    return _whole(array.ravel() if 1 in shape else array)


def read_npz(data, most_bytes):
    """As `read_npy` for the only array of an archive; of that at most `most_bytes` are read."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            if len(names) != 1:
                raise UserError(f"it holds {len(names)} arrays; save the one of the architecture with numpy.save")
            with archive.open(names[0]) as member:
                array = member.read(most_bytes + 1)
    except UserError:
        raise
    except Exception as error:  # zipfile lets through what the decompressors raise
        raise UserError("it is a damaged .npz; expected a file of numpy.savez or numpy.save") from error
    if len(array) > most_bytes:
        raise UserError(f"its array is larger than {most_bytes} bytes; expected an architecture")
    return read_npy(array)


def _read_header(stream):
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    return readers[np.lib.format.read_magic(stream)](stream)


def _whole(array):
    if array.dtype.kind != "f":
        return array
    wrong = ~(np.abs(array) < LARGEST) | (array != np.floor(array))
    if wrong.any():
        raise UserError(f"numbers of type '{array.dtype}' found, {array[wrong][0]} among them; expected whole numbers")
    return array.astype(np.int64)
