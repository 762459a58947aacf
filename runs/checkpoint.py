"""Checkpoints: complete or absent, the last two kept, the newest undamaged one used."""

import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import zipfile

import numpy as np

from errors import UserError
from files import flush_folder

KEPT = 2
FORMAT = 2
STATE, SUMS = "state.json", "SHA256SUMS"


class Checkpoints:
    """Numbered folders, each with one `.npz` file per group of arrays, `state.json`, and the checksums of them all.

    The checksums are in the form of `sha256sum`, which can check a checkpoint too.
    """

    def __init__(self, folder):
        self._folder = pathlib.Path(folder)
        self._damaged = set()  # numbers

    def save(self, groups, state):
        """Write a checkpoint: groups {name: {array name: array}}, a state for JSON; then remove all but the last two.

        Raises UserError when the system refuses; the earlier checkpoints are untouched then.
        """
        number = max(self._numbers(), default=0) + 1
        final, temporary = self._path(number), self._folder / f".{number:08d}.tmp"
        try:
            self._folder.mkdir(exist_ok=True)
            shutil.rmtree(temporary, ignore_errors=True)  # of a process that was killed while it wrote
            temporary.mkdir()
            _write(temporary, groups, state)
            os.rename(temporary, final)
            flush_folder(self._folder)
        except OSError as error:
            shutil.rmtree(temporary, ignore_errors=True)
            raise UserError(
                f"cannot write the checkpoint {final}: {error.strerror or error}; the previous one is intact; "
                "free disk space and rerun the same command"
            ) from error
        self._remove_old()

    def load(self, log):
        """(groups, state) of the newest undamaged checkpoint; `log` gets a line about each damaged one.

        Raises UserError when there is none.
        """
        for number in sorted(self._numbers(), reverse=True):
            path = self._path(number)
            try:
                return _read(path)
            except (OSError, EOFError, ValueError, KeyError, TypeError, RuntimeError, MemoryError, zipfile.BadZipFile) as error:
                self._damaged.add(number)
                log(f"the checkpoint {path} is damaged ({_first_line(error)}); skipping it")
        raise UserError(f"all checkpoints in {self._folder} are damaged; restore one or use --restart to start over")

    def exist(self):
        """True if there is any, damaged or not."""
        return bool(self._numbers())

    def left_over(self):
        """True if there is anything, as after a process that was killed in `remove`."""
        return self._folder.exists()

    def remove(self):
        """Remove all of them. Raises UserError when the system refuses."""
        try:
            if self._folder.exists():
                shutil.rmtree(self._folder)
        except OSError as error:
            raise UserError(f"cannot remove the checkpoints in {self._folder}: {error.strerror}; remove them") from error

    def retire(self, kept):
        """Move the newest one, if there is any, to the folder `kept`, in place of what is there, and remove the others."""
        numbers = self._numbers()
        try:
            if numbers:
                shutil.rmtree(kept, ignore_errors=True)
                os.rename(self._path(max(numbers)), kept)
        except OSError as error:
            raise UserError(f"cannot move the last checkpoint to {kept}: {error.strerror}; remove that folder") from error
        self.remove()

    def take_back(self, kept):
        """Make the one in the folder `kept` the only one. Raises UserError when the system refuses."""
        try:
            self._folder.mkdir(exist_ok=True)
            os.rename(kept, self._path(1))
        except OSError as error:
            raise UserError(f"cannot load the checkpoint {kept}: {error.strerror}; use --restart to start over") from error

    def _remove_old(self):
        whole = [number for number in sorted(self._numbers()) if number not in self._damaged]
        for number in {*whole[:-KEPT], *self._damaged}:
            shutil.rmtree(self._path(number), ignore_errors=True)

    def _path(self, number):
        return self._folder / f"{number:08d}"

    def _numbers(self):
        return [int(path.name) for path in self._folder.glob("[0-9]" * 8)]


def _write(folder, groups, state):
    files = {f"{name}.npz": _npz(arrays) for name, arrays in groups.items()}
    files[STATE] = json.dumps({"format": FORMAT, "state": state}, indent=1).encode()
    files[SUMS] = "".join(f"{_checksum(data)}  {name}\n" for name, data in files.items()).encode()
    for name, data in files.items():
        with open(folder / name, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    flush_folder(folder)


def _read(folder):
    files = {}
    for line in (folder / SUMS).read_text("ascii").splitlines():
        if not re.fullmatch(r"[0-9a-f]{64}  \w+\.\w+", line):
            raise ValueError(f"{SUMS} is damaged")
        checksum, name = line.split()
        files[name] = (folder / name).read_bytes()
        if _checksum(files[name]) != checksum:
            raise ValueError(f"{name} has a wrong checksum")
    document = json.loads(files.pop(STATE))
    if document["format"] != FORMAT:
        raise ValueError(f"it has the format {document['format']}, this program reads {FORMAT}")
    return {name.removesuffix(".npz"): _arrays(data) for name, data in files.items()}, document["state"]


def _npz(arrays):
    image = io.BytesIO()
    np.savez(image, **arrays)
    return image.getbuffer()


def _arrays(data):
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        return dict(file)


def _checksum(data):
    return hashlib.sha256(data).hexdigest()


def _first_line(error):
    return (str(error).strip() or type(error).__name__).splitlines()[0]
