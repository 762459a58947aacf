import io

import pytest

from experiments.nas_bench_201.summary import draw_curves, look_ups_table, searches_table


def search(arm, seed, derived):
    rows = [{"iteration": i, "expected": 80.0 + i, "derived": derived - 1 + i} for i in range(2)]
    rows[-1]["ranks"] = {"spearman": 0.5}
    return {"arm": arm, "seed": seed, "iterations": rows}


SEARCHES = [
    *(search("random", seed, 90 + seed) for seed in range(3)),
    *(search("ENAS", seed, 92 + seed) for seed in range(3)),
    search("ENAS", 7, 50),
]  # fmt: skip


def test_searches_are_paired_by_seed():
    random, enas = searches_table(SEARCHES).splitlines()[2:]
    assert random.split(" | ")[1:3] == ["3", "91.00 ± 1.00"]
    assert enas.split(" | ")[1:3] == ["4", "82.25 ± 21.52"]
    assert enas.split(" | ")[3:] == ["+2.00 ± 0.00 (3 pairs)", "0.250", "81.00", "0.50 |"]


def test_without_pairs_there_is_no_difference():
    assert searches_table(SEARCHES[-1:]).splitlines()[2].split(" | ")[2:5] == ["50.00", "", ""]


def test_look_ups():
    method = {"true_accuracy": [[90.0, 92.0], [92.0, 94.0]], "seconds_of_cpu_each": 0.25}
    table = look_ups_table({"budgets": [50, 100], "methods": {"chance": method}}).splitlines()
    assert table[0] == "| method | 50 look-ups | 100 look-ups | CPU seconds |"
    assert table[2] == "| chance | 91.00 ± 1.41 | 93.00 ± 1.41 | 0.25 |"


@pytest.mark.parametrize("searches", [SEARCHES, SEARCHES[:1]])
def test_the_figure_is_a_picture(searches):
    file = io.BytesIO()
    draw_curves(searches, file)
    assert file.getvalue().startswith(b"\x89PNG")
