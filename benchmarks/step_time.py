"""Time and memory of one training iteration, of a validation batch, and of building the graph.

    python -m benchmarks.step_time --space macro --architecture FILE --batch-size 64 --output-filter 36 --json

An iteration of the shared network is what the search does for every mini-batch: build the graph of the architecture, prepare the
images, forward, backward, clip, update. `--network final` trains the network of retraining instead, whose graph stays. Images are
random, 32x32 with 3 channels. Medians; the first iteration warms up and does not count. `--only training` leaves the rest out.
"""

import argparse
import dataclasses
import resource
import statistics

import nnabla as nn

import kernels
from benchmarks.machine import describe_machine, synchronize
from benchmarks.option_task import print_row
from benchmarks.workload import (
    CELLS,
    CLASSES,
    FILTERS,
    FINAL,
    PAD,
    RATE,
    SPACES,
    find_architecture,
    random_images,
    times,
    training_options,
)
from command_line import boolean
from datasets.batches import Augmentation
from errors import UserError
from models import layers, macro_cnn, micro_cnn
from models.parameters import ParameterScope
from runs.device import choose_context
from runs.parallel import all_processes, report_and_exit
from runs.spawned import in_processes
from training.image_task import ImageData, ImageTask
from training.optimizers import LearningRate
from training.processes import SINGLE

EPOCHS = 630  # of which a benchmark sees the first


def main():
    """Print what an iteration takes; returns the exit status."""
    options = _parse()
    return in_processes(options.processes, lambda: _in_each_process(options))


def _in_each_process(options):
    processes = all_processes()
    processes.check_batch_size(options.batch_size)
    context = choose_context(options.context, "0", "float", print)
    name, threads = options.cpu_kernels if context == "cpu" else "nnabla", options.cpu_threads or processes.threads
    chosen = kernels.choose(name, threads, layout=options.layout, precision=options.cpu_precision)
    layers.use(chosen)
    architecture = find_architecture(options.space, options.architecture)
    more = {} if options.recompute is None else {"recompute": options.recompute}
    task = _MAKERS[options.network](options.space, options.batch_size, options.output_filter, processes, **more)
    result = _measure(task, architecture, options) | {
        "processes": processes.size,
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "space": options.space,
        "network": options.network,
        "architecture": architecture.to_text(),
        "batch_size": options.batch_size,
        "output_filter": options.output_filter,
        "repeat": options.repeat,
        "kernels": chosen.description,
        **describe_machine(),
        **vars(task.cost(architecture)),
    }
    print_row(result, options.json)
    return 0


def _measure(task, architecture, options):
    iteration = fresh_iteration if options.network == "shared" else kept_iteration
    train = statistics.median(times(options.repeat, lambda step: _complete(iteration, task, architecture, step)))
    result = {"train_iteration_seconds": train, "images_per_second": options.batch_size / train}
    if options.only == "all":
        validate = times(options.repeat, lambda step: task.evaluator.reward(architecture, 1, step))
        build = times(max(5, options.repeat), lambda step: _build(task, architecture, options.batch_size))
        result |= {"validation_batch_seconds": statistics.median(validate), "graph_build_seconds": statistics.median(build)}
    return result


def _complete(iteration, *work):
    """An iteration of which nothing is left to do for a GPU."""
    iteration(*work)
    synchronize()


def _parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--space", choices=tuple(SPACES), default="macro")
    parser.add_argument("--network", choices=tuple(_MAKERS), default="shared", help="of the search, or of retraining")
    parser.add_argument(
        "--architecture", default="random", metavar="NAME", help="random (of seed 0), published, or an architecture file"
    )
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--output-filter", type=int, help="filters of the first layer or cell (36 macro, 20 micro)")
    parser.add_argument("--context", choices=("cpu", "cudnn"), default="cpu")
    parser.add_argument("--cpu-kernels", choices=("onednn", "nnabla"), default="onednn")
    parser.add_argument("--cpu-precision", choices=kernels.PRECISIONS, default="float", help="of dense convolutions")
    parser.add_argument("--cpu-threads", type=int, help="threads of onednn (all cores)")
    parser.add_argument("--processes", type=int, default=1, help="that share out the mini-batch; memory is that of the first")
    parser.add_argument("--recompute", type=boolean, help="of the final network, as of a retraining (macro yes, micro no)")
    parser.add_argument("--layout", choices=kernels.LAYOUTS, help="of images in memory (what the kernels choose)")
    parser.add_argument("--only", choices=("all", "training"), default="all", help="what to measure")
    parser.add_argument("--repeat", type=int, default=5, help="iterations measured")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    options.output_filter = options.output_filter or FILTERS[options.space]
    if options.output_filter % 2 or min(options.batch_size, options.output_filter, options.repeat, options.processes) < 1:
        raise UserError("--output-filter must be even, it and --batch-size, --repeat and --processes at least 1")
    if options.recompute is not None and options.network == "shared":
        raise UserError("--recompute is for --network final; a search keeps what it computed")
    return options


def make_task(space, size, filters, processes=SINGLE, side=32):
    """`ImageTask` of a search with mini-batches of `size` random images of side x side pixels, shared out over `processes`."""
    scope = ParameterScope()
    if space == "macro":
        network = macro_cnn.SharedNetwork(scope, filters, CLASSES, 0.9)
    else:
        network = micro_cnn.SharedNetwork(scope, filters, CLASSES, CELLS, 0.9)
    return _task(network, size, layers.BATCH, processes, side)


def make_final_task(space, size, filters, processes=SINGLE, **more):
    """`ImageTask` of a retraining with mini-batches of `size` random images, shared out over `processes`; `more`: its fields."""
    network = dataclasses.replace(final_network(space, filters, ParameterScope()), **more)
    return _task(network, size, layers.RUNNING, processes)


def final_network(space, filters, scope):
    """The network of `make_final_task`, with what retraining adds under `--preset enas`."""
    settings = FINAL[space]
    if space == "macro":
        return macro_cnn.FinalNetwork(scope, filters, CLASSES, settings.keep_rate)
    auxiliary, keep_path = settings.auxiliary_weight > 0, settings.drop_path_keep_rate
    return micro_cnn.FinalNetwork(scope, filters, CLASSES, CELLS, settings.keep_rate, auxiliary, keep_path)


_MAKERS = {"shared": make_task, "final": make_final_task}


def _task(network, size, statistics, processes=SINGLE, side=32):
    split, normalizer = random_images(size, side)
    data = ImageData(split, split, normalizer, Augmentation(PAD, flip=True))
    rate = LearningRate("constant", RATE, 0, EPOCHS)
    return ImageTask(network, data, training_options(size, EPOCHS), rate, statistics, processes=processes)


def fresh_iteration(task, architecture, step):
    """One training step, its graph made anew, as in a search."""
    task.forget_graphs()
    task.trainer.train_step(architecture, step, 0)


def kept_iteration(task, architecture, step):
    """One training step on the graph of the step before, as in a retraining."""
    task.trainer.train_step(architecture, step, 0)


def _build(task, architecture, batch_size):
    task.network.build(nn.Variable((batch_size, 3, 32, 32)), architecture, layers.TRAIN, training=True)


if __name__ == "__main__":
    report_and_exit(main)
