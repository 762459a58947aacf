"""How long the controller takes: building its graph, sampling a batch, one update.

    python -m benchmarks.controller --space macro --json

The controller is that of `--preset enas`. Medians; the first three rounds warm up and do not count.
"""

import argparse
import json
import statistics
import time

import numpy as np

import args
from benchmarks.machine import describe_machine
from errors import UserError, report_and_exit
from models.parameters import ParameterScope
from spaces import SPACES
from training.reinforce import Reinforce

WARM_UP = 3


def make_learner(config):
    """The policy gradient of a new controller, as the options of a search describe both."""
    scope = ParameterScope(config.seed) / "controller"
    controller = SPACES[config.space].make_controller(config, scope)
    return Reinforce(
        controller, config.control_lr, config.baseline_decay, config.entropy_weight, config.use_variance_reduction
    )


def measure(config, repeat):
    """Dict: seconds to build the graph, to sample `num_candidate` architectures, to update, and the sizes."""
    start = time.perf_counter()
    learner = make_learner(config)
    build = time.perf_counter() - start
    rounds = [_round(learner, config.num_candidate, step) for step in range(WARM_UP + repeat)][WARM_UP:]
    sample, update = (statistics.median(seconds) for seconds in zip(*rounds, strict=True))
    return {
        "sample_seconds": round(sample, 5),
        "update_seconds": round(update, 5),
        "build_seconds": round(build, 5),
        "space": str(learner.controller.space),
        "candidates": config.num_candidate,
        "lstm_size": config.lstm_size,
        "lstm_layers": config.lstm_layers,
        "parameters": sum(variable.size for variable in learner.controller.parameters().values()),
        "repeat": repeat,
    }


def _round(learner, candidates, step):
    """Seconds of drawing a batch, its noise included, and of the update from it."""
    start = time.perf_counter()
    noise = learner.controller.draw_noise(lambda row: np.random.default_rng([step, row]))
    sample = learner.controller.sample(noise)
    sampled = time.perf_counter()
    learner.update(sample, noise, np.linspace(0, 1, candidates))
    return sampled - start, time.perf_counter() - sampled


def show(result, as_json):
    """Print a result as one JSON object or a line per field."""
    print(json.dumps(result) if as_json else "\n".join(f"{name}: {value}" for name, value in result.items()))


def main():
    """Print the seconds of sampling and updating; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--space", choices=args.SPACES, default="macro")
    parser.add_argument("--candidates", type=int, default=10, help="architectures in a sample and in an update [10]")
    parser.add_argument("--repeat", type=int, default=30, help="rounds measured [30]")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    if min(options.candidates, options.repeat) < 1:
        raise UserError("--candidates and --repeat must be at least 1")
    config = args.parse(options.space, args.SEARCH, ["--num-candidate", str(options.candidates)])
    show({**measure(config, options.repeat), **describe_machine()}, options.json)
    return 0


if __name__ == "__main__":
    report_and_exit(main)
