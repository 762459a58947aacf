"""How much faster several processes train than one, with one mini-batch shared out, and what the exchange of gradients takes.

    python -m benchmarks.scaling                                    macro and micro, 1 and 2 processes, NNabla's own kernels
    python -m benchmarks.scaling --cpu-kernels onednn --configurations 1x1 1x2 2x1      threads against processes

A configuration is PROCESSESxTHREADS. A step is that of benchmarks.step_time: the graph of a sampled architecture is made, the
images prepared, forward, backward, gradients averaged, clipped, weights updated. Times are medians; the first step warms up and
does not count. The exchange includes waiting for the slower process; the all-reduce alone is timed apart.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

import nnabla as nn
import numpy as np

import args
from benchmarks.machine import describe_machine
from benchmarks.step_time import fresh_iteration, make_task
from benchmarks.workload import FILTERS, random_architecture, times
from errors import UserError
from runs.device import choose_context, choose_kernels
from runs.parallel import all_processes, report_and_exit
from runs.spawned import in_processes

SPACES = tuple(FILTERS)
FLOAT_SIZE = 4


def main():
    """Print the seconds for each number of processes and threads; returns the exit status."""
    options = _parse()
    if options.worker:
        return in_processes(options.configurations[0][0], lambda: _worker(options))
    rows = []
    for row in _measured(options):
        rows.append(row)
        if not options.json:
            print(_line(row), flush=True)
    if options.json:
        print(json.dumps(rows, indent=1))
    return 0


def _parse():
    parser = args.Parser(description=__doc__.splitlines()[0])
    parser.add_argument("--spaces", nargs="+", choices=SPACES, default=SPACES)
    parser.add_argument("--configurations", nargs="+", type=_configuration, default=[(1, 1), (2, 1)], metavar="PxT")
    parser.add_argument("--cpu-kernels", choices=("nnabla", "onednn"), default="nnabla")
    parser.add_argument("--batch-size", type=int, default=64, help="of all processes together")
    parser.add_argument("--repeat", type=int, default=5, help="steps measured")
    parser.add_argument("--json", action="store_true", help="print a JSON list in place of lines")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if min(options.batch_size, options.repeat) < 1:
        raise UserError("--batch-size and --repeat must be positive")
    return options


def _configuration(text):
    processes, threads = map(int, text.split("x"))
    return processes, threads


def _measured(options):
    """Yield a dict for each space and configuration; the first configuration is what the others are compared with."""
    for space in options.spaces:
        first = None
        for processes, threads in options.configurations:
            row = _run(options, space, processes, threads)
            first = first or row["step_seconds"]
            row["speedup"] = round(first / row["step_seconds"], 3)
            yield row


def _run(options, space, processes, threads):
    """The worker's dict, from as many processes."""
    worker = [sys.executable, "-m", "benchmarks.scaling", "--worker", "--spaces", space]
    worker += ["--configurations", f"{processes}x{threads}", "--cpu-kernels", options.cpu_kernels]
    worker += ["--batch-size", str(options.batch_size), "--repeat", str(options.repeat)]
    done = subprocess.run(worker, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise UserError(f"{processes} processes of {threads} threads ended with status {done.returncode}; see the lines above")
    return json.loads(done.stdout)


def _worker(options):
    """What one process of a configuration does; the first one prints what it measured."""
    (space,), ((_, threads),), processes = options.spaces, options.configurations, all_processes()
    choose_context("cpu", "0", "float", print)
    kernels = choose_kernels("cpu", options.cpu_kernels, threads, print)
    processes.check_batch_size(options.batch_size)
    exchanges = _Exchanges(processes)
    task = make_task(space, options.batch_size, FILTERS[space], exchanges)
    architecture = random_architecture(space)
    seconds = times(options.repeat, lambda step: fresh_iteration(task, architecture, step))
    if processes.is_first:
        print(json.dumps(_result(options, seconds, exchanges) | {"kernels": kernels, "threads": threads, **describe_machine()}))
    else:
        exchanges.alone()
    return 0


def _result(options, seconds, exchanges):
    step, exchange = statistics.median(seconds), statistics.median(exchanges.seconds[1:])
    return {
        "space": options.spaces[0],
        "processes": all_processes().size,
        "batch_size": options.batch_size,
        "step_seconds": round(step, 4),
        "images_per_second": round(options.batch_size / step, 1),
        "exchanged_megabytes": round(exchanges.bytes / 1e6, 3),
        "exchange_share": round(exchange / step, 4),
        "all_reduce_share": round(exchanges.alone() / step, 4),
        "fastest_step_seconds": round(min(seconds), 4),
    }


class _Exchanges:
    """The processes of this job, but their `average` is timed."""

    def __init__(self, processes):
        self._processes, self.seconds, self.bytes = processes, [], 0

    def __getattr__(self, name):
        return getattr(self._processes, name)

    def average(self, arrays):
        start = time.perf_counter()
        self._processes.average(arrays)
        self.seconds.append(time.perf_counter() - start)
        self.bytes = FLOAT_SIZE * sum(array.size for array in arrays)

    def alone(self):
        """Seconds of an exchange of as many bytes, when nobody waits for anybody."""
        packed = [nn.NdArray.from_numpy_array(np.zeros(self.bytes // FLOAT_SIZE, np.float32))]
        return statistics.median(times(10, lambda step: self._processes.average(packed)))


def _line(row):
    return (
        f"{row['space']}: {row['processes']} x {row['threads']} threads, {row['step_seconds']:.3f} s a step "
        f"({row['speedup']:.2f} times), {100 * row['exchange_share']:.1f} % of it exchange of {row['exchanged_megabytes']} MB, "
        f"{100 * row['all_reduce_share']:.1f} % without waiting; {row['kernels']}"
    )


if __name__ == "__main__":
    report_and_exit(main)
