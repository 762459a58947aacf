"""What `--update all` costs: steps of a search with it and without, by turns, on the same random architectures.

    python -m benchmarks.update_all --space micro

Counts the processor time of this process, one thread, which other programs hardly change. After the steps all weights catch up,
as before rewards are measured.
"""

import argparse
import time

import numpy as np

import args
from benchmarks.machine import describe_machine
from benchmarks.option_task import make_task
from errors import report_and_exit
from runs.device import choose_context, choose_kernels
from spaces import SPACES

WARM_UP = 10


def main():
    """Print the seconds of a step with each value and their ratio; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--space", choices=args.IMAGES, default="macro")
    parser.add_argument("--steps", type=int, default=40, help="of each (%(default)s)")
    parser.add_argument("--batch-size", default="64", help="images (%(default)s)")
    options = parser.parse_args()
    choose_context("cpu", "0", "float", print)
    choose_kernels("cpu", "onednn", 1, print)
    seconds = measure(options.space, options.steps, options.batch_size)
    used, every = (sum(seconds[update]) / options.steps for update in ("used", "all"))
    print(f"{options.space}: used {used:.3f} s a step, all {every:.3f} s, {every / used:.3f} times")
    print(describe_machine())
    return 0


def measure(space, steps, batch_size):
    """Dict: used and all -> seconds of each step, the last one with all weights' catching up."""
    trainers, seconds = {}, {"used": [], "all": []}
    for update in seconds:
        config = args.parse(space, args.SEARCH, ["--batch-size", batch_size, "--update", update, "--validation-size", "100"])
        trainers[update] = make_task(config, 1000).trainer
        encoding = SPACES[space].encoding(config)
    rng = np.random.default_rng(0)
    for step in range(WARM_UP + steps):
        architecture = encoding.random(rng)
        for update, trainer in trainers.items():
            start = time.process_time()
            trainer.train_step(architecture, 0, step % trainer.steps(0))
            if step == WARM_UP + steps - 1:
                trainer.settle()
            seconds[update].append(time.process_time() - start)
    return {update: times[WARM_UP:] for update, times in seconds.items()}


if __name__ == "__main__":
    report_and_exit(main)
