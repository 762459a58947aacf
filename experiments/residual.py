"""Train a plain residual network just as a retraining trains what a search found, to be set beside it.

    python -m experiments.residual --preset evening --output-filter 40 --data-dir CIFAR

Two blocks in each of three stages, the filters doubled from one to the next: the network of `experiments/nas_bench_201` with a
cell of two 3x3 convolutions beside a skip connection. Options and files are those of `macro_retrain.py`, without the report.
"""

from dataclasses import replace

import args
from errors import report_and_exit
from experiments.nas_bench_201.network import CellNetwork
from experiments.nas_bench_201.space import Cell
from runs.retrain_job import RetrainJob
from runs.spawned import in_processes, number_of_processes
from spaces import MACRO

BLOCK = Cell(("nor_conv_3x3", "none", "nor_conv_3x3", "skip_connect", "none", "skip_connect"))
BLOCKS = 2  # in a stage
RESIDUAL = replace(
    MACRO,
    final_network=lambda options, scope, num_classes: CellNetwork(scope, num_classes, options.output_filter, BLOCKS),
    size_option=None,
    size_of=lambda architecture: None,
)


class ResidualJob(RetrainJob):
    """A retraining of the one network, which nobody searched."""

    def __init__(self, config):
        super().__init__(RESIDUAL, config, BLOCK)

    def make_loop(self, run, task):
        """As of `RetrainJob`."""
        run.report.update = lambda *_, **__: None  # it draws the architectures of the project's own spaces
        return super().make_loop(run, task)

    def outcome(self, run, loop, returned):
        """As of `RetrainJob`, without a word of the report."""
        outcome = super().outcome(run, loop, returned)
        return outcome | {"summary": [line for line in outcome["summary"] if not line.startswith("report:")]}


def main():
    """Train; returns the exit status."""
    config = args.parse("macro", args.RETRAIN)
    return in_processes(number_of_processes(config), lambda: ResidualJob(config).run()[1].get("status", 0))


if __name__ == "__main__":
    report_and_exit(main, resumes=True)
