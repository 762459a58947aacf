"""Time of every operation by oneDNN and by NNabla's own kernels, forward and backward.

    python -m benchmarks.kernels --json

Shape (64, 36, 32, 32) unless told otherwise. Milliseconds, minima over repetitions (of all functions of an operation, without
NNabla's graph around them), and ratios NNabla / oneDNN. Other programs on the machine disturb two threads more than one.
"""

import argparse
import json
import time

import nnabla as nn
import numpy as np

import kernels
from benchmarks.machine import describe_machine
from errors import UserError, report_and_exit

PASSES = ("forward", "backward")


def main():
    """Print the seconds of each operation; returns the exit status."""
    options = _parse()
    result = {**describe_machine(), "shape": [options.batch_size, options.filters, options.size, options.size]}
    result["nnabla_ms"] = _measure(kernels.choose("nnabla"), options)
    for threads in options.threads:
        fast = kernels.choose("onednn", threads, layout=options.layout, precision=options.precision)
        if fast.name != "onednn":
            raise UserError("nothing to compare: oneDNN does not run here; pip install onednn-cpu-gomp==2023.2.0")
        times = _measure(fast, options)
        result[f"onednn_{threads}_threads"] = {
            "description": fast.description,
            "ms": times,
            "ratio": {name: _ratios(result["nnabla_ms"][name], each) for name, each in times.items()},
        }
    print(json.dumps(result) if options.json else _table(result))
    return 0


def _parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--filters", type=int, default=36, help="channels, an even number")
    parser.add_argument("--size", type=int, default=32, help="height and width, an even number")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--layout", choices=kernels.LAYOUTS, help="of oneDNN's images (default: what is fastest)")
    parser.add_argument("--precision", choices=kernels.PRECISIONS, default="float", help="of oneDNN's dense convolutions")
    parser.add_argument("--repeat", type=int, default=10)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    if options.filters % 2 or options.size % 2 or min(options.batch_size, options.filters, options.size, options.repeat) < 1:
        raise UserError("--filters and --size must be even, they and --batch-size and --repeat at least 1")
    return options


def _operations(k, x, c):
    """Name -> function that builds the operation on images x of c channels."""
    window = ((3, 3), (1, 1), (1, 1))
    factors = _variable(x.shape[0], 1, 1, 1).apply(need_grad=False)
    return {
        "convolution 1x1": lambda: k.convolution(x, _variable(c, c, 1, 1)),
        "convolution 3x3": lambda: k.convolution(x, _variable(c, c, 3, 3), pad=(1, 1)),
        "convolution 5x5": lambda: k.convolution(x, _variable(c, c, 5, 5), pad=(2, 2)),
        "depthwise 3x3": lambda: k.convolution(x, _variable(c, 1, 3, 3), pad=(1, 1), group=c),
        "depthwise 5x5": lambda: k.convolution(x, _variable(c, 1, 5, 5), pad=(2, 2), group=c),
        "separable 3x3": lambda: k.separable_convolution(x, _variable(c, 1, 3, 3), _variable(c, c, 1, 1), pad=(1, 1)),
        "separable 5x5": lambda: k.separable_convolution(x, _variable(c, 1, 5, 5), _variable(c, c, 1, 1), pad=(2, 2)),
        "factorized reduction": lambda: k.factorized_reduction(x, _variable(c // 2, c, 1, 1), _variable(c // 2, c, 1, 1)),
        "batch normalization": lambda: _normalize(k, x, c),
        "batch normalization, ReLU": lambda: _normalize(k, x, c, relu=True),
        "normalization by running statistics": lambda: _normalize(k, x, c, batch_stat=False),
        "ReLU": lambda: k.relu(x),
        "max pooling": lambda: k.max_pooling(x, *window),
        "average pooling": lambda: k.average_pooling(x, *window),
        "global average pooling": lambda: k.global_average_pooling(x),
        "sum of 2": lambda: k.add(x, _variable(*x.shape)),
        "sum of 4": lambda: k.add(x, *(_variable(*x.shape) for _ in range(3))),
        "mixture of 4": lambda: k.mix([x, *(_variable(*x.shape) for _ in range(3))], _variable(c, 4 * c, 1, 1)),
        "concatenation": lambda: k.concatenate(x, _variable(*x.shape)),
        "scaled examples": lambda: k.scale_examples(x, factors),
    }


def _normalize(k, x, c, **options):
    beta, gamma, mean, var = (_variable(1, c, 1, 1) for _ in range(4))
    var.d = np.abs(var.d) + 1
    return k.batch_normalization(x, beta, gamma, mean, var, **options)


def _variable(*shape):
    return nn.Variable.from_numpy_array(np.random.default_rng(0).standard_normal(shape, np.float32)).apply(need_grad=True)


def _measure(k, options):
    n, c, size = options.batch_size, options.filters, options.size
    x = _variable(*((n, c, size, size) if k.layout == "NCHW" else (n, size, size, c)))
    return {name: _times(build(), options.repeat) for name, build in _operations(k, x, c).items()}


def _times(y, repeat):
    """Least milliseconds of the functions between the leaves and y, forward and backward."""
    functions = []
    y.visit(functions.append)
    calls = [(f, f.inputs, f.outputs) for f in functions]
    y.forward()
    y.g = np.random.default_rng(1).standard_normal(y.shape)
    return {
        "forward": _least(lambda: [f.forward(inputs, outputs) for f, inputs, outputs in calls], repeat),
        "backward": _least(
            lambda: [f.backward(inputs, outputs, [False] * len(inputs)) for f, inputs, outputs in reversed(calls)], repeat
        ),
    }


def _least(function, repeat):
    times = []
    for _ in range(repeat + 1):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return round(min(times[1:]) * 1e3, 3)


def _ratios(slow, fast):
    return {which: round(slow[which] / fast[which], 2) for which in PASSES}


def _table(result):
    runs = {name: each for name, each in result.items() if name.startswith("onednn")}
    lines = [each["description"] for each in runs.values()]
    for name, slow in result["nnabla_ms"].items():
        cells = [f"{name:36}", *(f"{slow[p]:9.2f}" for p in PASSES)]
        for each in runs.values():
            cells += [f"{each['ms'][name][p]:9.2f} ({each['ratio'][name][p]:5.1f}x)" for p in PASSES]
        lines.append(" ".join(cells))
    return "\n".join(lines)


if __name__ == "__main__":
    report_and_exit(main)
