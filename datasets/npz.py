"""An own image set in one NumPy file, with Keras' names: x_train, y_train, x_test, y_test, and x_val, y_val if there are any."""

import hashlib
import os
import pathlib
import zipfile
from contextlib import contextmanager

import numpy as np

from datasets import splits, stored
from datasets.download import one_process_at_a_time
from errors import UserError

PARTS = {splits.TRAIN: ("train",), splits.VALID: ("val", "valid"), splits.TEST: ("test",)}
NAMES = ("class_names", "classes")  # of an array of text that names the classes, if there is one
BLOCK = 256  # images that are copied at a time
KEYS = "x_train, y_train, x_test, y_test"
FIRST, LAST = "NCHW", "NHWC"


def load(path, seed=0, log=print):
    """The images in an .npz file as an `ImageDataset`.

    Images are uint8 `(n, height, width)` or with 1 or 3 channels, last (NHWC) or before the height (NCHW); labels are whole
    numbers or text, `(n,)` or `(n, 1)`, and their different values are the classes, in order; with an array `class_names` they
    are its indices. Without a test part a fifth is drawn with `seed`. Raises UserError naming the file when it is missing,
    damaged, has another form or one that could be two. Nothing in it is unpickled.
    """
    if path is None:
        raise UserError(f"--dataset npz needs --data-dir FILE.npz, a file with {KEYS}")
    with _opened(path) as file:
        arrays = _find(file, path)
        shape, layout = _shape(path, {part: images for part, (images, _) in arrays.items()})
        labels, classes = _labels(file, path, arrays)
        counts = {part: images.shape[0] for part, (images, _) in arrays.items()}
        images, content = _images(path, arrays, (sum(counts.values()), *shape), layout, log)
    ends = dict(zip(counts, np.cumsum(list(counts.values())), strict=True))
    parts = {part: np.arange(ends[part] - counts[part], ends[part]) for part in counts}

    def name(row):
        part = next(part for part in parts if row < ends[part])
        return f"{arrays[part][0].name}[{row - ends[part] + counts[part]}]"

    sha256 = stored.digest(content, images.shape, counts, classes, labels.tobytes())
    return splits.dataset_of("npz", classes, images, labels, parts, name, seed, sha256)


@contextmanager
def _opened(path):
    """The .npz as an open zip file; what a damaged one makes NumPy, zipfile and zlib raise becomes a UserError."""
    try:
        if os.path.isdir(path):
            raise UserError(f"{path} is a folder; --dataset npz needs a file, --dataset folder takes images in class folders")
        with zipfile.ZipFile(path) as file:
            yield file
    except (UserError, MemoryError):
        raise
    except Exception as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise UserError(f"cannot read {path}: {reason}; give an .npz file with {KEYS}") from error


class _Array:
    """An array in the file, of which nothing but the head is read at first."""

    def __init__(self, file, path, name):
        self._file, self._path, self.name = file, path, name
        with self._open() as stream:
            version = np.lib.format.read_magic(stream)
            read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
            self.shape, self.fortran_order, self.dtype = read(stream)
        if self.dtype.hasobject:
            raise UserError(f"{name} in {path} holds Python objects, which are not unpickled; save plain numbers or strings")
        size = int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize
        if size > file.getinfo(f"{name}.npy").file_size:
            raise UserError(f"{name} in {path} ends early: its header says {self.shape}; save the file again")

    def _open(self):
        return self._file.open(f"{self.name}.npy")

    def whole(self):
        """As a NumPy array."""
        with self._open() as stream:
            return np.lib.format.read_array(stream, allow_pickle=False)

    def blocks(self):
        """Yield the array in pieces of BLOCK of its rows."""
        if self.fortran_order:
            whole = self.whole()
            yield from (whole[first : first + BLOCK] for first in range(0, len(whole), BLOCK))
            return
        size = self.dtype.itemsize * int(np.prod(self.shape[1:]))
        with self._open() as stream:
            stream.seek(self._file.getinfo(f"{self.name}.npy").file_size - size * self.shape[0])
            for first in range(0, self.shape[0], BLOCK):
                rows = min(BLOCK, self.shape[0] - first)
                yield np.frombuffer(stream.read(size * rows), self.dtype).reshape(rows, *self.shape[1:])


