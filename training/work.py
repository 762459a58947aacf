"""How much a run has to do, in words that images and text share; what tells its hours before it is done."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Examples:
    """Images or words: those trained on in an epoch, those of the held-out part, those that a `probe` judges."""

    trained: int
    held_out: int
    probed: int


@dataclass(frozen=True)
class Work:
    """What a loop has still to do: training steps, and examples to judge; of a search also updates of the controller.

    `candidates`: sampled architectures of one update.
    """

    steps: int
    judged: int
    updates: int = 0
    candidates: int = 0


@dataclass(frozen=True)
class Proposed:
    """The retraining that a search will propose: epochs, and the examples that each trains on and judges.

    `make_task(architecture)` gives a `Task` of its network on some of the data, to be timed.
    """

    epochs: int
    trained: int
    held_out: int
    make_task: object
