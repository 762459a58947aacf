import lzma

import numpy as np
import pytest

from errors import UserError
from experiments.nas_bench_201.measures import policy_measures, rank_measures
from experiments.nas_bench_201.space import NUM_CELLS
from experiments.nas_bench_201.table import TRUTH, Table, read_table
from tests.experiments.nas_bench_201.cells import all_cells


def text(cells):
    rows = [f"{cell.index / 1000},{cell.to_string()}" for cell in reversed(cells)]
    return "\n".join([",".join(TRUTH), *rows]) + "\n"


def test_a_table_is_read_in_the_order_of_the_cells(tmp_path):
    path = tmp_path / "table.csv.xz"
    path.write_bytes(lzma.compress(text(all_cells()).encode(), preset=0))
    table = read_table(path, TRUTH)
    assert np.array_equal(table.accuracy, np.arange(NUM_CELLS) / 1000)
    assert table.top.sum() == 782


def test_a_table_that_is_damaged_or_of_something_else_is_refused(tmp_path):
    path = tmp_path / "table.csv"
    for content in (text(all_cells()[1:]), "a,b\n1,2\n", text(all_cells()).replace("~2", "~1", 1)):
        path.write_text(content)
        with pytest.raises(UserError):
            read_table(path, TRUTH)
    with pytest.raises(UserError, match="No such file"):
        read_table(tmp_path / "other.csv", TRUTH)


def test_measures_of_a_policy():
    truth = Table(np.arange(NUM_CELLS, dtype=float))
    uniform = policy_measures(np.full(NUM_CELLS, -np.log(NUM_CELLS)), truth)
    assert uniform["expected"] == pytest.approx(truth.accuracy.mean())
    assert uniform["entropy"] == pytest.approx(np.log(NUM_CELLS))
    assert uniform["top_5"] == pytest.approx(782 / NUM_CELLS)
    sure = np.full(NUM_CELLS, -100.0)
    sure[-1] = 0.0
    assert policy_measures(sure, truth)["expected"] == pytest.approx(NUM_CELLS - 1)
    assert policy_measures(sure, truth)["most_likely"] == NUM_CELLS - 1


def test_measures_of_a_ranking():
    true, rng = np.arange(100.0), np.random.default_rng(0)
    perfect = rank_measures(true**3, true, rng.random(100))
    assert [perfect[name] for name in ("spearman", "kendall", "precision", "within_bands")] == pytest.approx([1] * 4)
    by_cost = rank_measures(true // 20, true, true)  # knows the cost alone
    assert by_cost["cost"] == pytest.approx(1) and by_cost["spearman"] > 0.9 and by_cost["within_bands"] == 0
    assert rank_measures(-true, true, true)["spearman"] == pytest.approx(-1)
    assert rank_measures(np.zeros(100), true, true)["spearman"] == 0
