"""Does the controller find what is rewarded? A planted architecture replaces trained networks.

    python -m benchmarks.planted_reward --space macro --target operations

The reward of a candidate is the share of its choices that are those of the planted architecture. The tanh constant
bounds the logits, so no policy can expect a reward of 1: with 6 operations and a constant of 1.5 the probability of
one is at most e^1.5 / (e^1.5 + 5 e^-1.5) = 0.80. The result gives the reward, the most that a policy within its bounds
can expect, and the share of it that was reached; 0.95 of it passes, and the exit status is 1 below that.
"""

import argparse
import time
from dataclasses import dataclass

import numpy as np

import args
from benchmarks.controller import make_learner, show
from errors import UserError, report_and_exit
from models.controller import MicroController
from models.recurrent_controllers import RecurrentController
from search_spaces.recurrent import FUNCTIONS

TARGETS = {
    "macro": ("operations", "skips", "both"),
    "micro": ("operations", "indices", "both"),
    "recurrent": ("operations", "indices", "both"),
}
# What differs from `--preset enas`: rates that learn in 500 updates (at three times the micro one some seeds fall back to
# chance), no penalty for the share of skips, and a baseline that follows the recurrent rewards within those updates.
SETTINGS = {
    "macro": ["--control-lr", "0.01", "--skip-weight", "0"],
    "micro": ["--control-lr", "0.005"],
    "recurrent": ["--control-lr", "0.002", "--baseline-decay", "0.99"],
}
LAST, ENOUGH = 20, 0.95


@dataclass(frozen=True)
class Choice:
    """One number of an architecture: the bounds `(actions,)` that the policy's logits cannot leave."""

    is_operation: bool
    lowest: np.ndarray
    highest: np.ndarray

    def most_probable(self, action):
        """The highest probability that the policy can give to `action`."""
        others = np.delete(self.lowest, action)
        return 1 / (1 + np.exp(others - self.highest[action]).sum())


def choices_of(config, space):
    """A `Choice` per number of an architecture, in the order of `to_numbers()`."""
    return {"macro": _macro_choices, "micro": _micro_choices, "recurrent": _recurrent_choices}[space.name](config, space)


def _bounded(is_operation, center, limit):
    return Choice(is_operation, center - limit, center + limit)


def _macro_choices(config, space):
    operation = _bounded(True, np.zeros(space.num_ops), config.tanh_constant)
    bit = _bounded(False, np.zeros(2), config.tanh_constant)
    return [choice for layer in range(space.num_layers) for choice in [operation] + [bit] * layer]


def _micro_choices(config, space):
    limit, strength = config.tanh_constant / config.op_tanh_reduce, float(config.op_prior == "authors")
    bias = np.float32(MicroController.first_bias[: space.num_ops]) * strength
    # Where tanh of the first bias is 1 in float32, its gradient is 0: that logit stays at its upper bound.
    fixed = np.where(np.tanh(bias / (config.temperature or 1)) == 1, limit, -limit)
    choices = []
    for offset in (strength * np.array(MicroController.normal_bias[: space.num_ops]), np.zeros(space.num_ops)):
        operation = Choice(True, offset + fixed, offset + limit)
        for node in range(space.num_nodes):
            choices += [_bounded(False, np.zeros(node + 2), config.tanh_constant), operation] * 2
    return choices


def _recurrent_choices(config, space):
    function = _bounded(True, np.zeros(len(FUNCTIONS)), config.tanh_constant)
    choices = []
    for node in range(1, space.num_nodes + 1):
        distance = np.arange(node, 0, -1)
        center = -(distance**2) / RecurrentController.distance_divisor
        choices += [_bounded(False, center, config.tanh_constant), function]
    return choices


def planted_numbers(space, choices, pattern, seed):
    """The numbers `(choices,)` of the planted architecture.

    "constant": one operation, chosen by `seed`, everywhere; every skip; every micro input the previous cell; every
    recurrent node reads the one before it. "random": an architecture drawn with `seed`.
    """
    rng = np.random.default_rng(seed)
    if pattern == "random":
        return space.random(rng).to_numbers().ravel()
    operation = rng.integers(next(len(choice.lowest) for choice in choices if choice.is_operation))
    connections = [len(choice.lowest) - 1 if space.name == "recurrent" else 1 for choice in choices]
    return np.where([choice.is_operation for choice in choices], operation, connections)


