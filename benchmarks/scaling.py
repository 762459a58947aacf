"""How much faster several processes train than one, with one mini-batch shared out, and what the exchange of gradients takes.

    python -m benchmarks.scaling                                    macro and micro, 1 and 2 processes, NNabla's own kernels
    python -m benchmarks.scaling --cpu-kernels onednn --configurations 1x1 1x2 2x1      threads against processes
    python -m benchmarks.scaling --model --teraflops 20             8 GPUs and 4 x 8 GPUs, on paper

A configuration is PROCESSESxTHREADS. A step is that of benchmarks.step_time: the graph of a sampled architecture is made, the
images prepared, forward, backward, gradients averaged, clipped, weights updated. Times are medians; the first step warms up and
does not count. The exchange includes waiting for the slower process; the all-reduce alone is timed apart.

On paper a step is the longer of what the host does (making the graph and starting its functions, measured here on one image of
8x8 pixels) and what the GPU computes (6 floating-point operations per multiply-add of the forward pass), and then the all-reduce.
"""

import argparse
import dataclasses
import json
import os
import shutil
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
from deployment.complexity import image_network_cost
from errors import UserError
from models import final_networks, layers, macro_cnn, micro_cnn
from models.parameters import ParameterScope
from runs.device import choose_context, choose_kernels
from runs.parallel import group, report_and_exit
from search_spaces.macro import MacroSpace
from search_spaces.micro import MicroSpace

SPACES = tuple(FILTERS)
FLOAT_SIZE = 4


def main():
    options = _parse()
    if options.worker:
        return _worker(options)
    show = _paper_line if options.model else _line
    rows = []
    for row in _modeled(options.teraflops * 1e12) if options.model else _measured(options):
        rows.append(row)
        if not options.json:
            print(show(row), flush=True)
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
    parser.add_argument("--model", action="store_true", help="measure nothing: GPUs on paper")
    parser.add_argument("--teraflops", type=float, default=20.0, help="what one GPU of the model sustains in these networks")
    parser.add_argument("--json", action="store_true", help="print a JSON list in place of lines")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if min(options.batch_size, options.repeat) < 1 or options.teraflops <= 0:
        raise UserError("--batch-size, --repeat and --teraflops must be positive")
    return options


def _configuration(text):
    processes, threads = map(int, text.split("x"))
    return processes, threads


# ---- measured -------------------------------------------------------------------------------------------------------


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
    if processes > 1:
        binding = ["--map-by", f"slot:PE={threads}", "--bind-to", "core"]
        worker = [_mpirun(), "-n", str(processes), *binding, *worker]
    root = dict.fromkeys(("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"), "1")
    done = subprocess.run(worker, env=os.environ | root, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise UserError(f"{processes} processes of {threads} threads ended with status {done.returncode}; see the lines above")
    return json.loads(done.stdout)


def _mpirun():
    path = shutil.which("mpirun", path=os.pathsep.join((os.path.dirname(sys.executable), os.environ["PATH"])))
    if path is None:
        raise UserError("there is no mpirun here; pip install '.[distributed]'")
    return path


def _worker(options):
    """What one process of a configuration does; the first one prints what it measured."""
    (space,), ((_, threads),), processes = options.spaces, options.configurations, group()
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
        "processes": group().size,
        "batch_size": options.batch_size,
        "step_seconds": round(step, 4),
        "images_per_second": round(options.batch_size / step, 1),
        "exchanged_megabytes": round(exchanges.bytes / 1e6, 3),
        "exchange_share": round(exchange / step, 4),
        "all_reduce_share": round(exchanges.alone() / step, 4),
        "fastest_step_seconds": round(min(seconds), 4),
    }


class _Exchanges:
    """The group, but its `average` is timed."""

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


# ---- on paper -------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Cluster:
    """Machines of equal GPUs; bandwidths in bytes per second and direction, latency in seconds per step of the ring."""

    name: str
    machines: int
    gpus: int  # of each machine
    inside: float
    between: float
    latency: float

    @property
    def size(self):
        return self.machines * self.gpus

    def all_reduce_seconds(self, num_bytes):
        """Of a ring: each GPU sends 2 (n - 1) parts of 1/n; the ring is as fast as its slowest link."""
        n, slowest = self.size, self.inside if self.machines == 1 else min(self.inside, self.between)
        return 2 * (n - 1) / n * num_bytes / slowest + 2 * (n - 1) * self.latency


