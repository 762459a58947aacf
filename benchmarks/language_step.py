"""Time of one training step of the recurrent search, and of building its graph, which is another one for every mini-batch.

    python -m benchmarks.language_step --hidden-size 200 --batch-size 128 --json

The sizes are those of the enas preset unless others are given; words and architectures are random, the length is always --bptt.
Minima over the steps, for other processes can only add; the first step warms up and does not count.
"""

import argparse
import resource
import time

import numpy as np

import args
from benchmarks.machine import describe_machine
from benchmarks.option_task import print_row
from datasets.penn_treebank import TextDataset
from errors import UserError
from models.parameters import ParameterScope
from models.recurrent_lm import LanguageModel
from runs.device import choose_context, choose_kernels
from runs.parallel import all_processes, report_and_exit
from runs.spawned import in_processes
from search_spaces.recurrent import RecurrentSpace
from training.language_task import LanguageTask
from training.optimizers import DecayingRate

SIZES = ("hidden_size", "batch_size", "bptt", "num_nodes")


def main():
    """Print the seconds of a step; returns the exit status."""
    options = _parse()
    return in_processes(options.processes, lambda: _in_each_process(options))


def _in_each_process(options):
    processes = all_processes()
    processes.check_batch_size(options.batch_size)
    context = choose_context(options.context, "0", "float", lambda line: None)
    threads = options.cpu_threads or processes.threads
    kernels = choose_kernels(context, options.cpu_kernels, threads, lambda line: None, options.cpu_precision)
    config = args.parse("recurrent", "search", ["--child-lr", "1", *_as_arguments(options)])
    task, space = _task(config, options.words), RecurrentSpace(options.num_nodes)
    build, step = _times(task, space, options)
    result = {
        "graph_build_seconds": build,
        "train_step_seconds": step,
        "build_share": build / step,
        "words_per_second": options.batch_size * options.bptt / step,
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        **vars(options),
        "kernels": kernels,
        **describe_machine(),
    }
    print_row(result, options.json)
    return 0


def _parse():
    defaults = args.parse("recurrent", "search", [])
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in SIZES:
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=getattr(defaults, name))
    parser.add_argument("--words", type=int, default=10_000, help="size of the vocabulary")
    parser.add_argument("--context", choices=("cpu", "cudnn"), default="cpu")
    parser.add_argument("--cpu-kernels", choices=("onednn", "nnabla"), default="onednn", help="of the products and the gates")
    parser.add_argument("--cpu-precision", choices=("float", "bfloat16"), default="float", help="of the output layer's products")
    parser.add_argument("--cpu-threads", type=int, help="by default one per core")
    parser.add_argument("--processes", type=int, default=1, help="that share out the rows; memory is that of the first")
    parser.add_argument("--repeat", type=int, default=5, help="steps measured")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    if min(options.repeat, options.processes) < 1 or options.words < 2:
        raise UserError("--repeat and --processes must be at least 1 and --words at least 2")
    return options


def _as_arguments(options):
    return [text for name in SIZES for text in (f"--{name.replace('_', '-')}", str(getattr(options, name)))]


def _task(config, words):
    tokens = np.random.default_rng(0).integers(words, size=config.batch_size * (config.bptt + 1)).astype(np.int32)
    text = TextDataset("random", tuple(map(str, range(words))), tokens, tokens, tokens)
    model = LanguageModel(ParameterScope(), words, config.hidden_size, config.init_range)
    return LanguageTask(model, text, config, DecayingRate(config.child_lr), processes=all_processes())


def _times(task, space, options):
    """Least seconds of building a graph, and of a whole step."""
    words, rows = task.text.train.reshape(-1, options.batch_size), all_processes().rows(options.batch_size)
    times = []
    for step in range(options.repeat + 1):
        rng = np.random.default_rng(step)
        architecture = space.random(rng)
        task.forget_graphs()
        start = time.perf_counter()
        graph = task.trainer.graph(architecture, options.bptt)
        built = time.perf_counter()
        graph.fill(words[:-1], words[1:], rng, rows)
        graph.backward()
        task.trainer.move(graph, 1.0)
        times.append((built - start, time.perf_counter() - start))
    return np.min(times[1:], axis=0).tolist()


if __name__ == "__main__":
    report_and_exit(main)
