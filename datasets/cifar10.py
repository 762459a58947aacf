"""CIFAR-10 (Krizhevsky, 2009) in its binary form: 60,000 color images of 32 x 32 pixels in ten classes."""

import gzip
import posixpath
import tarfile
import zlib
from pathlib import Path

import numpy as np

from datasets import ImageDataset
from datasets.download import RemoteFile, data_home, fetch
from errors import UserError

ARCHIVE = RemoteFile(
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    170_052_171,
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
)
FOLDER = "cifar-10-batches-bin"
BATCHES = (*(f"data_batch_{k}.bin" for k in range(1, 6)), "test_batch.bin")
CLASS_NAMES_FILE = "batches.meta.txt"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
IMAGE_SHAPE = (3, 32, 32)
RECORD = 1 + 3 * 32 * 32  # bytes: the label, then the red, green and blue planes
RECORDS = 10_000  # in each file
MEND = "download or unpack it again"


def load(data_dir=None, log=print, records=RECORDS):
    """CIFAR-10 as an `ImageDataset`, `5 * records` training and `records` test images.

    `data_dir` holds cifar-10-binary.tar.gz or the folder cifar-10-batches-bin, or is one of the two; sizes
    and labels are checked, the checksum is not. Without it the archive is downloaded once into NNabla's data
    home, and its checksum must be the published one. `records` is the number of images in each of the six
    files. Raises UserError when the data are missing, damaged or unreadable.
    """
    source = _download(log) if data_dir is None else _locate(Path(data_dir))
    try:
        members = _open_folder(source) if source.is_dir() else _open_archive(source)
        images, labels, classes = _read(members, records, source)
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot read {source}: {reason}; {MEND}") from error
    end = -records
    return ImageDataset("cifar10", classes, images[:end], labels[:end], images[end:], labels[end:], flip=True)


def _download(log):
    home = data_home()
    ways_out = (
        f"put the archive at {home / ARCHIVE.name}, or give --data-dir DIR with the archive or an unpacked"
        f" {FOLDER}, or try --dataset digits, which needs no download"
    )
    return fetch(ARCHIVE, home, ways_out, log)


def _locate(place):
    """The unpacked folder or the archive at `place`; an unpacked folder comes first, it reads faster."""
    try:
        if place.name == FOLDER and place.is_dir() or place.is_file():
            return place
        if (place / FOLDER).is_dir():
            return place / FOLDER
        if (place / ARCHIVE.name).is_file():
            return place / ARCHIVE.name
        if any((place / name).is_file() for name in BATCHES):
            return place
        found = _listing(place) if place.is_dir() else "no such folder"
    except OSError as error:
        raise UserError(f"cannot read {place}: {error.strerror or error}") from error
    raise UserError(f"no CIFAR-10 in {place}: {found}; it must hold {ARCHIVE.name} or the folder {FOLDER}")


def _listing(folder):
    names = sorted(entry.name for entry in folder.iterdir())
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"found {', '.join(names[:5])}{more}" if names else "it is empty"


def _open_folder(folder):
    """Yield (name, size in bytes, open file) of those files of the layout that are there."""
    for name in (CLASS_NAMES_FILE, *BATCHES):
        path = folder / name
        if path.is_file():
            with open(path, "rb") as file:
                yield name, path.stat().st_size, file


def _open_archive(path):
    """The same from the archive; only plain files with an expected name are read, and none is written."""
    with gzip.open(path) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            folder, name = posixpath.split(posixpath.normpath(member.name))
            if folder == FOLDER and name in (CLASS_NAMES_FILE, *BATCHES) and member.isreg():
                yield name, member.size, archive.extractfile(member)
        while stream.read(1 << 20):  # gzip compares its own checksum at the very end
            pass


def _read(members, records, source):
    """Images `(6 * records, 3, 32, 32)`, labels `(6 * records,)` and class names from (name, size, file)."""
    images = np.empty((len(BATCHES) * records, *IMAGE_SHAPE), np.uint8)
    labels = np.empty(len(BATCHES) * records, np.int32)
    classes, missing = CLASSES, list(BATCHES)
    buffer = np.empty((records, RECORD), np.uint8)
    for name, size, file in members:
        if name == CLASS_NAMES_FILE:
            classes = _class_names(file)
            continue
        _fill(buffer, size, file, f"{name} of {source}")
        start = BATCHES.index(name) * records
        labels[start : start + records] = buffer[:, 0]
        images[start : start + records] = buffer[:, 1:].reshape(-1, *IMAGE_SHAPE)
        missing = [other for other in missing if other != name]
    if missing:
        raise UserError(f"{source} is incomplete: no {', '.join(missing)} in it; {MEND}")
    return images, labels, classes


def _fill(buffer, size, file, what):
    if size != buffer.nbytes:
        raise UserError(f"{what} has {size:,} bytes instead of {buffer.nbytes:,}; {MEND}")
    if file.readinto(buffer) != size:
        raise UserError(f"{what} ends early; {MEND}")
    largest = buffer[:, 0].max()
    if largest >= len(CLASSES):
        raise UserError(f"{what} has the label {largest}, not one of 0 to 9; {MEND}")


def _class_names(file):
    names = tuple(file.read(1024).decode("ascii", "replace").split())
    return names if len(names) == len(CLASSES) else CLASSES
