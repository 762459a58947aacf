"""Images per second of training steps that follow one another, as in a run, and the share of the time in which a GPU is idle.

    python -m benchmarks.throughput --space micro --job search --context cudnn --json
    python -m benchmarks.throughput --space micro --job retrain --context cudnn --options "--output-filter 20"
    python -m benchmarks.throughput --summarize results.jsonl

The steps are those of a script under its --options, on random images of the data set's size; a search trains another random
architecture in each, a retraining the published one. The host does not wait for the device before the end. The idle share is
sampled by nvidia-smi: the share of the time in which no kernel ran. "Queued" is when the host had started everything.
"""

import contextlib
import json
import pathlib
import shutil
import statistics
import subprocess
import time

import numpy as np

import args
from benchmarks.machine import describe_machine, synchronize
from benchmarks.option_task import make_task, print_row, step_parser
from benchmarks.workload import find_architecture
from errors import UserError, report_and_exit
from runs.device import choose_context, choose_kernels
from spaces import SPACES

IMAGES = {"cifar10": 45_000, "digits": 1_199}
WARM_UP = 20  # steps of a search in which most operations are met, so that cuDNN has chosen its algorithms
SAMPLE_SECONDS = 0.1  # between samples of nvidia-smi
BLURRED_SECONDS = 1.0  # a sample tells of up to so many seconds before it
TARGETS = {"idle_share": 0.15, "of_pytorch": 0.9}  # most and least wanted


def main():
    """Print the images or words of a second; returns the exit status."""
    options = _parse()
    if options.summarize:
        print(summary(options.summarize))
        return 0
    config = args.parse(options.space, options.job, [*options.options.split(), "--type-config", options.type_config])
    context = choose_context(options.context, options.device_id, options.type_config, print)
    kernels = choose_kernels(context, "onednn", options.cpu_threads, print)
    row = {"name": options.name or f"{options.space} {options.job}", "type_config": options.type_config}
    row |= measure(config, options) | {"kernels": kernels, **describe_machine()}
    print_row(row, options.json)
    return 0


def _parse():
    parser = step_parser(__doc__)
    parser.add_argument("--architecture", default="published", metavar="NAME", help="to retrain: published, random, or a file")
    parser.add_argument("--context", choices=("cpu", "cudnn"), default="cpu")
    parser.add_argument("--device-id", default="0", help="GPU number")
    parser.add_argument("--cpu-threads", type=int, help="threads of onednn (all cores)")
    parser.add_argument("--seconds", type=float, default=20.0, help="to measure for (20)")
    parser.add_argument("--warm-up", type=int, default=WARM_UP, help="steps before (20)")
    parser.add_argument("--name", help="of the row in a summary")
    parser.add_argument("--summarize", metavar="FILE", type=pathlib.Path, help="measure nothing: a table of such objects")
    options = parser.parse_args()
    if options.seconds <= 0 or options.warm_up < 1:
        raise UserError("--seconds and --warm-up must be positive")
    return options


# ---- measuring ------------------------------------------------------------------------------------------------------


def measure(config, options):
    """Dict: seconds of a step, images per second, idle share (None where nobody samples it)."""
    task = make_task(config, IMAGES[config.dataset])
    step = _steps(config, task, options.architecture)
    _run(step, range(options.warm_up))
    trial = _run(step, range(3))[1] / 3
    count = max(3, round(options.seconds / trial))
    with sampled_device(options.device_id if options.context == "cudnn" else None) as samples:
        queued, seconds = _run(step, range(count))
    idle, memory = device_figures(samples, seconds)
    return {
        "batch_size": config.batch_size,
        "steps": count,
        "step_seconds": seconds / count,
        "images_per_second": count * config.batch_size / seconds,
        "queued_share": queued / seconds,
        "idle_share": idle,
        "device_memory_mb": memory,
        **task.trainer.averages(),  # also refuses losses that are not finite
    }


def _steps(config, task, architecture_name):
    """The function that does training step `number`."""
    if config.job == args.RETRAIN:
        architecture = find_architecture(config.space, architecture_name)
        return lambda number: task.trainer.train_step(architecture, 0, number % task.trainer.steps(0))
    space = SPACES[config.space].encoding(config)

    def step(number):
        task.trainer.train_step(space.random(np.random.default_rng(number)), 0, number % task.trainer.steps(0))

    return step


def _run(step, numbers):
    """Seconds until the host had started all steps, and until the device had done them."""
    synchronize()
    start = time.perf_counter()
    for number in numbers:
        step(number)
    queued = time.perf_counter() - start
    synchronize()
    return queued, time.perf_counter() - start


@contextlib.contextmanager
def sampled_device(device_id):
    """A list that, after the block, holds lines of nvidia-smi from inside it; none where it is missing or for device None."""
    lines, program = [], shutil.which("nvidia-smi")
    if device_id is None or program is None:
        yield lines
        return
    query = ["--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader,nounits"]
    command = [program, *query, f"--id={device_id}", f"--loop-ms={round(1000 * SAMPLE_SECONDS)}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield lines
        finally:
            process.terminate()
            lines += process.stdout.read().splitlines()


def device_figures(samples, seconds):
    """(idle share, megabytes in use) out of nvidia-smi's lines of `seconds`; what it does not tell is None.

    The first samples tell of the time before.
    """
    blurred = round(len(samples) * min(BLURRED_SECONDS / seconds, 0.5))
    lines = [line.split(",") for line in samples[blurred:] if line.count(",") == 1]
    busy, memory = ([float(line[column]) for line in lines if line[column].strip().isdigit()] for column in (0, 1))
    return (1 - statistics.mean(busy) / 100 if busy else None), (max(memory) if memory else None)


# ---- summary --------------------------------------------------------------------------------------------------------


def summary(path):
    """Table of the rows in a file of JSON objects, one a line; the fastest of PyTorch stands beside ours of the same name."""
    rows = [json.loads(line) for line in path.read_text().splitlines() if line.startswith("{")]
    rows.sort(key=lambda row: row["images_per_second"] if "torch" in row else 0)
    theirs = {row["name"]: row for row in rows if "torch" in row}
    lines = ["| | precision | batch | ms a step | images/s | idle | of PyTorch's images/s |", "|---|---|---|---|---|---|---|"]
    for row in (row for row in rows if "torch" not in row):
        other = theirs.get(row["name"])
        ratio = row["images_per_second"] / other["images_per_second"] if other else None
        figures = row["type_config"], row["batch_size"], f"{1e3 * row['step_seconds']:.1f}", f"{row['images_per_second']:.0f}"
        lines.append(f"| {row['name']} | {' | '.join(map(str, figures))} | {_idle(row['idle_share'])} | {_ratio(ratio)} |")
    return "\n".join(lines)


def _idle(share):
    return "not sampled" if share is None else f"{100 * share:.0f} %{_verdict(share <= TARGETS['idle_share'])}"


def _ratio(ratio):
    return "" if ratio is None else f"{ratio:.2f}{_verdict(ratio >= TARGETS['of_pytorch'])}"


def _verdict(reached):
    return "" if reached else " (target missed)"


if __name__ == "__main__":
    report_and_exit(main)
