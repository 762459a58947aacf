"""What the step benchmarks train: sizes, architectures, random images. No NNabla: benchmarks.torch_step reads it too."""

import time
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

from datasets.batches import Normalizer
from datasets.splits import Split
from search_spaces import macro, micro
from search_spaces.files import load_architecture

SPACES = {"macro": macro, "micro": micro}
FILTERS = {"macro": 36, "micro": 20}  # of the first layer or cell
CELLS = 6  # the micro network has two more
CLASSES = 10
PAD = 4  # pixels around an image before the random crop
RATE, MOMENTUM, WEIGHT_DECAY, CLIP = 0.05, 0.9, 4e-4, 5.0


@dataclass(frozen=True)
class FinalSettings:
    """What retraining adds to a network under `--preset enas`."""

    keep_rate: float  # of the dropout before the last layer
    drop_path_keep_rate: float = 1.0
    auxiliary_weight: float = 0.0  # of the loss of a second classifier; 0: there is none


FINAL = {"macro": FinalSettings(0.5), "micro": FinalSettings(0.8, 0.6, 0.4)}


def training_options(batch_size, epochs):
    """What `training.image_task` reads of the options."""
    return SimpleNamespace(
        batch_size=batch_size, epochs=epochs, seed=0, weight_decay=WEIGHT_DECAY, decay_batch_norm=False, clip=CLIP,
        auxiliary_weight=FINAL["micro"].auxiliary_weight, label_smoothing=0.0, on_nan_after=10, type_config="float",
        child_optimizer="nesterov", clip_norm="global",
    )  # fmt: skip


def find_architecture(space, name):
    """`name`: "random" (12 layers or 5 nodes, the same at each call), "published", or an architecture file."""
    if name == "published":
        return SPACES[space].PUBLISHED["enas"]
    return random_architecture(space) if name == "random" else load_architecture(name, space)


def random_architecture(space):
    """One of the default size, the same at each call; `space` is "macro" or "micro"."""
    return {"macro": macro.MacroSpace, "micro": micro.MicroSpace}[space]().random(np.random.default_rng(0))


def random_images(count, side=32):
    """`Split` of random images of side x side pixels with 3 channels, and its `Normalizer`."""
    rng = np.random.default_rng(0)
    split = Split(rng.integers(0, 256, (count, 3, side, side), np.uint8), rng.integers(0, CLASSES, count).astype(np.int32))
    return split, Normalizer.fit(split.images)


def times(count, function):
    """Seconds of `function(step)` for `count` steps after one that warms up."""
    times = []
    for step in range(count + 1):
        start = time.perf_counter()
        function(step)
        times.append(time.perf_counter() - start)
    return times[1:]
