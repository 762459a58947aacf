"""Time and memory of one training iteration of the shared network, of a validation batch, and of building the graph.

    python -m benchmarks.step_time --space macro --architecture FILE --batch-size 64 --output-filter 36 --json

An iteration is what the search does for every mini-batch: build the graph of the architecture, prepare the images, forward,
backward, clip, update. Images are random, 32x32 with 3 channels. Medians; the first iteration warms up and does not count.
"""

import argparse
import json
import resource
import statistics
import time

import nnabla as nn
import numpy as np

from benchmarks.machine import describe_machine
from datasets.batches import Normalizer, Split
from errors import UserError, report_and_exit
from models import layers, macro_cnn, micro_cnn
from models.parameters import ParameterScope
from search_spaces.files import load_architecture
from search_spaces.macro import MacroSpace
from search_spaces.micro import MicroSpace
from training.classification import ImageData, ImageTask, TrainingSettings
from training.device import choose_context, choose_kernels
from training.optimizers import LearningRate
from training.parallel import SINGLE

FILTERS = {"macro": 36, "micro": 20}
CELLS = 6


def main():
    options = _parse()
    context = choose_context(options.context, "0", "float", print)
    kernels = choose_kernels(context, options.cpu_kernels, options.cpu_threads, print)
    architecture = _architecture(options)
    task = make_task(options.space, options.batch_size, options.output_filter)
    train = times(options.repeat, lambda step: fresh_iteration(task, architecture, step))
    validate = times(options.repeat, lambda step: task.reward(architecture, 1, step))
    build = times(max(5, options.repeat), lambda step: _build(task, architecture, options.batch_size))
    result = {
        "train_iteration_seconds": statistics.median(train),
        "validation_batch_seconds": statistics.median(validate),
        "graph_build_seconds": statistics.median(build),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "images_per_second": options.batch_size / statistics.median(train),
        "space": options.space,
        "architecture": architecture.to_text(),
        "batch_size": options.batch_size,
        "output_filter": options.output_filter,
        "repeat": options.repeat,
        "kernels": kernels,
        **describe_machine(),
    }
    print(json.dumps(result) if options.json else _lines(result))
    return 0


def _parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--space", choices=("macro", "micro"), default="macro")
    parser.add_argument("--architecture", metavar="FILE", help="architecture file; without it a random one of seed 0")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--output-filter", type=int, help="filters of the first layer or cell (36 macro, 20 micro)")
    parser.add_argument("--context", choices=("cpu", "cudnn"), default="cpu")
    parser.add_argument("--cpu-kernels", choices=("onednn", "nnabla"), default="onednn")
    parser.add_argument("--cpu-threads", type=int, help="threads of onednn (all cores)")
    parser.add_argument("--repeat", type=int, default=5, help="iterations measured")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    options.output_filter = options.output_filter or FILTERS[options.space]
    if options.output_filter % 2 or min(options.batch_size, options.output_filter, options.repeat) < 1:
        raise UserError("--output-filter must be even, it and --batch-size and --repeat at least 1")
    return options


def _architecture(options):
    if options.architecture:
        return load_architecture(options.architecture, options.space)
    return random_architecture(options.space)


def random_architecture(space):
    """One of the default size, the same at each call; `space` is "macro" or "micro"."""
    return {"macro": MacroSpace, "micro": MicroSpace}[space]().random(np.random.default_rng(0))


def make_task(space, size, filters, group=SINGLE, side=32):
    """`ImageTask` of a search with mini-batches of `size` random images of side x side pixels, shared out over `group`."""
    rng = np.random.default_rng(0)
    split = Split(rng.integers(0, 256, (size, 3, side, side), np.uint8), rng.integers(0, 10, size).astype(np.int32))
    data = ImageData(split, split, Normalizer.fit(split.images), pad=4, flip=True)
    settings = TrainingSettings(size, LearningRate("constant", 0.05, 0, 1), 1, 5e-4, False, 5.0, 0.4, 0)
    scope = ParameterScope()
    if space == "macro":
        network = macro_cnn.SharedNetwork(scope, filters, 10, 0.9)
    else:
        network = micro_cnn.SharedNetwork(scope, filters, 10, CELLS, 0.9)
    return ImageTask(network, data, settings, layers.BATCH, group=group)


def fresh_iteration(task, architecture, step):
    """One training step, its graph made anew, as in a search."""
    task.forget_graphs()
    task.train_step(architecture, step, 0)


def _build(task, architecture, batch_size):
    task.network.build(nn.Variable((batch_size, 3, 32, 32)), architecture, layers.TRAIN, training=True)


def times(count, function):
    """Seconds of `function(step)` for `count` steps after one that warms up."""
    times = []
    for step in range(count + 1):
        start = time.perf_counter()
        function(step)
        times.append(time.perf_counter() - start)
    return times[1:]


def _lines(result):
    return "\n".join(f"{name}: {value}" for name, value in result.items())


if __name__ == "__main__":
    report_and_exit(main)
