import json
import sys

import pytest

import args
from deployment.complexity import image_network_cost
from experiments import evening, summary
from experiments.nas_bench_201.space import Cell
from experiments.residual import BLOCK, RESIDUAL
from models.parameters import ParameterScope
from reporting.run_files import read_run
from search_spaces import macro, micro
from spaces import SPACES

NAMES = ["ENAS-0", "published-0", "random-0", "residual-0", "ENAS-1", "random-1", "ENAS-0-again"]
TINY = {
    "preset": "quick", "dataset": "digits", "output_filter": 4, "batch_size": 64, "train_size": 128, "validation_size": 64,
    "num_derive": 2, "max_search_iter": 1, "epoch_per_search": 1, "controller_steps": 1, "num_candidate": 2,
    "epoch_on_retrain": 1,
}  # fmt: skip


def run(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["evening", *map(str, words)])
    evening.main()


def steps_of(monkeypatch, tmp_path, space):
    monkeypatch.setattr(sys, "argv", ["evening", space, "--data-dir", str(tmp_path)])
    return evening._steps(evening._parse(), tmp_path)


@pytest.mark.parametrize("space", ["macro", "micro"])
def test_chance_judges_at_least_as_many_images(space, tmp_path, monkeypatch):
    steps = steps_of(monkeypatch, tmp_path, space)
    enas, chance = (args.parse(space, args.SEARCH, steps[name][0].line()[2:]) for name in ("ENAS-0", "random-0"))
    assert (enas.controller, chance.controller) == ("lstm", "random")
    rewards = (enas.max_search_iter - enas.controller_start) * enas.controller_steps * enas.num_candidate * enas.batch_size
    judged = enas.max_search_iter * enas.num_derive * enas.validation_size + rewards * enas.val_iter
    by_chance = chance.max_search_iter * chance.num_derive * chance.validation_size
    assert judged <= by_chance < judged + enas.max_search_iter * enas.validation_size


@pytest.mark.parametrize("space, most", [("macro", 105e6), ("micro", 150e6)])
def test_networks_that_nobody_searched_cost_about_as_much(space, most, tmp_path, monkeypatch):
    steps = steps_of(monkeypatch, tmp_path, space)
    architecture = {"macro": macro, "micro": micro}[space].PUBLISHED["enas"]
    published = args.parse(space, args.RETRAIN, steps["published-0"][-1].line()[2:])
    residual = args.parse("macro", args.RETRAIN, steps["residual-0"][-1].line()[3:])
    compared = (SPACES[space], published, architecture), (RESIDUAL, residual, BLOCK)
    for space_of, options, what in compared:
        cost = image_network_cost(space_of.final_network(options, ParameterScope(), 10), what, (3, 32, 32))
        assert cost.multiply_adds == pytest.approx(most, rel=0.11)


def test_it_searches_trains_and_records_what_has_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(evening, "SETTINGS", TINY)
    place = ("--data-dir", tmp_path, "--folder", tmp_path / "runs", "--results", tmp_path, "--processes", 1)
    run(monkeypatch, "macro", *place, "--only", "residual-0")
    run(monkeypatch, "macro", *place, "--only", "ENAS-0")
    result = json.loads((tmp_path / "evening_macro.json").read_text())
    enas, residual = result["trained"]
    assert (enas["name"], residual["name"]) == ("ENAS-0", "residual-0")
    assert residual["architecture"] == BLOCK.to_text() and Cell.from_text(residual["architecture"]) == BLOCK
    assert enas["search_hours"] > 0 and residual["search_hours"] is None
    assert all(0 < item["accuracy"] < 1 and item["training_hours"] > 0 and len(item["curve"]) == 1 for item in result["trained"])
    assert not [line for line in read_run(tmp_path / "runs/training-residual-0").finished["summary"] if "report" in line]
    table = summary.evening_table(result).splitlines()
    assert table[2].startswith("| ENAS-0 | ") and table[3].startswith("| residual-0 | ")


def test_a_name_that_is_none(tmp_path, monkeypatch):
    with pytest.raises(evening.UserError, match=f"--only names ENAS-7; there are {', '.join(NAMES)}"):
        run(monkeypatch, "macro", "--data-dir", tmp_path, "--folder", tmp_path, "--only", "ENAS-7")
