"""What share of a training step goes into its images: gathering, normalizing, augmenting, and handing them to NNabla.

    python -m benchmarks.data_share --json

The steps are those of the presets, on as many random images as CIFAR-10 (digits for `quick`) has; seconds are minima. `ahead` is
what is left of a step when a thread prepares the next mini-batch meanwhile.
"""

import argparse
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import args
from benchmarks.growth import balanced_architecture
from benchmarks.machine import describe_machine
from benchmarks.option_task import make_task
from benchmarks.workload import times
from datasets.batches import training_batch
from errors import UserError, report_and_exit
from runs.device import choose_context, choose_kernels
from training import image_inputs

IMAGES = {"cifar10": 45_000, "digits": 1_199}
TRAININGS = {
    "macro search": ("macro", args.SEARCH, ""),
    "micro search": ("micro", args.SEARCH, ""),
    "quick macro search": ("macro", args.SEARCH, "--preset quick"),
    "quick micro search": ("micro", args.SEARCH, "--preset quick"),
    "quick macro retraining, CutOut": ("macro", args.RETRAIN, "--preset quick --num-layers 6 --cutout 4"),
}


def main():
    """Print a row for each training; returns the exit status."""
    options = _parse()
    choose_context("cpu", "0", "float", print)
    kernels = choose_kernels("cpu", "onednn", options.cpu_threads, print)
    rows = [measure(name, options.repeat) | {"kernels": kernels, **describe_machine()} for name in options.trainings]
    print(json.dumps(rows, indent=1) if options.json else "\n".join(map(_line, rows)))
    return 0


def _parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trainings", nargs="+", choices=tuple(TRAININGS), default=tuple(TRAININGS))
    parser.add_argument("--cpu-threads", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=5, help="steps measured")
    parser.add_argument("--json", action="store_true", help="print a JSON list")
    options = parser.parse_args()
    if options.repeat < 1:
        raise UserError("--repeat must be at least 1")
    return options


def measure(name, repeat):
    """Dict: least seconds of a step, of its images, and of a step whose images a thread has prepared during the one before."""
    space, job, more = TRAININGS[name]
    config = args.parse(space, job, more.split())
    task = make_task(config, IMAGES[config.dataset])
    architecture = balanced_architecture(config)

    def step(number):
        if job == args.SEARCH:
            task.forget_graphs()
        task.trainer.train_step(architecture, 0, number)

    images, whole = min(times(20, lambda number: _images(task, number))), min(times(repeat, step))
    ahead = min(_ahead(task, step, repeat))
    return {"training": name, "step_seconds": whole, "data_seconds": images, "data_share": images / whole, "ahead_seconds": ahead}


def _images(task, number):
    data, size = task.data, task.trainer.config.batch_size
    indices = np.random.default_rng(0).permutation(len(data.train))[:size]
    return training_batch(data.train, data.normalizer, indices, np.random.default_rng(number), data.augmentation)


def _ahead(task, step, repeat):
    original = image_inputs.training_batch
    with ThreadPoolExecutor(1) as pool:
        prepared = pool.submit(_images, task, 0)

        def from_thread(*_):
            nonlocal prepared
            ready, prepared = prepared.result(), pool.submit(_images, task, 1)
            return ready

        image_inputs.training_batch = from_thread
        try:
            return times(repeat, step)
        finally:
            image_inputs.training_batch = original


def _line(row):
    return (
        f"{row['training']}: {row['step_seconds']:.4f} s a step, images {1e3 * row['data_seconds']:.2f} ms, "
        f"{100 * row['data_share']:.2f} %; prepared ahead {row['ahead_seconds']:.4f} s"
    )


if __name__ == "__main__":
    report_and_exit(main)
