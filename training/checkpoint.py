"""Checkpoints: complete or absent, the last two kept, the newest undamaged one used."""

import hashlib
import json
import os
import pathlib
import shutil

import h5py
import numpy as np

from errors import UserError

KEPT = 2
FORMAT = 1


class Checkpoints:
    """Numbered folders, each with one `.h5` file per group of arrays and a `state.json` that holds their checksums."""

    def __init__(self, folder):
        self._folder = pathlib.Path(folder)

    def save(self, groups, state):
        """Write a new checkpoint: groups {name: {array name: array}} and a state for JSON; then remove all but the last two.

        Raises UserError when the system refuses; the earlier checkpoints are untouched then.
        """
        number = max(self._numbers(), default=0) + 1
        final, temporary = self._path(number), self._folder / f".{number:08d}.tmp"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir()
            for name, arrays in groups.items():
                _write_arrays(temporary / f"{name}.h5", arrays)
            _write_state(temporary, state)
            os.rename(temporary, final)
            _flush_folder(self._folder)
        except OSError as error:
            shutil.rmtree(temporary, ignore_errors=True)
            raise UserError(
                f"cannot write the checkpoint {final}: {error.strerror or error}; the one before it is whole, make room and "
                "give the same command again"
            ) from error
        for old in sorted(self._numbers())[:-KEPT]:
            shutil.rmtree(self._path(old), ignore_errors=True)

    def load(self, log):
        """(groups, state) of the newest undamaged checkpoint, or None. `log` gets a line about each damaged one."""
        for number in sorted(self._numbers(), reverse=True):
            path = self._path(number)
            try:
                return _read(path)
            except (OSError, ValueError, KeyError) as error:
                log(f"checkpoint {path} is damaged ({error}) and is passed over")
        return None

    def exist(self):
        """True if there is any, damaged or not."""
        return bool(self._numbers())

    def remove(self):
        """Remove all of them."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, number):
        return self._folder / f"{number:08d}"

    def _numbers(self):
        return [int(path.name) for path in self._folder.glob("[0-9]" * 8)]


def _write_arrays(path, arrays):
    with h5py.File(path, "w") as file:
        for name in sorted(arrays):
            file.create_dataset(name, data=arrays[name])
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def _write_state(folder, state):
    files = {path.name: _checksum(path) for path in sorted(folder.glob("*.h5"))}
    with open(folder / "state.json", "w") as file:
        json.dump({"format": FORMAT, "files": files, "state": state}, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    _flush_folder(folder)


def _flush_folder(folder):
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read(folder):
    document = json.loads((folder / "state.json").read_bytes())
    if document["format"] != FORMAT:
        raise ValueError(f"format {document['format']}, known is {FORMAT}")
    groups = {}
    for name, checksum in document["files"].items():
        if pathlib.Path(name).name != name or _checksum(folder / name) != checksum:
            raise ValueError(f"{name} does not have its checksum")
        groups[name.removesuffix(".h5")] = _read_arrays(folder / name)
    return groups, document["state"]


def _read_arrays(path):
    arrays = {}
    with h5py.File(path, "r") as file:
        file.visititems(lambda name, item: arrays.update({name: np.asarray(item)}) if isinstance(item, h5py.Dataset) else None)
    return arrays


def _checksum(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()
