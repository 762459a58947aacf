"""What every network is worth: the table of accuracies that `--table` names."""

import json
import lzma
from pathlib import Path

import numpy as np

from errors import UserError
from experiments.nas_bench_201.table import Table
from experiments.nas_bench_macro.space import NUM_NETWORKS, Network, NetworkSpace

KEY = "test_acc"  # the best test accuracy of each of three trainings, %


def read_tables(path):
    """Two `Table`s of the benchmark's .json or .json.xz file: rewards, the first training; truth, the mean of the two others.

    Raises UserError when the file cannot be read or is not of all networks.
    """
    path = Path(path)
    try:
        with (lzma.open if path.suffix == ".xz" else open)(path, "rt") as file:
            rows = {Network(tuple(map(int, name))).index: row[KEY] for name, row in json.load(file).items()}
        trainings = np.array([rows[index] for index in range(NUM_NETWORKS)], float).reshape(NUM_NETWORKS, 3)
    except (OSError, EOFError, lzma.LZMAError, KeyError, ValueError, TypeError, AttributeError) as error:
        reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        expected = f"expected {NUM_NETWORKS:,} networks such as 02012100, each with three numbers {KEY}"
        raise UserError(f"cannot read the table {path} ({reason}); {expected}") from error
    return Table(trainings[:, 0], NetworkSpace()), Table(trainings[:, 1:].mean(axis=1), NetworkSpace())
