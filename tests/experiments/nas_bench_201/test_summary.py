import io

import pytest

from experiments import summary as page
from experiments.nas_bench_201 import summary
from experiments.nas_bench_201.summary import draw_curves, frozen_table, look_ups_table, searches_table

ORIGIN = {"date": "2026-01-02", "commit": "abc", "versions": {"nnabla": "1"}, "machine": "a machine"}


def search(arm, seed, derived, iterations=2, cells=1):
    rows = [
        {"iteration": i, "expected": 80.0 + i, "derived": derived - 1 + i, "top_5": 0.1 * i, "entropy": 9.0 - i}
        for i in range(iterations)
    ]
    rows[-1]["ranks"] = {"spearman": 0.5, "within_bands": 0.25, "precision": 0.2}
    settings = {"epoch_per_search": 12 // iterations, "cells": cells}
    return ORIGIN | {"arm": arm, "seed": seed, "iterations": rows, "settings": settings, "seconds_of_cpu": 90.0}


SEARCHES = [
    *(search("ENAS", seed, 92 + seed) for seed in range(3)),
    search("ENAS", 7, 50),
    *(search("random", seed, 90 + seed) for seed in range(3)),
]  # fmt: skip


def test_searches_are_paired_by_seed():
    random, enas, _, origin = searches_table(SEARCHES).splitlines()[2:]
    assert random == "| random | 3 | 91.00 ± 1.00 | 90.00 |  |  | 81.00 | 8.00 | 0.50 | 0.25 | 0.20 | 1.5 |"
    assert enas.split(" | ")[1:6] == ["4", "82.25 ± 21.52", "50.00", "+2.00 ± 0.00 (3 pairs)", "0.250"]
    assert origin == "<sub>2026-01-02, commit abc, seeds 0 to 7, nnabla 1, a machine.</sub>"


def test_networks_of_other_sizes_are_not_paired():
    larger = [search("ENAS", 0, 94, cells=5), search("ENAS", 1, 95, cells=5), search("random", 1, 92, cells=5)]
    rows = [row.split(" | ") for row in searches_table([*SEARCHES, *larger]).splitlines()[2:6]]
    assert [row[0] for row in rows] == ["| random", "| ENAS", "| random, 5 cells in a stage", "| ENAS, 5 cells in a stage"]
    assert rows[1][4] == "+2.00 ± 0.00 (3 pairs)" and rows[3][4] == ""


def test_without_pairs_there_is_no_difference():
    assert searches_table(SEARCHES[3:4]).splitlines()[2].split(" | ")[2:6] == ["50.00", "50.00", "", ""]


def test_look_ups():
    method = {"true_accuracy": [[90.0, 92.0], [92.0, 94.0]], "seconds_of_cpu_each": 0.25}
    table = look_ups_table({"budgets": [50, 100], "methods": {"chance": method}}).splitlines()
    assert table[0] == "| method | 50 look-ups | 100 look-ups | CPU seconds |"
    assert table[2] == "| chance | 91.00 ± 1.41 | 93.00 ± 1.41 | 0.25 |"


def test_weights_that_stand_still():
    curve = [{"update": u, "expected": 68.9 + u, "entropy": 9.66 - u} for u in (0, 1, 2)]
    ranks = [{"epochs": 4, "spearman": 0.5, "within_bands": 0.25, "cost": 0.375}]
    lines = frozen_table(ORIGIN | {"seed": 3, "ranks": ranks, "controllers": {"slow": curve}}).splitlines()
    assert lines[2] == "| 4 | 0.50 | 0.25 | 0.38 |"
    assert lines[6] == "| slow | 69.9, 8.66 | 70.9, 7.66 |"
    assert ", seed 3, " in lines[8]


@pytest.mark.parametrize("searches", [SEARCHES, SEARCHES[:1], [*SEARCHES, search("ENAS, slow", 0, 80, iterations=4)]])
def test_the_figure_is_a_picture(searches):
    files = io.BytesIO(), io.BytesIO()
    for file in files:
        draw_curves(searches, file)
    assert files[0].getvalue() == files[1].getvalue() and files[0].getvalue().startswith(b"\x89PNG")


def test_the_page_shows_what_the_results_say():
    text = page.PAGE.read_text()
    for name, table in summary.tables().items():
        assert page.put_in(text, name, table) == text