def _find(file, path):
    """Dict: part -> its images and labels as `_Array`, of those that are there."""
    held = {name.removesuffix(".npy") for name in file.namelist()}
    found = {}
    for part, endings in PARTS.items():
        pairs = [(f"x_{ending}", f"y_{ending}") for ending in endings if {f"x_{ending}", f"y_{ending}"} & held]
        for pair in pairs[:1]:
            missing = [name for name in pair if name not in held]
            if missing:
                raise UserError(f"{path} has {', '.join(sorted(set(pair) & held))} but no {missing[0]}; save both")
            found[part] = tuple(_Array(file, path, name) for name in pair)
    if splits.TRAIN not in found:
        there = ", ".join(sorted(held)[:8]) or "nothing"
        raise UserError(f"{path} has no x_train and y_train (it has {there}); name the arrays {KEYS}")
    return found


def _shape(path, images):
    """((channels, height, width), NCHW or NHWC) of all parts, which must agree."""
    forms = {_form(path, array) for array in images.values()}
    if len(forms) > 1:
        found = ", ".join(f"{array.name} {array.shape}" for array in images.values())
        raise UserError(f"the images of {path} differ in size: {found}; give all parts the same size")
    return forms.pop()


def _form(path, array):
    what, shape = f"{array.name} in {path}", array.shape
    if array.dtype != np.uint8:
        raise UserError(f"{what} is {array.dtype}; images must be uint8, 0 to 255")
    if len(shape) not in (3, 4) or 0 in shape:
        wanted = "(n, height, width), n at least 1, perhaps with 1 or 3 channels"
        raise UserError(f"{what} has the shape {shape}; images must be {wanted}")
    if len(shape) == 3:
        return (1, *shape[1:]), FIRST
    first, last = shape[1] in (1, 3), shape[3] in (1, 3)
    if first == last:
        reason = "could be NHWC or NCHW" if first else "has 1 or 3 channels neither first nor last"
        raise UserError(f"{what} has the shape {shape}, which {reason}; save it with 1 or 3 channels and another height")
    return ((shape[3], *shape[1:3]), LAST) if last else (shape[1:], FIRST)


def _labels(file, path, arrays):
    """int32 (all images,) and names of the classes."""
    values = {part: _values(path, images, labels) for part, (images, labels) in arrays.items()}
    names = next((_Array(file, path, name).whole() for name in NAMES if f"{name}.npy" in file.namelist()), None)
    if names is None:
        classes = np.unique(values[splits.TRAIN])
    elif names.ndim != 1 or names.dtype.kind not in "US":
        raise UserError(f"the class names in {path} are {names.dtype} {names.shape}; they must be a list of strings")
    else:
        classes = np.arange(len(names))
    for part, found in values.items():
        strange = found[~np.isin(found, classes)]
        if len(strange):
            reason = "which y_train lacks" if names is None else f"not one of 0 to {len(names) - 1}, the classes with names"
            raise UserError(f"{arrays[part][1].name} in {path} has the label {strange[0]}, {reason}; correct it")
    shown = classes if names is None else names
    everything = np.concatenate([np.searchsorted(classes, found) for found in values.values()])
    return everything.astype(np.int32), tuple(_text(name) for name in shown)


def _values(path, images, labels):
    """The labels of a part as they are: (n,) of whole numbers or text."""
    count, what = images.shape[0], f"{labels.name} in {path}"
    if labels.shape not in ((count,), (count, 1)):
        hint = "; give class numbers, not one-hot rows" if labels.shape[:1] == (count,) else ""
        raise UserError(f"{what} has the shape {labels.shape} for {count:,} images; it must be ({count},){hint}")
    if labels.dtype.kind not in "iuUS":
        raise UserError(f"{what} is {labels.dtype}; labels must be whole numbers or strings")
    return labels.whole().reshape(-1)


def _text(value):
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _images(path, arrays, shape, layout, log):
    """(all images, uint8 `shape`; the SHA-256 of their bytes); where they are many, in a file beside the .npz, written once."""

    def blocks():
        for array, _ in arrays.values():
            for block in array.blocks():
                yield block.reshape(-1, *shape[1:]) if layout == FIRST else block.transpose(0, 3, 1, 2)

    if not stored.are_many(shape):
        images = stored.gathered(shape, blocks())
        return images, hashlib.sha256(images.data).hexdigest()
    path, stat = pathlib.Path(path), os.stat(path)
    with one_process_at_a_time(path.absolute().parent):
        return stored.kept(path.parent, f".{path.name}.images", (stat.st_size, stat.st_mtime_ns), shape, blocks, log)
