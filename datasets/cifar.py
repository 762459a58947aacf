"""The binary form in which both CIFAR sets (Krizhevsky, 2009) are published: an archive, or the folder that is in it."""

import gzip
import posixpath
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasets.download import RemoteFile, data_home, fetch
from errors import UserError

IMAGE_SHAPE = (3, 32, 32)
MEND = "download or unpack it again"


@dataclass(frozen=True)
class Layout:
    """Of one of the two sets. A record is one byte for each kind of label, then the red, green and blue planes."""

    title: str
    archive: RemoteFile
    folder: str  # in the archive
    records: dict  # file -> how many it has, training images first
    labels: tuple  # how many classes each label byte tells apart
    names: tuple  # file with the names of the classes of each

    @property
    def record(self):
        """Bytes of one."""
        return len(self.labels) + 3 * 32 * 32

    @property
    def files(self):
        """Names of all files that are read."""
        return (*self.names, *self.records)


def read(layout, data_dir, log):
    """Images uint8 `(n, 3, 32, 32)`, labels int32 `(n, kinds)`, and dict: file -> names of classes, where it has their number.

    `data_dir` holds the archive or the folder, or is one of the two; sizes and labels are checked, the checksum is not. Without
    it the archive is downloaded once into NNabla's data home, and its checksum must be the published one. Raises UserError when
    the data are missing, damaged or unreadable.
    """
    source = _download(layout, log) if data_dir is None else _locate(layout, Path(data_dir))
    try:
        members = (_open_folder if source.is_dir() else _open_archive)(layout, source)
        return _read(layout, members, source)
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot read {source}: {reason}; {MEND}") from error


def _download(layout, log):
    home = data_home()
    ways_out = (
        f"put the archive at {home / layout.archive.name}, or give --data-dir DIR with the archive or an unpacked"
        f" {layout.folder}, or try --dataset digits, which needs no download"
    )
    return fetch(layout.archive, home, ways_out, log)


def _locate(layout, place):
    """The unpacked folder or the archive at `place`; an unpacked folder comes first, it reads faster."""
    folder, archive = layout.folder, layout.archive.name
    try:
        if place.name == folder and place.is_dir() or place.is_file():
            return place
        if (place / folder).is_dir():
            return place / folder
        if (place / archive).is_file():
            return place / archive
        if any((place / name).is_file() for name in layout.records):
            return place
        found = _listing(place) if place.is_dir() else "no such folder"
    except OSError as error:
        raise UserError(f"cannot read {place}: {error.strerror or error}") from error
    raise UserError(f"no {layout.title} in {place}: {found}; it must hold {archive} or the folder {folder}")


def _listing(folder):
    names = sorted(entry.name for entry in folder.iterdir())
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"found {', '.join(names[:5])}{more}" if names else "it is empty"


def _open_folder(layout, folder):
    """Yield (name, size in bytes, open file) of those files of the layout that are there."""
    for name in layout.files:
        path = folder / name
        if path.is_file():
            with open(path, "rb") as file:
                yield name, path.stat().st_size, file


def _open_archive(layout, path):
    """The same from the archive; only plain files with an expected name are read, and none is written."""
    with gzip.open(path) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            folder, name = posixpath.split(posixpath.normpath(member.name))
            if folder == layout.folder and name in layout.files and member.isreg():
                yield name, member.size, archive.extractfile(member)
        while stream.read(1 << 20):  # gzip compares its own checksum at the very end
            pass


def _read(layout, members, source):
    kinds, ends = len(layout.labels), np.cumsum(list(layout.records.values()))
    images, labels = np.empty((ends[-1], *IMAGE_SHAPE), np.uint8), np.empty((ends[-1], kinds), np.int32)
    classes, missing = {}, list(layout.records)
    for name, size, file in members:
        if name in layout.names:
            classes |= _class_names(layout, name, file)
            continue
        records = np.empty((layout.records[name], layout.record), np.uint8)
        _fill(layout, records, size, file, f"{name} of {source}")
        rows = slice(ends[list(layout.records).index(name)] - len(records), None)
        labels[rows][: len(records)] = records[:, :kinds]
        images[rows][: len(records)] = records[:, kinds:].reshape(-1, *IMAGE_SHAPE)
        missing = [other for other in missing if other != name]
    if missing:
        raise UserError(f"{source} is incomplete: it lacks {', '.join(missing)}; {MEND}")
    return images, labels, classes


def _fill(layout, records, size, file, what):
    if size != records.nbytes:
        raise UserError(f"{what} has {size:,} bytes instead of {records.nbytes:,}; {MEND}")
    if file.readinto(records) != size:
        raise UserError(f"{what} is truncated; {MEND}")
    for label, classes in zip(records.T, layout.labels, strict=False):
        if label.max() >= classes:
            raise UserError(f"{what} has the label {label.max()}, not one of 0 to {classes - 1}; {MEND}")


def _class_names(layout, name, file):
    found = tuple(file.read(4096).decode("ascii", "replace").split())
    return {name: found} if len(found) == layout.labels[layout.names.index(name)] else {}
