"""How the time of a training step grows with the sizes of the work, and how long a whole search of `--preset enas` takes.

    python -m benchmarks.growth --quantities macro-layers macro-filters     time these; without the option all
    python -m benchmarks.growth --table                                     what has been timed
    python -m benchmarks.growth --whole-search macro                        a search, extrapolated

Times are minima over steps in one thread, the graph made anew for each as in a search; they are kept in benchmarks/growth.json.
The architectures are balanced, so that a larger one holds the same operations in the same shares: operations in turn, two in five
skip connections, inputs of nodes by chance. An exponent is the slope of the logarithms, over all sizes and over the largest two.
"""

import json
import pathlib
from dataclasses import dataclass

import numpy as np

import args
from benchmarks import controller
from benchmarks.machine import describe_machine
from benchmarks.option_task import make_task
from benchmarks.workload import times
from constants import EVALUATION_BATCH
from errors import UserError, report_and_exit
from files import atomic_write
from runs.device import choose_context, choose_kernels
from search_spaces import macro, micro
from spaces import SPACES

FOLDER = pathlib.Path(__file__).parent
MEASURED = FOLDER / "growth.json"
SKIP_SHARE = 0.4  # of the enas preset
TRAIN_IMAGES = 45_000  # of CIFAR-10, when 5,000 validate
VALIDATED = 500  # images on which deriving is timed
ARCHITECTURES = 4  # whose times are averaged for a whole search


@dataclass(frozen=True)
class Quantity:
    """One option of a script with the values to try, the others fixed, and how the time should grow with it."""

    space: str
    option: str
    values: tuple
    expected: str
    reason: str
    fixed: str = "--batch-size 32"
    job: str = args.SEARCH
    more: int = 0  # the size is so much more than the option's value

    def config(self, value):
        """The options of a script with this value."""
        return args.parse(self.space, self.job, [*self.fixed.split(), self.option, str(value)])


WIDTH = "1x1 convolutions multiply channels by channels; depthwise ones, normalization, pooling and sums are linear"
QUANTITIES = {
    "macro-layers": Quantity(
        "macro", "--num-layers", (6, 12, 24, 48), "1",
        "one operation a layer; the skip connections grow with the square, but each is one addition",
    ),
    "macro-filters": Quantity("macro", "--output-filter", (12, 24, 48, 96), "1 to 2", WIDTH + "; so do dense 3x3 and 5x5 ones"),
    "macro-batch": Quantity("macro", "--batch-size", (16, 32, 64, 128), "1", "every image costs the same", fixed=""),
    "micro-nodes": Quantity(
        "micro", "--num-nodes", (7, 12, 22, 42), "1", "two operations a node; stem, heads", fixed="--batch-size 16", more=-2
    ),
    "micro-cells": Quantity("micro", "--num-cells", (3, 6, 12, 24), "1", "one cell like the other; stem, heads", more=2),
    "micro-filters": Quantity("micro", "--output-filter", (10, 20, 40, 80), "1 to 2", WIDTH),
    "micro-batch": Quantity("micro", "--batch-size", (16, 32, 64, 128), "1", "every image costs the same", fixed=""),
    "final-macro-layers": Quantity(
        "macro", "--num-layers", (6, 12, 24, 48), "1 to 2",
        "the 1x1 convolution behind a concatenation reads every skip connection, and these grow with the square",
        fixed="--batch-size 16 --output-filter 12 --additional-filters-on-retrain 0", job=args.RETRAIN,
    ),
}  # fmt: skip


def main():
    """Print the seconds and memory for each size; returns the exit status."""
    options = _parse()
    choose_context("cpu", "0", "float", print)
    kernels = choose_kernels("cpu", options.cpu_kernels, 1, print)
    if options.whole_search:
        figures = whole_search(options.whole_search, options.repeat)
        print("\n".join(f"{name}: {value}" for name, value in ({"kernels": kernels} | figures).items()))
        return 0
    known = json.loads(MEASURED.read_text()) if MEASURED.exists() else {}
    if not options.table:
        for name in options.quantities:
            known[name] = {"kernels": kernels, **describe_machine(), "seconds": measure(QUANTITIES[name], options.repeat)}
            with atomic_write(MEASURED, "w") as file:
                file.write(_document(known))
            print(name, known[name]["seconds"], flush=True)
    print(table(known))
    return 0


def _document(known):
    """JSON with a line for each quantity."""
    return "{\n" + ",\n".join(f"{json.dumps(name)}: {json.dumps(figures)}" for name, figures in known.items()) + "\n}\n"


def _parse():
    parser = args.Parser(description=__doc__.splitlines()[0])
    parser.add_argument("--quantities", nargs="+", choices=tuple(QUANTITIES), default=tuple(QUANTITIES), help="what to vary")
    parser.add_argument("--table", action="store_true", help="measure nothing: the table of what has been timed")
    parser.add_argument("--whole-search", choices=args.IMAGES, help="seconds of a search of --preset enas, extrapolated")
    parser.add_argument("--cpu-kernels", choices=("onednn", "nnabla"), default="onednn")
    parser.add_argument("--repeat", type=int, default=5, help="steps timed, after one that does not count (5)")
    options = parser.parse_args()
    if options.repeat < 1:
        raise UserError("--repeat must be positive")
    return options


