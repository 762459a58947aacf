import json
import sys

import pytest

import args
from experiments import first_search, summary
from experiments.measures import wilcoxon


def held_out_images(config, learns):
    """Images that an iteration judges architectures on."""
    rewards = config.controller_steps * config.num_candidate * config.val_iter * config.batch_size
    return learns * rewards + config.num_derive * config.validation_size


@pytest.mark.parametrize("space", first_search.SPACES)
def test_chance_looks_at_as_many_held_out_images(space, tmp_path):
    searches = first_search._searches(space, [3], tmp_path)
    configs = [args.parse(space, args.SEARCH, command.line()[2:]) for command in searches.values()]
    learned, chance = (held_out_images(config, config.controller == "lstm") for config in configs)
    assert abs(learned - chance) <= configs[0].validation_size / 2


def test_both_arms_run_and_are_recorded_and_shown(tmp_path, monkeypatch):
    monkeypatch.setattr(first_search, "DERIVED_BY_CHANCE", 3)
    original = first_search._searches

    def small(*given):
        searches = original(*given)
        for command in searches.values():
            command.options.update(
                train_size=64, validation_size=64, num_layers=3, output_filter=4, max_search_iter=2, epoch_per_search=1,
                controller_steps=1, num_candidate=2,
            )  # fmt: skip
        return searches

    monkeypatch.setattr(first_search, "_searches", small)
    command = ["x", "macro", "--seeds", "1", "2", "--folder", str(tmp_path / "runs"), "--results", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", command)
    first_search.main()
    result = json.loads((tmp_path / "quick_macro.json").read_text())
    assert [(item["arm"], item["seed"]) for item in result["searches"]] == [(a, s) for s in (1, 2) for a in ("ENAS", "random")]
    assert [len(item["entropy"]) for item in result["searches"]] == [2, 0, 2, 0]
    assert all(0 <= item["last"] <= item["best"] <= 1 for item in result["searches"])
    table = summary.quick_table(result)
    ahead = sum(result["searches"][i]["best"] > result["searches"][i + 1]["best"] for i in (0, 2))
    assert f"ahead in {ahead} of 2 seeds" in table and table.count("\n| ") == 3


def test_the_signed_rank_test():
    assert wilcoxon([(2, 1), (3, 1), (5, 2), (9, 5), (9, 4)]) == pytest.approx(2 / 2**5)  # all of one sign
    assert wilcoxon([(1, 1), (2, 2)]) == 1
