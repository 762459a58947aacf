"""The policy gradient alone: ways of choosing cells that may look up a few accuracies, without any network.

On NAS-Bench-201 rewards are accuracies after 12 epochs on the validation images; what is found is judged by the truth, the test
accuracy after 200 epochs. A cell that is looked up again costs a look-up again. `Table.space` says of what the tables are.
"""

import collections
import time
from types import SimpleNamespace

import numpy as np

from experiments.nas_bench_201.controller import ChainController, log_policy
from models.parameters import ParameterScope
from training.policies import LearnedPolicy, RandomPolicy
from training.randomness import generator
from training.reinforce import Reinforce

BUDGETS = (50, 100, 200, 500)
POPULATION, SAMPLE = 10, 3  # of regularized evolution (Real et al. 2019, arXiv:1802.01548), as the benchmark's authors chose
TUNING_SEEDS = range(1000, 1020)
SETTINGS = [
    {"rate": rate, "candidates": candidates, "eps": eps}
    for rate, eps in ((0.003, 1e-8), (0.01, 1e-8), (0.03, 1e-8), (0.03, 1e-3), (0.1, 1e-3), (0.3, 1e-3))
    for candidates in (5, 10)
]
_OPTIONS = SimpleNamespace(lstm_size=64, lstm_layers=1, temperature=None, tanh_constant=2.5)


def random_search(table, look_ups, seed):
    """Indices (look_ups,) of the cells looked up, in order; and what is to be told of it."""
    cells = RandomPolicy(table.space, seed).sample("look-ups", first=0, count=look_ups)
    return [cell.index for cell in cells], {}


def evolution(table, look_ups, seed):
    """Regularized evolution: the best of SAMPLE members gets a child with one other operation, the oldest member dies."""
    rng = generator(seed, "evolution")
    population, looked_up = collections.deque(), []
    while len(looked_up) < look_ups:
        if len(population) < POPULATION:
            child = table.space.random(rng)
        else:
            members = rng.choice(len(population), SAMPLE, replace=False)
            child = _mutated(max((population[i] for i in members), key=table.__getitem__), table.space, rng)
            population.popleft()
        population.append(child)
        looked_up.append(child.index)
    return looked_up, {}


def _mutated(cell, space, rng):
    numbers, decisions = cell.to_numbers(), space.decisions()
    place = rng.integers(len(decisions))
    width = len(decisions[place].options)
    numbers[place] = (numbers[place] + rng.integers(1, width)) % width
    return space.architecture.from_numbers(numbers)


def reinforce(table, look_ups, seed, rate, candidates, eps):
    """The project's controller and policy gradient; the last policy as probabilities by index."""
    controller = ChainController(table.space, _OPTIONS, ParameterScope(seed), candidates)
    controller.adam = {**controller.adam, "eps": eps}
    policy = LearnedPolicy(controller, Reinforce(controller, rate, baseline_decay=0.9, entropy_weight=1e-4), seed)
    looked_up = []
    for update in range(look_ups // candidates):
        cells = policy.sample("look-ups", update, first=0, count=candidates)
        policy.update("look-ups", update, qualities=[table[cell] / 100 for cell in cells])
        looked_up += [cell.index for cell in cells]
    return looked_up, {"policy": np.exp(log_policy(controller))}


def best_so_far(looked_up, table, truth, budgets=BUDGETS):
    """[truth of the cell with the best `table` accuracy among the first `budget` looked up]."""
    return [float(truth.accuracy[max(looked_up[:budget], key=table.accuracy.__getitem__)]) for budget in budgets]


def choose_settings(table, say, settings=SETTINGS, seeds=TUNING_SEEDS, budgets=BUDGETS):
    """Of `settings` the one that finds the best by `table`, in the mean over seeds and budgets; [settings and mean] of all."""
    tried = []
    for setting in settings:
        runs = [reinforce(table, max(budgets), seed, **setting)[0] for seed in seeds]
        found = float(np.mean([best_so_far(run, table, table, budgets) for run in runs]))
        tried.append(setting | {"found": round(found, 4)})
        say(f"{setting}: {found:.3f}")
    best = max(tried, key=lambda item: item["found"])
    return {name: best[name] for name in ("rate", "candidates", "eps")}, tried


def compare(table, truth, seeds, say):
    """Dict for JSON: the settings tried and, by method, what every seed finds with every budget, and seconds of CPU."""
    chosen, tried = choose_settings(table, say)
    methods = {"REINFORCE": (reinforce, chosen), "random search": (random_search, {}), "regularized evolution": (evolution, {})}
    result = {"budgets": BUDGETS, "seeds": len(seeds), "tuning": tried, "chosen": chosen, "methods": {}}
    for name, (method, settings) in methods.items():
        result["methods"][name] = _repeated(lambda seed: method(table, max(BUDGETS), seed, **settings), table, truth, seeds)  # noqa: B023
        say(f"{name}: {summary(result['methods'][name])}")
    return result


def _repeated(method, table, truth, seeds):
    start, found, expected, first, last = time.process_time(), [], [], [], []
    for seed in seeds:
        looked_up, told = method(seed)
        found.append([round(value, 3) for value in best_so_far(looked_up, table, truth)])
        first.append(truth.accuracy[looked_up[:100]].mean())
        last.append(truth.accuracy[looked_up[-100:]].mean())
        if "policy" in told:
            expected.append(float(told["policy"] @ truth.accuracy))
    seconds = (time.process_time() - start) / len(seeds)
    means = {"first_100": float(np.mean(first)), "last_100": float(np.mean(last))}
    if expected:
        means["policy"] = float(np.mean(expected))
    return {"true_accuracy": found, "seconds_of_cpu_each": round(seconds, 3), "mean_true_accuracy": means}


def summary(method):
    """[(mean, standard deviation)] by budget, rounded."""
    values = np.array(method["true_accuracy"])
    return [(round(m, 2), round(s, 2)) for m, s in zip(values.mean(axis=0), values.std(axis=0, ddof=1), strict=True)]
