"""Figures out of results: means and spreads by arm, paired differences, rank correlation."""

import math
import statistics

from scipy import stats

PLAIN = "plain random"
CONFIDENCE = 0.95


def by_arm(items, key="retrained"):
    """Dict: arm -> dict: seed -> list of `key`, in the order of the items (dicts with arm and seed)."""
    arms = {}
    for item in items:
        arms.setdefault(item["arm"], {}).setdefault(item["seed"], []).append(item[key])
    return arms


def mean_and_spread(values):
    """Mean and standard deviation (n - 1) of a list; a spread of nan for one value."""
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else math.nan


def paired_difference(of, against):
    """Mean over the seeds of the difference between the means of two arms (dicts seed -> list), and half its 95 % interval.

    The interval is Student's t; nan for one seed.
    """
    seeds = sorted(of.keys() & against.keys())
    differences = [statistics.fmean(of[seed]) - statistics.fmean(against[seed]) for seed in seeds]
    mean, spread = mean_and_spread(differences)
    if len(differences) < 2:
        return mean, math.nan
    return mean, float(stats.t.ppf((1 + CONFIDENCE) / 2, len(differences) - 1)) * spread / math.sqrt(len(differences))


def derived_means(rows):
    """Mean quality of the architectures that each iteration derived."""
    iterations = sorted({row.iteration for row in rows})
    return [statistics.fmean(row.quality for row in rows if row.iteration == iteration) for iteration in iterations]


def wilcoxon(pairs):
    """p of Wilcoxon's signed-rank test, two-sided, of pairs (a, b); 1 where all are equal."""
    differences = [a - b for a, b in pairs]
    return float(stats.wilcoxon(differences).pvalue) if any(differences) else 1.0


def rank_correlations(items):
    """Spearman's rank correlation between `shared` and `retrained` in each seed: list, without seeds where it is undefined.

    Only architectures of one search compare: they were judged with the same shared weights.
    """
    correlations = []
    for seed in sorted({item["seed"] for item in items}):
        points = {item["architecture"]: (item["shared"], item["retrained"]) for item in items if item["seed"] == seed}
        if len(points) > 2:
            correlation = stats.spearmanr(*zip(*points.values(), strict=True)).statistic
            if not math.isnan(correlation):
                correlations.append(float(correlation))
    return correlations


def repeatability(items):
    """Of plain random architectures trained twice (dicts with arm, seed, first and retrained): rank correlations and noise.

    Those of one seed began alike and saw the images in one order, so they are compared with each other alone: a list by seed of
    Spearman's correlations, and the noise of one training: the standard deviation of the differences around their seed's mean, by
    the square root of 2.
    """
    first, again = (by_arm(items, key)[PLAIN] for key in ("first", "retrained"))
    pairs = [(first[seed], again[seed]) for seed in sorted(first)]
    rest = [b - a - (statistics.fmean(again) - statistics.fmean(first)) for first, again in pairs
            for a, b in zip(first, again, strict=True)]  # fmt: skip
    noise = math.sqrt(sum(value * value for value in rest) / (len(rest) - len(pairs)) / 2)
    return [float(stats.spearmanr(first, again).statistic) for first, again in pairs], noise


def last_iteration(searches):
    """Of searches (dicts with arm, seed and derived, pairs of iteration and quality): arm -> seed -> qualities derived last."""
    arms = {}
    for search in searches:
        last = search["derived"][-1][0]
        qualities = [quality for iteration, quality in search["derived"] if iteration == last]
        arms.setdefault(search["arm"], {})[search["seed"]] = qualities
    return arms
