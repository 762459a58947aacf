"""Images as an array in a file: written in blocks, and read into memory or, where they are many, left in the file."""

import glob
import hashlib
import json
import os

import numpy as np
from tqdm import tqdm

from errors import UserError
from files import atomic_write

SHARE = 4  # images that need more than one part in so many of the memory stay in their file
CONTROL_GROUP = "/sys/fs/cgroup/memory.max"  # the limit of a container


def memory():
    """Bytes of memory that this process may fill."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        with open(CONTROL_GROUP) as file:
            return min(whole, int(file.read()))
    except (OSError, ValueError):  # no container, or "max"
        return whole


def are_many(shape):
    """Would uint8 images of this shape fill too much of the memory?"""
    return int(np.prod(shape, dtype=np.int64)) > memory() // SHARE


def digest(*facts):
    """SHA-256 of some texts, numbers, lists and bytes, in hexadecimal."""
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def kept(folder, name, mark, shape, blocks, log):
    """(uint8 images of this `shape`, SHA-256 of their bytes) from a file in `folder`, which is written if it is not there yet.

    `mark`: text that stands for the content; a file `name`-*.npy of another one is removed. `blocks()`: yields arrays that
    together have the `shape`. Raises UserError when the system refuses to write.
    """
    path = folder / f"{name}-{digest(mark)[:16]}.npy"
    facts = path.with_suffix(".json")
    sha256, images = _sha256(facts), read(path, shape)
    if images is None or sha256 is None:
        log(f"writing {shape[0]:,} decoded images to {path}, once")
        sha256 = write(path, shape, blocks())
        with atomic_write(facts, "w") as file:
            json.dump({"sha256": sha256}, file)
        for other in folder.glob(f"{glob.escape(name)}-*"):
            if other not in (path, facts):
                other.unlink(missing_ok=True)
        images = read(path, shape)
    return images, sha256


def _sha256(path):
    try:
        return json.loads(path.read_text())["sha256"]
    except (OSError, ValueError, TypeError, KeyError):  # none, or damaged
        return None


def write(path, shape, blocks):
    """Write the uint8 images of `blocks`, arrays that together have the `shape`, as a .npy file, complete or not at all.

    Returns the SHA-256 of their bytes. Raises UserError when the system refuses.
    """
    header = {"descr": "|u1", "fortran_order": False, "shape": tuple(map(int, shape))}
    sha256 = hashlib.sha256()
    with atomic_write(path) as file, tqdm(total=shape[0], desc=path.name, unit=" images", disable=None) as bar:
        np.lib.format.write_array_header_1_0(file, header)
        for block in blocks:
            block = np.ascontiguousarray(block, np.uint8)
            file.write(block.data)
            sha256.update(block.data)
            bar.update(len(block))
    return sha256.hexdigest()


def read(path, shape):
    """The images of a file of `write`: in memory, or mapped. None where there are none of that `shape`, or not all of them."""
    try:
        images = np.load(path, mmap_mode="r" if are_many(shape) else None, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return images if images.shape == tuple(shape) and images.dtype == np.uint8 else None


def gathered(shape, blocks):
    """The images of `blocks` in memory. Raises UserError where they are too many for it."""
    if are_many(shape):
        raise UserError(
            f"{shape[0]:,} images fill {np.prod(shape, dtype=np.int64) / 1e9:.3g} GB, too much to hold without a file in the "
            "data folder; make that folder writable, or choose a smaller --image-size"
        )
    images, first = np.empty(shape, np.uint8), 0
    with tqdm(total=shape[0], desc="images", unit=" images", disable=None, leave=False) as bar:
        for block in blocks:
            images[first : first + len(block)] = block
            first += len(block)
            bar.update(len(block))
    return images
