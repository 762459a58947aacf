"""What is known of a policy and of shared weights when every true accuracy is known. Accuracies in %."""

import numpy as np
from scipy import stats


def policy_measures(log_policy, truth):
    """Exact, from `log_policy` (15625,) and a `Table`: expected true accuracy, probability of the top 5 %, entropy in nats."""
    p = np.exp(log_policy)
    return {
        "expected": float(p @ truth.accuracy),
        "top_5": float(p[truth.top].sum()),
        "entropy": float(-p @ log_policy),
        "most_likely": float(truth.accuracy[p.argmax()]),
    }


def rank_measures(shared, true, cost, bands=5):
    """How `shared` accuracies (cells,) rank cells of `true` ones: correlations, in all and within bands of equal `cost`.

    `precision`: which share of the best 5 % by shared accuracy is in the true best 5 %.
    """
    shared, true, cost = map(np.asarray, (shared, true, cost))
    parts = [rows for rows in np.array_split(np.argsort(cost, kind="stable"), bands) if len(rows) > 2]
    within = [_spearman(shared[rows], true[rows]) for rows in parts]
    best = max(1, round(0.05 * len(true)))
    top = set(np.argsort(-true)[:best])
    return {
        "spearman": _spearman(shared, true),
        "kendall": float(np.nan_to_num(stats.kendalltau(shared, true).statistic)),
        "precision": len(top & set(np.argsort(-shared, kind="stable")[:best])) / best,
        "within_bands": float(np.mean(within)) if within else 0.0,
        "cost": _spearman(cost, true),
    }


def _spearman(a, b):
    """0 where one of them is constant: it ranks nothing."""
    return float(stats.spearmanr(a, b).statistic) if np.ptp(a) > 0 and np.ptp(b) > 0 else 0.0
