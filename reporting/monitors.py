"""The growing text files of a run: one series per quantity, and the table of derived architectures."""

import csv
import io
import os
import pathlib

from errors import UserError


class Monitors:
    """Appends to files in one folder and knows how long each was, so that a run that continues goes on without a doubled line.

    Series are those of NNabla's Monitor: `Training-loss.series.txt`, no header, lines `index value`.
    """

    def __init__(self, folder):
        self._folder = pathlib.Path(folder)
        self._lengths = {}

    def series(self, name, index, value):
        """Add a line to `<name>.series.txt`, blanks in the name becoming dashes."""
        self._append(f"{name.replace(' ', '-')}.series.txt", f"{index} {value:g}\n")

    def row(self, name, header, values):
        """Add a row to the table `name` (a .csv file), which begins with `header`."""
        if name not in self._lengths:
            self._append(name, _csv_line(header))
        self._append(name, _csv_line(values))

    def state(self):
        """Dict of file name -> length in bytes, for a checkpoint."""
        return dict(self._lengths)

    def restore(self, lengths):
        """Cut the files back to a `state()`; files begun since then are removed. Raises UserError if one is missing or shorter."""
        for name, length in lengths.items():
            path = self._folder / name
            if not path.exists() or path.stat().st_size < length:
                raise UserError(f"{path} is missing or shorter than at the checkpoint; --restart begins anew")
            os.truncate(path, length)
        for path in [*self._folder.glob("*.series.txt"), *self._folder.glob("*.csv")]:
            if path.name not in lengths:
                path.unlink()
        self._lengths = dict(lengths)

    def _append(self, name, line):
        path = self._folder / name
        start = self._lengths.get(name, 0)
        try:
            with open(path, "r+b" if start else "wb") as file:
                file.seek(start)
                file.write(line.encode())
                file.truncate()
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}; make room, then the same command continues") from error
        self._lengths[name] = start + len(line.encode())


def _csv_line(values):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()
