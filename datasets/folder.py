"""Own pictures in folders: a folder for each class, in train/ and test/ (and val/), or all in one place."""

import os
import pathlib
from dataclasses import dataclass

import numpy as np

from datasets import splits, stored
from datasets.picture_cache import PictureCache
from errors import UserError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
NAMES = {
    splits.TRAIN: ("train", "training"), splits.VALID: ("val", "valid", "validation"), splits.TEST: ("test", "testing"),
}  # fmt: skip
FORM = "it must hold one folder of images per class, or train/ and test/ (and val/) with such folders"


@dataclass(frozen=True)
class Picture:
    """A file, and what its place says of it."""

    path: str  # from the data folder on
    part: str  # splits.TRAIN, ...; "" where there is one set
    label: str  # the class


def load(data_dir, size=None, seed=0, log=print):
    """The pictures in `data_dir` as an `ImageDataset`; classes are the names of the folders, in order.

    `size`: (height, width) that every picture is brought to (see `pictures.read_picture`); None: all have one size, which is
    kept. They are gray if all are, else colored. Copies of a picture are left out, with a line. Without train/ and test/ a
    fifth is drawn with `seed` to test. They are decoded once into a file in `data_dir`. Raises UserError naming the file or
    folder that cannot be used: unreadable, empty, a class that is not in train/ or only as copies, a picture in two classes.
    """
    if data_dir is None:
        raise UserError("--dataset folder needs --data-dir DIR with the images: " + FORM)
    root = pathlib.Path(data_dir)
    pictures = _pictures(root, log)
    cache = PictureCache(root, log)
    known = cache.look_at([picture.path for picture in pictures])
    pictures = _without_copies(root, pictures, known, log)
    classes = tuple(sorted({picture.label for picture in pictures}))
    shape = _shape(root, [(picture.path, known[picture.path]) for picture in pictures], size)
    images = cache.images([picture.path for picture in pictures], known, shape)
    labels = np.array([classes.index(picture.label) for picture in pictures], np.int32)
    part_of = np.array([picture.part or splits.TRAIN for picture in pictures])
    parts = {part: np.flatnonzero(part_of == part) for part in NAMES if part in part_of}
    contents = [(picture.path, picture.part, picture.label, known[picture.path].sha256) for picture in pictures]
    sha256 = stored.digest(contents, shape)
    return splits.dataset_of("folder", classes, images, labels, parts, lambda row: pictures[row].path, seed, sha256)


# ---- what lies where --------------------------------------------------------------------------------------------------


def _pictures(root, log):
    """List of `Picture`, in order of their paths."""
    try:
        places = _parts(root)
        pictures, others = [], []
        for part, folder in places.items():
            for label, place in _classes(folder):
                files = list(_files(place, ()))
                chosen = [path for path in files if path.suffix.lower() in SUFFIXES]
                others += [path for path in files if path.suffix.lower() not in SUFFIXES]
                if not chosen and part in ("", splits.TRAIN):
                    raise UserError(f"the class folder {place} holds no images ({', '.join(SUFFIXES)}); add some or remove it")
                if not part:
                    _expect_no_parts(root, place, {path.parent for path in chosen})
                pictures += [Picture(_text(path.relative_to(root)), part, label) for path in chosen]
    except OSError as error:
        raise UserError(f"cannot read {error.filename or root}: {error.strerror}; {FORM}") from error
    if others:
        plural, more = ("s", ", ...") if len(others) > 1 else ("", "")
        log(f"ignoring {len(others):,} file{plural} without the suffix of an image ({', '.join(SUFFIXES)}): {others[0]}{more}")
    _expect_known_classes(root, pictures, places)
    return pictures


def _parts(root):
    """Dict: part -> its folder; "" alone where there is one set."""
    if not root.is_dir():
        reason = "it is a file" if root.exists() else "no such folder"
        raise UserError(f"no images in {root}: {reason}; {FORM}")
    found = {}
    folders = [entry for entry in _entries(root) if entry.is_dir()]
    for part in NAMES:
        there = [folder for folder in folders if _part_of(folder) == part]
        if len(there) > 1:
            raise UserError(f"{root} has several folders for the same part: {', '.join(path.name for path in there)}; keep one")
        found |= {part: there[0]} if there else {}
    train, test = found.get(splits.TRAIN), found.get(splits.TEST)
    if train and test:
        return found
    divided = [folder for folder in found.values() if any(entry.is_dir() for entry in _entries(folder))]
    if not divided:
        return {"": root}  # these are classes of that name
    missing = "train/" if test else "test/"
    raise UserError(f"{root} has {', '.join(f'{folder.name}/' for folder in divided)} but no {missing}; {FORM}")


def _part_of(folder):
    """The part that a folder of this name holds, in capitals or not; None for another name."""
    return next((part for part, names in NAMES.items() if folder.name.lower() in names), None)


