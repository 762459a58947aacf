import numpy as np
import pytest

from experiments.nas_bench_201 import look_ups
from experiments.nas_bench_201.space import NUM_CELLS, CellSpace
from experiments.nas_bench_201.table import Table
from tests.experiments.nas_bench_201.cells import all_cells


@pytest.fixture(scope="module")
def table():
    """As accurate as it has 3x3 convolutions."""
    return Table(np.array([10.0 + 15 * sum(cell.to_numbers() == 3) for cell in all_cells()]))


def test_best_so_far():
    table, truth = Table(np.zeros(NUM_CELLS)), Table(np.arange(NUM_CELLS, dtype=float))
    table.accuracy[[7, 3]] = 1, 2
    assert look_ups.best_so_far([5, 7, 9, 3], table, truth, budgets=(1, 2, 3, 4)) == [5, 7, 7, 3]


@pytest.mark.parametrize(
    "method",
    [look_ups.evolution, lambda *a: look_ups.reinforce(*a, rate=0.03, candidates=10, eps=1e-8)],
    ids=["evolution", "lstm"],
)
def test_methods_that_learn_look_up_better_cells_at_the_end(method, table):
    looked_up, _ = method(table, 300, 0)
    assert len(looked_up) == 300
    assert table.accuracy[looked_up[-50:]].mean() > table.accuracy.mean() + 15


def test_chance_does_not_learn(table):
    looked_up, _ = look_ups.random_search(table, 300, 0)
    assert len(set(looked_up)) > 280
    assert abs(table.accuracy[looked_up].mean() - table.accuracy.mean()) < 3


def test_a_mutation_changes_one_operation():
    rng, cell = np.random.default_rng(0), all_cells()[1234]
    children = [look_ups._mutated(cell, CellSpace(), rng) for _ in range(200)]
    assert {sum(child.to_numbers() != cell.to_numbers()) for child in children} == {1}
    assert len(set(children)) == 24


def test_settings_are_chosen_by_the_table_alone(table):
    settings = [{"rate": rate, "candidates": 10, "eps": 1e-8} for rate in (1e-6, 0.03)]
    chosen, tried = look_ups.choose_settings(table, lambda line: None, settings, seeds=[0], budgets=(100, 300))
    assert chosen == settings[1]
    assert len(tried) == 2
