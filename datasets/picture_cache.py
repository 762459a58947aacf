"""Pictures of a folder, looked at and decoded once: what is known of them lies in a hidden folder beside them."""

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from datasets import stored
from datasets.download import one_process_at_a_time
from datasets.pictures import look_at, read_picture
from errors import UserError
from files import atomic_write

FOLDER = ".decoded"
FILES = "files.json"
BLOCK = 64  # pictures that are decoded at a time


class Facts(NamedTuple):
    """What is known of a picture file without its pixels."""

    size: int  # bytes
    changed: int  # nanoseconds
    height: int
    width: int
    gray: bool
    sha256: str


class PictureCache:
    """Of the pictures below the folder `root`, whose paths count from there.

    Where `root` cannot be written in nothing is kept, and a line says so.
    """

    def __init__(self, root, log):
        self._root, self._folder, self._log = root, root / FOLDER, log

    def look_at(self, paths):
        """Dict: path -> `Facts`. A file is read only when its size or its time are new. Raises UserError naming a bad one."""
        before, known, new = self._remembered(), {}, []
        for path in paths:
            stat = self._stat(path)
            facts = before.get(path)
            if facts is None or (facts.size, facts.changed) != (stat.st_size, stat.st_mtime_ns):
                new.append((path, stat))
            known[path] = facts
        for path, stat in tqdm(new, desc="reading images", unit=" files", disable=None, leave=False):
            known[path] = self._look_at(path, stat)
        self._new = bool(new) or set(before) != set(known)
        return known

    def _stat(self, path):
        try:
            return os.stat(self._root / path)
        except OSError as error:
            raise UserError(f"cannot read the image {self._root / path}: {error.strerror}; remove or replace it") from error

    def _look_at(self, path, stat):
        height, width, gray = look_at(self._root / path)
        content = (self._root / path).read_bytes()
        return Facts(stat.st_size, stat.st_mtime_ns, height, width, gray, hashlib.sha256(content).hexdigest())

    def _remembered(self):
        try:
            entries = json.loads((self._folder / FILES).read_text())
            return {path: Facts(*facts) for path, facts in entries.items()}
        except (OSError, ValueError, TypeError, AttributeError):  # none, or damaged
            return {}

    def images(self, paths, known, shape):
        """uint8 (paths, *shape): the pictures in order, each as `read_picture` gives it. Raises UserError naming a bad one."""
        shape, mark = (len(paths), *shape), stored.digest([(path, known[path].sha256) for path in paths])

        def blocks():
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                for first in range(0, len(paths), BLOCK):
                    read = pool.map(lambda path: read_picture(self._root / path, shape[1:]), paths[first : first + BLOCK])
                    yield np.stack(list(read)).astype(np.uint8)

        if not self._is_writable():
            self._log(f"{self._root} is not writable, so every run decodes the images again")
            return stored.gathered(shape, blocks())
        with one_process_at_a_time(self._root):
            return self._kept(shape, mark, blocks, known)

    def _is_writable(self):
        place = self._folder if self._folder.exists() else self._root
        return os.access(place, os.W_OK | os.X_OK)

    def _kept(self, shape, mark, blocks, known):
        channels, height, width = shape[1:]
        made = not self._folder.exists()
        try:
            self._folder.mkdir(exist_ok=True)
            images, _ = stored.kept(self._folder, f"{height}x{width}x{channels}", mark, shape, blocks, self._log)
        except OSError as error:
            raise UserError(f"cannot create {self._folder}: {error.strerror}; choose another --data-dir") from error
        except BaseException:
            if made and not any(self._folder.iterdir()):
                self._folder.rmdir()
            raise
        if self._new:
            with atomic_write(self._folder / FILES, "w") as file:
                json.dump(known, file)
        return images