# ---- growth ---------------------------------------------------------------------------------------------------------


def measure(quantity, repeat):
    """[[size, seconds of a step]] for the values of a quantity."""
    return [[value + quantity.more, round(_step_seconds(quantity, value, repeat), 5)] for value in quantity.values]


def _step_seconds(quantity, value, repeat):
    config = quantity.config(value)
    task, architecture = make_task(config, config.batch_size), balanced_architecture(config)

    def step(number):
        task.forget_graphs()
        task.trainer.train_step(architecture, 0, 0)

    return min(times(repeat, step))


def balanced_architecture(config):
    """Operations in turn, skip connections and inputs by chance: larger ones do more of the same."""
    rng = np.random.default_rng(0)
    if config.space == "macro":
        operations = tuple(macro.OPERATIONS[index % len(macro.OPERATIONS)] for index in range(config.num_layers))
        skips = tuple(tuple((rng.random(index) < SKIP_SHARE).astype(int).tolist()) for index in range(config.num_layers))
        return macro.MacroArchitecture(operations, skips)
    return micro.MicroArchitecture(*(_balanced_cell(config.num_nodes - 2, rng) for _ in range(2)))


def _balanced_cell(num_nodes, rng):
    names = [micro.OPERATIONS[index % len(micro.OPERATIONS)] for index in range(2 * num_nodes)]
    inputs = [rng.integers(0, number + 2, 2).tolist() for number in range(num_nodes)]
    return tuple(micro.Node(x, names[2 * i], y, names[2 * i + 1]) for i, (x, y) in enumerate(inputs))


def exponents(points):
    """(over all points, over the last two): slopes of log seconds against log value."""
    values, seconds = np.log(np.array(points, float)).T
    return tuple(float(np.polyfit(values[first:], seconds[first:], 1)[0]) for first in (0, -2))


def table(known):
    """Markdown lines of what has been timed."""
    lines = ["| | sizes | seconds a step | exponent | of the largest two | expected | because |", "|---|---|---|---|---|---|---|"]
    for name, quantity in QUANTITIES.items():
        if name in known:
            points = known[name]["seconds"]
            sizes, seconds = (", ".join(f"{number:.3g}" for number in column) for column in zip(*points, strict=True))
            overall, last = exponents(points)
            cells = name.replace("-", " "), sizes, seconds, f"{overall:.2f}", f"{last:.2f}", quantity.expected, quantity.reason
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


# ---- a whole search -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seconds:
    """What the parts of a search take."""

    train: float  # a mini-batch of training
    reward: float  # a mini-batch of judging a candidate
    derive: float  # a mini-batch of measuring a derived architecture
    controller: float  # sampling the candidates, and an update from their rewards


def search_seconds(config, seconds, train_images=TRAIN_IMAGES):
    """Dict of phase -> seconds of all iterations of an alternating search."""
    steps = config.epoch_per_search * -(-train_images // config.batch_size)
    judged = config.num_candidate * config.val_iter
    measured = config.num_derive * -(-config.validation_size // EVALUATION_BATCH)
    iteration = {
        "shared weights": steps * seconds.train,
        "controller": config.controller_steps * (judged * seconds.reward + seconds.controller),
        "deriving": measured * seconds.derive,
    }
    return {phase: config.max_search_iter * value for phase, value in iteration.items()}


def whole_search(space, repeat):
    """Dict of figures: a step's parts and the days of a whole search on this machine."""
    config = args.parse(space, args.SEARCH, [])
    task = make_task(args.parse(space, args.SEARCH, ["--validation-size", str(VALIDATED)]), config.batch_size)
    search_space = SPACES[config.space].encoding(config)
    architectures = [search_space.random(np.random.default_rng(seed)) for seed in range(ARCHITECTURES)]
    parts = np.mean([_parts(task, architecture, repeat) for architecture in architectures], axis=0)
    update = controller.measure(config, repeat)
    return _figures(config, Seconds(*parts, update["sample_seconds"] + update["update_seconds"]))


def _parts(task, architecture, repeat):
    """Least seconds of training, judging and measuring a mini-batch of an architecture, the graph made anew for the first two."""

    def fresh(function, *arguments):
        task.forget_graphs()
        function(architecture, *arguments)

    train = min(times(repeat, lambda number: fresh(task.trainer.train_step, 0, 0)))
    reward = min(times(repeat, lambda number: fresh(task.evaluator.reward, 1, number)))
    derive = min(times(1, lambda number: task.evaluator.validate(architecture))) * EVALUATION_BATCH / VALIDATED
    return train, reward, derive


def _figures(config, seconds):
    parts = {f"seconds of {name}": round(value, 5) for name, value in vars(seconds).items()}
    phases = search_seconds(config, seconds)
    days = {f"days of {name}": round(value / 86400, 3) for name, value in phases.items()}
    return parts | days | {"days in all": round(sum(phases.values()) / 86400, 3)}


if __name__ == "__main__":
    report_and_exit(main)
