"""What a controller learns from shared weights that stand still: the one question of a search without the other.

Chance trains the shared weights; on the way their ranking of fixed cells is measured. Then each controller learns from rewards of
the same frozen weights. All is judged by the tuning column (12 epochs, validation), so that settings may be chosen by it.
"""

from types import SimpleNamespace

import numpy as np

from experiments.nas_bench_201.measures import policy_measures
from experiments.nas_bench_201.search import make_policy, make_task, ranks
from experiments.nas_bench_201.settings import ARMS, options_of
from experiments.nas_bench_201.space import CellSpace
from training.policies import RandomPolicy, Sampler

BASE = "ENAS, trained by chance"
CONTROLLERS = {
    "as in the searches": {},
    "rate 0.001": {"control_lr": 0.001},
    "rate 0.01": {"control_lr": 0.01},
    "no bound of the logits": {"tanh_constant": None},
    "entropy weight 0.0001": {"entropy_weight": 1e-4},
    "rewards on 256 images": {"val_iter": 4},
    "as the preset `enas`": ARMS["ENAS, slow"],
}
UPDATES = 240
SHOWN = 4  # points of a curve


def explore(dataset, table, seed, say, changes=(), controllers=None, updates=UPDATES):
    """Dict for JSON: the ranks while the weights are trained, and of each controller the policy as it learns."""
    config = SimpleNamespace(**options_of(BASE, seed, changes))
    task = make_task(config, dataset)
    ranks = train_by_chance(task, config, table, say)
    curves = {}
    for name, setting in (CONTROLLERS if controllers is None else controllers).items():
        curves[name] = _learn(SimpleNamespace(**vars(config) | setting), task, table, updates)
        say(f"{name}: {curves[name]}")
    return {"seed": seed, "settings": vars(config), "ranks": ranks, "controllers": curves}


def train_by_chance(task, config, table, say):
    """Train the shared weights of `task`; returns the `rank_measures` every `rank_every` epochs."""
    sampler, measured = Sampler(RandomPolicy(CellSpace(), config.seed), 10), []
    for epoch in range(config.max_search_iter * config.epoch_per_search):
        task.trainer.reset_averages()
        for step in range(task.trainer.steps(epoch)):
            task.trainer.train_step(sampler.one(epoch, step), epoch, step)
        if (epoch + 1) % config.rank_every == 0:
            measured.append({"epochs": epoch + 1, **task.trainer.averages(), **ranks(task, config, table, config.rank_cells)})
            say(str(measured[-1]))
    return measured


def _learn(config, task, table, updates):
    """The curve of a controller: `SHOWN` times the exact measures of its policy."""
    policy, log_policy_now = make_policy(config)
    curve = [_rounded({"update": 0, **policy_measures(log_policy_now(), table)})]
    for update in range(updates):
        cells = policy.sample("controller", 0, update, first=0, count=config.num_candidate)
        rewards = [task.evaluator.reward(cell, config.val_iter, 0, update, index) for index, cell in enumerate(cells)]
        policy.update("controller", 0, update, qualities=rewards)
        if (update + 1) % max(1, updates // SHOWN) == 0:
            measures = policy_measures(log_policy_now(), table) | {"reward": float(np.mean(rewards))}
            curve.append(_rounded({"update": update + 1, **measures}))
    return curve


def _rounded(measures):
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in measures.items()}