def share(values, choices, target):
    """Mean of `values` (..., choices) over the choices that the target counts; "both": each kind has the same weight."""
    is_operation = np.array([choice.is_operation for choice in choices])
    operations, connections = values[..., is_operation].mean(-1), values[..., ~is_operation].mean(-1)
    if target == "both":
        return (operations + connections) / 2
    return operations if target == "operations" else connections


def learn(config, target, pattern, updates):
    """Dict with the mean reward of the last updates, and what it is to be compared with."""
    learner = make_learner(config)
    space = learner.controller.space
    choices = choices_of(config, space)
    planted = planted_numbers(space, choices, pattern, config.seed)
    rewards = [_update(learner, choices, target, planted, step) for step in range(updates)]
    reward = np.mean(rewards[-LAST:])
    most = np.array([choice.most_probable(action) for choice, action in zip(choices, planted, strict=True)])
    uniform = np.array([1 / len(choice.lowest) for choice in choices])
    reachable = share(most, choices, target)
    return {
        "reward": round(float(reward), 4),
        "reachable_maximum": round(float(reachable), 4),
        "share_of_reachable": round(float(reward / reachable), 4),
        "uniform_policy": round(float(share(uniform, choices, target)), 4),
        "passed": bool(reward >= ENOUGH * reachable),
    }


def _update(learner, choices, target, planted, step):
    """One update; returns the mean reward of its candidates."""
    controller = learner.controller
    noise = controller.draw_noise(lambda row: np.random.default_rng([controller.scope.seed, step, row]))
    sample = controller.sample(noise)
    found = np.stack([architecture.to_numbers().ravel() for architecture in sample.architectures])
    rewards = share(found == planted, choices, target)
    learner.update(sample, noise, rewards)
    return rewards.mean()


def main():
    """Print how soon the controller finds what is rewarded; returns the exit status."""
    options, more = _parser().parse_known_args()
    if options.target not in TARGETS[options.space]:
        raise UserError(f"--target of the {options.space} space must be one of {', '.join(TARGETS[options.space])}")
    if options.updates < LAST:
        raise UserError(f"--updates must be at least {LAST}, found {options.updates}")
    seed = ["--seed", str(options.seed)]
    config = args.parse(options.space, args.SEARCH, [*SETTINGS[options.space], *more, *seed])
    start = time.perf_counter()
    result = learn(config, options.target, options.pattern, options.updates)
    show(
        {
            **{name: getattr(options, name) for name in ("space", "target", "pattern", "seed", "updates")},
            "differs_from_enas": _differences(config),
            **result,
            "seconds": round(time.perf_counter() - start, 1),
        },
        options.json,
    )
    return 0 if result["passed"] else 1


def _differences(config):
    """Options of the controller that are not those of `--preset enas`."""
    preset = args.parse(config.space, args.SEARCH, []).options()
    return {name: value for name, value in config.options().items() if value != preset[name] and name != "seed"}


def _parser():
    settings = "; ".join(f"{space}: {' '.join(options)}" for space, options in SETTINGS.items())
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog=f"Settings are those of --preset enas, but for {settings}. Any option of the searches for the controller "
        "can be added, such as --tanh-constant 5.",
        allow_abbrev=False,
    )
    parser.add_argument("--space", choices=args.SPACES, default="macro")
    parser.add_argument(
        "--target", default="operations", help="what is rewarded: operations; skips (macro) or indices; both [operations]"
    )
    parser.add_argument(
        "--pattern",
        choices=("constant", "random"),
        default="constant",
        help="constant: one operation everywhere, every skip, input 1, the node before; random: an architecture drawn "
        "with the seed, which differs from place to place: a controller that starts as the authors' does not learn "
        "that in 500 updates [constant]",
    )
    parser.add_argument("--updates", type=int, default=500, help="[500]")
    parser.add_argument("--seed", type=int, default=0, help="[0]")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


if __name__ == "__main__":
    report_and_exit(main)
