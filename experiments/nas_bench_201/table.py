"""What every cell is worth: the tables of accuracies that `--table` names."""

import csv
import lzma
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from errors import UserError
from experiments.nas_bench_201.space import NUM_CELLS, Cell, CellSpace

TRUTH = "CIFAR10TestAccuracy200Epochs", "ArchitectureString"
TUNING = "cifar10-val", "cellstr"


@dataclass(frozen=True)
class Table:
    """`accuracy` (15625,), %, in the order of `Cell.index`; or of all architectures of another `space`, by their `index`."""

    accuracy: np.ndarray
    space: object = CellSpace()

    @cached_property
    def top(self):
        """bool (15625,): the best 5 %."""
        return self.accuracy >= np.quantile(self.accuracy, 0.95)

    def __getitem__(self, cell):
        return float(self.accuracy[cell.index])


def read_table(path, columns):
    """`Table` of a .csv or .csv.xz file; `columns`: name of the accuracy's, name of the cell's.

    Raises UserError when the file cannot be read or is not of all cells.
    """
    path = Path(path)
    try:
        with (lzma.open if path.suffix == ".xz" else open)(path, "rt", newline="") as file:
            rows = [(row[columns[1]], float(row[columns[0]])) for row in csv.DictReader(file)]
    except (OSError, EOFError, lzma.LZMAError, KeyError, ValueError, TypeError) as error:
        reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        raise UserError(f"cannot read the table {path} ({reason}); expected the columns {' and '.join(columns)}") from error
    accuracy = np.full(NUM_CELLS, np.nan)
    for text, value in rows:
        accuracy[Cell.from_string(text).index] = value
    missing = int(np.isnan(accuracy).sum())
    if missing:
        raise UserError(f"the table {path} lacks {missing} of {NUM_CELLS:,} cells; get it again")
    return Table(accuracy)
