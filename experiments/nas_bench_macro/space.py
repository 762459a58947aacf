"""The networks of NAS-Bench-Macro: one of three blocks in each of eight layers. No NNabla in here."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from errors import UserError
from search_spaces.decisions import Decision
from search_spaces.parsing import expect_space

# MobileNet-V2's inverted residual blocks, with their expansion.
BLOCKS = ("identity", "mb3x3, 3", "mb5x5, 6")
NUM_LAYERS = 8
NUM_NETWORKS = len(BLOCKS) ** NUM_LAYERS


@dataclass(frozen=True)
class Network:
    """`blocks`: eight numbers of BLOCKS. Raises UserError when made of anything else."""

    space: ClassVar[str] = "nas_bench_macro"
    blocks: tuple[int, ...]

    def __post_init__(self):
        if len(self.blocks) != NUM_LAYERS or not set(self.blocks) <= set(range(len(BLOCKS))):
            raise UserError(f"{self.blocks} is no network of NAS-Bench-Macro; expected eight numbers from 0 to 2")

    def to_numbers(self):
        """int64 (8,)."""
        return np.array(self.blocks, np.int64)

    @classmethod
    def from_numbers(cls, array):
        """Read `to_numbers`. Raises UserError."""
        return cls(tuple(int(number) for number in array))

    @property
    def index(self):
        """Place among all networks, from 0; the last layer changes fastest."""
        return int(self.to_numbers() @ len(BLOCKS) ** np.arange(NUM_LAYERS - 1, -1, -1))


class NetworkSpace:
    """All networks."""

    name, architecture = Network.space, Network

    def decisions(self):
        """A block for each layer."""
        return [Decision("block", f"layer {layer}", BLOCKS) for layer in range(NUM_LAYERS)]

    def random(self, rng):
        """A network drawn uniformly with a `np.random.Generator`."""
        return Network.from_numbers(rng.integers(len(BLOCKS), size=NUM_LAYERS))

    def contains(self, architecture):
        """Raises UserError if it is of another space."""
        expect_space(architecture, self.name)
