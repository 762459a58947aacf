"""What the host does in a training step on a GPU, part by part: processor time of the main thread, in milliseconds.

    python -m benchmarks.host_time --space micro --job search
    python -m benchmarks.host_time --space micro --job retrain --type-config half --json

No GPU is needed: the context is a GPU's as far as Python sees it, computed on the CPU, with filters and mini-batches so
small that calls are what takes the time. Forward and backward pass are left out: here they would be computing. All other sizes
are those of --preset enas; a search trains another random architecture in each step, a retraining the published one. Medians of
steps after the weights have been made; on a busy machine compare the lowest of several runs.
"""

import functools
import statistics
import time

import nnabla as nn
import numpy as np

import args
from benchmarks.option_task import make_task, print_row, step_parser
from benchmarks.workload import find_architecture
from errors import report_and_exit
from spaces import SPACES
from training.trainer import TrainingGraph

SMALL = {  # an auxiliary head would have a fixed number of filters, many of them
    args.SEARCH: "--batch-size 2 --output-filter 2 --auxiliary-head False",
    args.RETRAIN: "--batch-size 2 --output-filter 2 --additional-filters-on-retrain 0 --auxiliary-head False",
}
PARTS = ("building", "inputs", "clipping", "update")


def main():
    """Print the parts of a step; returns the exit status."""
    options = _parse()
    precisions = ["half", "float"] if options.type_config == "half" else ["float"]
    libraries = [f"{library}:{precision}" for library in ("cudnn", "cuda") for precision in precisions]
    nn.set_default_context(nn.Context([*libraries, "cpu:float"], "CpuCachedArray", "0"))
    row = {"space": options.space, "job": options.job, "type_config": options.type_config} | measure(options)
    print_row(row, options.json)
    return 0


def _parse():
    parser = step_parser(__doc__)
    parser.add_argument("--steps", type=int, default=40, help="to measure (40)")
    parser.add_argument("--warm-up", type=int, default=200, help="steps before, in which most weights are made (200)")
    return parser.parse_args()


def measure(options):
    """Dict: parameters that a step moves, and the median milliseconds of each of `PARTS` and of them together."""
    small = SMALL[options.job] if options.space == "micro" else SMALL[options.job].replace("--auxiliary-head False", "")
    config = args.parse(options.space, options.job, f"{small} {options.options} --type-config {options.type_config}".split())
    trainer = make_task(config, 512).trainer
    TrainingGraph.backward = lambda graph, scale: None
    clock = Clock(trainer)
    rows = [clock.step(_architecture(config, number), number) for number in range(options.warm_up + options.steps)]
    rows = rows[options.warm_up :]
    parts = {part: round(1e3 * statistics.median(row[part] for row in rows), 2) for part in PARTS}
    together = round(1e3 * statistics.median(sum(row[part] for part in PARTS) for row in rows), 2)
    return {"parameters": clock.parameters, **parts, "together": together}


def _architecture(config, number):
    if config.job == args.RETRAIN:
        return find_architecture(config.space, "published")
    return SPACES[config.space].encoding(config).random(np.random.default_rng(number))


class Clock:
    """Takes the time of the parts of a trainer's steps."""

    def __init__(self, trainer):
        self._trainer, self._seconds, self.parameters = trainer, {}, 0
        for owner, name, part in (
            (trainer, "graph", "building"), (trainer, "_filled_graph", "inputs"), (trainer._exchange, "clip", "clipping"),
            (trainer, "_update", "update"),
        ):  # fmt: skip
            setattr(owner, name, functools.partial(self._timed, part, getattr(owner, name)))

    def step(self, architecture, number):
        """Dict of part -> seconds of training step `number`."""
        self._seconds = dict.fromkeys(PARTS, 0.0)
        self._trainer.train_step(architecture, 0, number % self._trainer.steps(0))
        self.parameters = len(self._trainer.graph(architecture).parameters)
        return self._seconds | {"inputs": self._seconds["inputs"] - self._seconds["building"]}

    def _timed(self, part, function, *arguments, **more):
        start = time.thread_time()
        result = function(*arguments, **more)
        self._seconds[part] += time.thread_time() - start
        return result


if __name__ == "__main__":
    report_and_exit(main)
