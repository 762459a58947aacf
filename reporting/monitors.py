"""The growing text files of a run: one series per quantity, and the table of derived architectures."""

import contextlib
import csv
import io
import os
import pathlib

from errors import UserError
from file_names import PREFERENCES, TABLE
from reporting.tensorboard import Events

TABLES = (TABLE, PREFERENCES)


class Monitors:
    """Appends to files in one folder and knows how long each is: a run that continues doubles no line and loses none.

    Series are those of NNabla's Monitor: `Training-loss.series.txt`, no header, lines `index value`. `tensorboard`: write them as
    events for TensorBoard too.
    """

    def __init__(self, folder, tensorboard=False):
        self._folder = pathlib.Path(folder)
        self._events = Events(folder) if tensorboard else None
        self._lengths = {}
        self._unflushed = set()

    def series(self, name, index, value):
        """Add a line to `<name>.series.txt`, blanks in the name becoming dashes."""
        self._append(f"{name.replace(' ', '-')}.series.txt", f"{index} {value:g}\n")
        if self._events:
            self._events.add(name, index, value)

    def row(self, name, header, values):
        """Add a row to the table `name` (a .csv file), which begins with `header`."""
        if name not in self._lengths:
            self._append(name, _csv_line(header))
        self._append(name, _csv_line(values))

    def state(self):
        """Dict of file name -> length in bytes, for a checkpoint; so much is on the disk. Raises UserError if it cannot be."""
        for name in sorted(self._unflushed):
            with self._open(name, "r+b") as file:
                os.fsync(file.fileno())
        self._unflushed.clear()
        if self._events:
            self._events.flush()
        return dict(self._lengths)

    def restore(self, lengths):
        """Cut the files back to a `state()`; series and tables begun since then are removed.

        Raises UserError if one is missing, shorter or cannot be written.
        """
        for name, length in lengths.items():
            path = self._folder / name
            if not path.is_file() or path.stat().st_size < length:
                raise UserError(f"{path} is missing or shorter than at the checkpoint; restore it or use --restart to start over")
        for name, length in lengths.items():
            with self._open(name, "r+b") as file:
                file.truncate(length)
        for path in [*self._folder.glob("*.series.txt"), *(self._folder / name for name in TABLES)]:
            if path.name not in lengths:
                path.unlink(missing_ok=True)
        self._lengths = dict(lengths)
        if self._events:
            self._events.begin_anew()

    def _append(self, name, line):
        start, data = self._lengths.get(name, 0), line.encode()
        with self._open(name, "r+b" if start else "wb") as file:
            file.seek(start)
            file.write(data)
            file.truncate()
        self._lengths[name] = start + len(data)
        self._unflushed.add(name)

    @contextlib.contextmanager
    def _open(self, name, mode):
        path = self._folder / name
        try:
            with open(path, mode) as file:
                yield file
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}; fix that and rerun the same command to resume") from error


def _csv_line(values):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()
