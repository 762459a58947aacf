"""The whole space of NAS-Bench-201."""

import itertools

from experiments.nas_bench_201.space import EDGES, OPERATIONS, Cell


def all_cells():
    """The 15,625 cells in the order of `Cell.index`."""
    return [Cell(operations) for operations in itertools.product(OPERATIONS, repeat=len(EDGES))]