CLUSTERS = (
    Cluster("8 GPUs", 1, 8, inside=200e9, between=0.0, latency=5e-6),  # NVLink, NCCL's usual share of its 450 GB/s
    Cluster("4 x 8 GPUs, 100 Gb/s", 4, 8, inside=200e9, between=12.5e9, latency=20e-6),
)


def step_seconds(compute, host, num_bytes, cluster):
    """Of one mini-batch that takes one GPU `compute` and every host `host` seconds; the exchange overlaps with nothing."""
    return max(host, compute / cluster.size) + cluster.all_reduce_seconds(num_bytes)


def _modeled(flops):
    """Yield a dict for the training of each preset on each cluster."""
    for space, job in [(space, job) for space in SPACES for job in (args.SEARCH, args.RETRAIN)]:
        config, host = args.parse(space, job, []), _host_seconds(space, job)
        cost = _cost(config)
        num_bytes, compute = FLOAT_SIZE * cost.parameters, 6 * cost.multiply_adds * config.batch_size / flops
        for cluster in CLUSTERS:
            alone, exchange = max(host, compute), cluster.all_reduce_seconds(num_bytes)
            yield {
                "training": f"{space} {job}",
                "cluster": cluster.name,
                "batch_size": config.batch_size,
                "megabytes": round(num_bytes / 1e6, 1),
                "compute_ms": round(1e3 * compute, 1),
                "host_ms": round(1e3 * host, 1),
                "all_reduce_ms": round(1e3 * exchange, 2),
                "speedup": round(alone / step_seconds(compute, host, num_bytes, cluster), 1),
                "speedup_of_whole_batches": round(cluster.size * alone / (alone + exchange), 1),
            }


def _host_seconds(space, job):
    """Of a training step; a retraining keeps its graph."""
    return _processor_seconds(space, fresh_iteration if job == args.SEARCH else lambda task, *work: task.train_step(*work, 0))


def _processor_seconds(space, work):
    """Least processor time of `work(task, architecture, step)` with one small image and two filters."""
    choose_context("cpu", "0", "float", print)
    task, architecture = make_task(space, 1, 2, side=8), random_architecture(space)
    seconds = []
    with layers.plain():  # as on a GPU
        for step in range(6):
            start = time.process_time()
            work(task, architecture, step)
            seconds.append(time.process_time() - start)
    return min(seconds)


def search_on_paper(config, flops, evaluation_batch):
    """Seconds on a GPU: a mini-batch of training, of judging a candidate (forward), of measuring a derived architecture."""

    def judge_anew(task, architecture, step):
        task.forget_graphs()
        task.reward(architecture, 1, step)

    compute = 2 * _cost(config).multiply_adds / flops  # of one image, forward
    host_seconds = (
        _host_seconds(config.space, args.SEARCH),
        _processor_seconds(config.space, judge_anew),
        _processor_seconds(config.space, lambda task, architecture, step: task.reward(architecture, 1, step)),
    )
    images = 3 * config.batch_size, config.batch_size, evaluation_batch
    return [max(host, compute * count) for host, count in zip(host_seconds, images, strict=True)]


def _paper_line(row):
    return (
        f"{row['training']}, batch {row['batch_size']}, {row['cluster']}: compute {row['compute_ms']} ms on one GPU, "
        f"host {row['host_ms']} ms, all-reduce of {row['megabytes']} MB {row['all_reduce_ms']} ms; {row['speedup']} times, "
        f"with such a batch on each GPU {row['speedup_of_whole_batches']} times"
    )


def _cost(config):
    """`Cost` of a random architecture's network under the options of a preset, for CIFAR-10."""
    rng = np.random.default_rng(0)
    space = MacroSpace(config.num_layers or 12) if config.space == "macro" else MicroSpace((config.num_nodes or 7) - 2)
    scope = ParameterScope()
    if config.job == args.RETRAIN:
        network = final_networks.final_network(config, scope, 10)
    elif config.space == "macro":
        network = macro_cnn.SharedNetwork(scope, config.output_filter, 10)
    else:
        network = micro_cnn.SharedNetwork(scope, config.output_filter, 10, config.num_cells)
    return image_network_cost(network, space.random(rng), (3, 32, 32))


if __name__ == "__main__":
    report_and_exit(main)
