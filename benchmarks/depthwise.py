"""Seconds of convolutions of every channel by itself, in cuDNN's form with groups and with NNabla's own kernel.

    python -m benchmarks.depthwise --context cudnn --type-config half --json

Forward and backward, of the sizes in the networks of the preset enas. `DEPTHWISE` in kernels/nnabla_functions.py is what runs
use; on a CPU both are the first form.
"""

import argparse
import statistics

import nnabla as nn
import numpy as np

from benchmarks.machine import describe_machine, synchronize
from benchmarks.option_task import print_row
from benchmarks.workload import times
from errors import UserError, report_and_exit
from kernels.nnabla_functions import DEPTHWISE, GROUPED, OWN, NNablaKernels
from runs.device import choose_context

SIZES = [(36, 32, 3), (36, 32, 5), (72, 16, 3), (72, 16, 5), (144, 8, 3), (144, 8, 5)]  # channels, side, kernel


def main():
    """Print the milliseconds of both forms and which is faster; returns the exit status."""
    options = _parse()
    choose_context(options.context, options.device_id, options.type_config, print)
    totals = {form: sum(seconds(form, *size, options) for size in SIZES) for form in (GROUPED, OWN)}
    faster = min(totals, key=totals.get)
    row = {f"{form}_ms": 1e3 * total for form, total in totals.items()} | {"faster": faster, "in_use": DEPTHWISE}
    row |= {"type_config": options.type_config, **describe_machine()}
    print_row(row, options.json)
    return 0


def seconds(form, channels, side, kernel, options):
    """Of one of `SIZES`, the median."""
    kernels = NNablaKernels()
    kernels.depthwise = form
    x = nn.Variable((options.batch_size, channels, side, side), need_grad=True)
    w = nn.Variable((channels, 1, kernel, kernel), need_grad=True)
    for variable in (x, w):
        variable.d = np.random.default_rng(0).standard_normal(variable.shape)
    y = kernels.depthwise_convolution(x, w, pad=(kernel // 2, kernel // 2))

    def step(_):
        y.forward()
        y.backward(1.0)
        synchronize()

    return statistics.median(times(options.repeat, step))


def _parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--context", choices=("cpu", "cudnn"), default="cpu")
    parser.add_argument("--device-id", default="0", help="number of the GPU")
    parser.add_argument("--type-config", choices=("float", "half"), default="float")
    parser.add_argument("--batch-size", type=int, default=144)
    parser.add_argument("--repeat", type=int, default=20, help="steps measured")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    if min(options.batch_size, options.repeat) < 1:
        raise UserError("--batch-size and --repeat must be at least 1")
    return options


if __name__ == "__main__":
    report_and_exit(main)
