import numpy as np
import pytest

import args
from benchmarks import growth


def test_the_exponent_of_a_power_and_of_a_sum():
    assert growth.exponents([[x, 3 * x**1.5] for x in (1, 2, 4, 8)]) == pytest.approx((1.5, 1.5))
    overall, last = growth.exponents([[x, 10 + x**2] for x in (1, 2, 4, 8)])
    assert 0 < overall < last < 2


@pytest.mark.parametrize("name", ["macro-layers", "micro-nodes", "micro-cells", "final-macro-layers"])
def test_larger_architectures_hold_the_same_operations_in_the_same_shares(name):
    quantity = growth.QUANTITIES[name]
    counts = []
    for value in quantity.values:
        architecture = growth.balanced_architecture(quantity.config(value))
        if quantity.space == "macro":
            operations = architecture.operations
        else:
            operations = [x for node in architecture.normal for x in (node.operation_x, node.operation_y)]
        counts.append(np.unique(operations, return_counts=True)[1] / len(operations))
    np.testing.assert_allclose(counts, np.broadcast_to(counts[0], np.shape(counts)))
    assert np.ptp(counts[0]) == 0


def test_a_whole_search_counts_every_mini_batch():
    config = args.parse("macro", "search", ["--max-search-iter", "2", "--controller-steps", "3", "--num-candidate", "5"])
    phases = growth.search_seconds(config, growth.Seconds(train=1, reward=10, derive=100, controller=1000), 1000)
    assert phases == {"shared weights": 2 * 8, "controller": 2 * 3 * (5 * 10 + 1000), "deriving": 2 * 10 * 50 * 100}


def test_the_table_shows_what_has_been_timed_and_nothing_else():
    known = {"macro-batch": {"seconds": [[16, 0.1], [32, 0.2], [64, 0.4]]}}
    *_, line, row = growth.table(known).splitlines()
    assert row.startswith("| macro batch | 16, 32, 64 | 0.1, 0.2, 0.4 | 1.00 | 1.00 | 1 |")
    assert set(line) == {"|", "-"}