def _expect_no_parts(root, place, deepest):
    """Raises UserError if the class folder `place`, whose images lie in the folders `deepest`, holds a divided set.

    A single train/ without folders may well be a kind of the class.
    """
    below = {folder for last in deepest for folder in (last, *last.parents) if place in folder.parents}
    parts = sorted(folder for folder in below if _part_of(folder))
    for holder in sorted({folder.parent for folder in parts}):
        inside = [folder for folder in parts if folder.parent == holder]
        classes = any(folder.parent in inside for folder in below)
        if classes or len({_part_of(folder) for folder in inside}) > 1:
            advice = f"give {holder} in place of {root}" if classes else f"the parts come first: {inside[0].name}/{place.name}/"
            found = ", ".join(map(str, inside))
            raise UserError(f"the class folder {place} holds parts of data, not images of one class: {found}; {advice}")


def _classes(folder):
    """Yield (name, path) of the class folders in one of the parts, in order."""
    entries = _entries(folder)
    stray = next((entry for entry in entries if entry.is_file() and entry.suffix.lower() in SUFFIXES), None)
    if stray:
        raise UserError(f"the image {stray} is in no class folder; {FORM}")
    folders = [entry for entry in entries if entry.is_dir()]
    if not folders:
        found = ", ".join(entry.name for entry in entries[:5]) or "nothing"
        raise UserError(f"no class folders in {folder} (found {found}); {FORM}")
    for place in folders:
        yield _text(place.relative_to(folder)), place


def _entries(folder):
    """What a folder holds, in order; hidden entries do not count."""
    entries = (entry for entry in folder.iterdir() if not entry.name.startswith("."))
    return sorted(entries, key=lambda entry: os.fsencode(entry.name))


def _files(folder, above):
    """Yield the files below, in order; a link that leads back up is not followed."""
    above = (*above, os.path.realpath(folder))
    for entry in _entries(folder):
        if entry.is_dir():
            if os.path.realpath(entry) not in above:
                yield from _files(entry, above)
        else:
            yield entry


def _text(path):
    """A path as text. Raises UserError for a name that is none."""
    try:
        text = str(path)
        text.encode()
        return text
    except UnicodeEncodeError as error:
        raise UserError(f"the name {os.fsencode(path)!r} is not UTF-8; rename it") from error


def _expect_known_classes(root, pictures, places):
    if "" in places:
        return
    known = {picture.label for picture in pictures if picture.part == splits.TRAIN}
    stranger = next((picture for picture in pictures if picture.label not in known), None)
    if stranger:
        reason = f"is of the class {stranger.label}, which {places[splits.TRAIN]} lacks"
        raise UserError(f"{root / stranger.path} {reason}; add images of it there")
    empty = next((folder for part, folder in places.items() if not any(p.part == part for p in pictures)), None)
    if empty:
        raise UserError(f"{empty} holds no images ({', '.join(SUFFIXES)}); add some or remove it")


# ---- what the files are -------------------------------------------------------------------------------------------------


def _without_copies(root, pictures, known, log):
    """Those of `pictures` whose content comes once; of copies the one that tests or validates is kept, else the first."""
    first, copies = {}, []
    for picture in sorted(pictures, key=lambda picture: (splits.TEST, splits.VALID, splits.TRAIN, "").index(picture.part)):
        other = first.setdefault(known[picture.path].sha256, picture)
        if other.label != picture.label:
            where = f"{root / other.path} and {root / picture.path}"
            raise UserError(f"{where} are the same image in two classes, {other.label} and {picture.label}; remove one")
        if other is not picture:
            copies.append((picture, other))
    _expect_others(root, copies, first.values())
    if copies:
        one, other = copies[0]
        more = f", and {len(copies) - 1:,} more" if len(copies) > 1 else ""
        log(f"ignoring {len(copies):,} cop{'ies' if more else 'y'}: {root / one.path} is the same as {other.path}{more}")
    left = {picture.path for picture, _ in copies}
    return [picture for picture in pictures if picture.path not in left]


def _expect_others(root, copies, kept):
    """Raises UserError if nothing but copies, pairs (picture, the same elsewhere), lay in a part or trained a class."""
    parts, classes = {picture.part for picture in kept}, {(picture.part, picture.label) for picture in kept}
    names = {splits.TRAIN: ("training", "test or validation"), splits.VALID: ("validation", "test")}
    for picture, other in copies:
        gone = picture.part not in parts
        if gone or (picture.part == splits.TRAIN and (picture.part, picture.label) not in classes):
            ours, theirs = names[picture.part]
            where = root if gone else f"the class {picture.label}"
            example = f"{root / picture.path} of {other.path}"
            raise UserError(f"all {ours} images of {where} are copies of {theirs} images ({example}); add different ones")


def _shape(root, found, size):
    """(channels, height, width) of all images."""
    channels = 1 if all(facts.gray for _, facts in found) else 3
    if size:
        return channels, *size
    path, first = found[0]
    for other, facts in found:
        if (facts.height, facts.width) != (first.height, first.width):
            sizes = f"{root / path} has {first.height}x{first.width} pixels, {root / other} {facts.height}x{facts.width}"
            raise UserError(f"the images differ in size ({sizes}); give --image-size N or HxW to scale them")
    return channels, first.height, first.width
