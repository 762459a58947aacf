import math

import numpy as np
import pytest
from scipy import stats

from experiments.measures import by_arm, last_iteration, mean_and_spread, paired_difference, rank_correlations, repeatability


def test_values_are_kept_apart_by_arm_and_seed():
    rows = [("a", 1, 3), ("b", 1, 4), ("a", 0, 5)]
    items = [{"arm": arm, "seed": seed, "retrained": value} for arm, seed, value in rows]
    assert by_arm(items) == {"a": {1: [3], 0: [5]}, "b": {1: [4]}}


def test_mean_and_spread_are_those_of_numpy():
    values = [0.1, 0.4, 0.35]
    assert mean_and_spread(values) == pytest.approx((np.mean(values), np.std(values, ddof=1)))
    assert math.isnan(mean_and_spread([1])[1])


def test_the_interval_of_paired_seeds_is_the_t_tests():
    of = {0: [0.50, 0.52], 1: [0.58, 0.54], 2: [0.61, 0.55], 7: [0.9]}
    against = {2: [0.50], 0: [0.49, 0.47], 1: [0.51, 0.57]}
    differences = [np.mean(of[seed]) - np.mean(against[seed]) for seed in (0, 1, 2)]
    low, high = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    mean, half = paired_difference(of, against)
    assert (mean - half, mean + half) == pytest.approx((low, high))
    assert math.isnan(paired_difference({0: [1]}, {0: [2]})[1])


def test_ranks_are_compared_within_a_seed_alone():
    rows = [(0, "a", 1, 10), (0, "b", 2, 20), (0, "c", 3, 15), (1, "a", 9, 1), (1, "b", 8, 2), (1, "c", 7, 3), (2, "a", 1, 1)]
    items = [dict(zip(("seed", "architecture", "shared", "retrained"), row, strict=True)) for row in rows]
    assert rank_correlations(items) == pytest.approx([0.5, -1.0])


def test_an_architecture_that_two_arms_chose_counts_once():
    rows = [("a", 1, 10), ("b", 2, 20), ("c", 3, 15), ("c", 3, 15), ("c", 3, 15)]
    items = [{"seed": 0, "architecture": a, "shared": s, "retrained": r} for a, s, r in rows]
    assert rank_correlations(items) == pytest.approx([0.5])


def twice(first, again, seed):
    return [{"arm": "plain random", "seed": seed, "first": a, "retrained": b} for a, b in zip(first, again, strict=True)]


def test_two_trainings_of_the_same_architectures():
    first, again = np.array([0.40, 0.44, 0.42, 0.50]), np.array([0.43, 0.45, 0.41, 0.49])
    correlations, noise = repeatability(twice(first, again, seed=0))
    assert correlations == pytest.approx([0.8]) and noise == pytest.approx(np.std(again - first, ddof=1) / np.sqrt(2))


def test_what_a_seed_shifts_is_no_noise():
    first, again = np.array([0.40, 0.44, 0.42, 0.50]), np.array([0.43, 0.45, 0.41, 0.49])
    correlations, noise = repeatability(twice(first, again, seed=0) + twice(first + 0.1, again - 0.3, seed=1))
    assert correlations == pytest.approx([0.8, 0.8]) and noise == pytest.approx(np.std(again - first, ddof=1) / np.sqrt(2))


def test_the_noise_of_a_training_is_found():
    rng = np.random.default_rng(0)
    architectures = rng.normal(0, 3, 20_000)
    first, again = (architectures + rng.normal(0, 0.5, architectures.size) for _ in range(2))
    assert repeatability(twice(first, again + 7, seed=0))[1] == pytest.approx(0.5, rel=0.03)


def test_what_was_derived_last():
    searches = [{"arm": "a", "seed": 4, "derived": [[0, 0.9], [1, 0.2], [1, 0.3]]}]
    assert last_iteration(searches) == {"a": {4: [0.2, 0.3]}}
