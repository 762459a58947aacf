import dataclasses
import json
import sys
import time

import pytest

import args
import experiments.commands
from errors import UserError
from experiments import published, search_or_chance
from experiments.commands import Command, run_all
from experiments.settings import COMPARISONS, REFERENCES
from reporting.run_files import Derived, Run, read_run
from search_spaces.files import parse
from search_spaces.macro import MacroSpace


def run_with(rows):
    derived = [Derived(iteration, quality, 1, 1, False, text) for iteration, quality, text in rows]
    return Run(None, "macro", "search", {}, "", None, {}, derived, {}, {})


def test_the_best_different_architectures_are_picked_and_the_first_of_chance(monkeypatch):
    monkeypatch.setattr(search_or_chance, "PICKED", 2)
    rows = [(0, 0.3, "x"), (0, 0.9, "y"), (1, 0.5, "a"), (1, 0.2, "b"), (1, 0.8, "y"), (1, 0.6, "c")]
    picks = search_or_chance.pick({("ENAS", 0): run_with(rows), ("random", 0): run_with(rows)}, COMPARISONS["macro"])
    found = [(item["arm"], item["architecture"], item["shared"]) for item in picks]
    best = [("y", 0.9), ("c", 0.6)]
    assert found == [("ENAS", *pair) for pair in best] + [("random", *pair) for pair in best] + [
        ("plain random", "a", 0.5), ("plain random", "b", 0.2),
    ]  # fmt: skip


def test_only_some_arms_are_retrained_where_it_says_so():
    rows = [(0, 0.3, "x"), (0, 0.9, "y")]
    comparison = dataclasses.replace(COMPARISONS["macro"], retrained=("changed",), chance=None)
    picks = search_or_chance.pick({("changed", 3): run_with(rows), ("ENAS", 3): run_with(rows)}, comparison)
    assert [(item["arm"], item["seed"], item["architecture"]) for item in picks] == [("changed", 3, "y"), ("changed", 3, "x")]


def test_fresh_seeds_are_searched(tmp_path):
    comparison = dataclasses.replace(COMPARISONS["macro"], first_seed=3)
    found = search_or_chance._searches(comparison, 2, tmp_path, tmp_path)
    assert {seed for _, seed in found} == {command.options["seed"] for command in found.values()} == {3, 4}
    assert len({command.run for command in found.values()}) == len(found)


@pytest.mark.parametrize("space", COMPARISONS)
def test_all_arms_look_at_as_many_held_out_images(space):
    comparison = COMPARISONS[space]
    size, whole = comparison.common.get("batch_size", 32 * 20), comparison.common.get("validation_size", 9156)
    images, base = {}, COMPARISONS[space.split("_")[0]]
    arms = comparison.arms if "random" in comparison.arms else comparison.arms | {"random": base.arms["random"]}
    for arm, given in arms.items():
        if given.get("controller") == "random":
            images[arm] = given["num_derive"] * whole
        else:
            iterations, late = comparison.common["max_search_iter"], given.get("controller_start", 0)
            rewards = given["controller_steps"] * given["num_candidate"] * given.get("val_iter", 1)
            rewards *= (iterations - late) / iterations
            images[arm] = rewards * size + given["num_derive"] * whole
    assert max(images.values()) <= 1.01 * min(images.values())


@pytest.mark.parametrize("space", ("macro", "micro"))
def test_the_preset_short_is_what_was_measured(space):
    comparison = COMPARISONS[f"{space}_fast"]
    options = comparison.common | comparison.arms["ENAS, fast"]
    words = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    seen, short = args.parse(space, args.SEARCH, words), args.parse(space, args.SEARCH, ["--preset", "short"])
    assert {**seen.options(), "preset": "short"} == short.options() | {
        "additional_filters_on_retrain": seen.additional_filters_on_retrain, "monitor_path": seen.monitor_path,
    }  # fmt: skip


@pytest.mark.parametrize("space", ("macro", "micro"))
def test_random_architectures_have_the_size_of_the_published_one(space):
    reference, wanted = REFERENCES[space], published.PUBLISHED[space]
    size = published._parameters(reference, wanted)
    found = published.random_of_size(reference, wanted, seed=1)
    assert 0.9 * size <= published._parameters(reference, found) <= 1.1 * size and found != wanted


def test_a_comparison_runs_to_its_result_and_is_not_done_twice(tmp_path, monkeypatch, capsys):
    tiny = {"dataset": "digits", "batch_size": 50, "output_filter": 2, "train_size": 50}
    arms = {"ENAS": {"controller_steps": 1, "num_candidate": 2, "val_iter": 1, "num_derive": 2},
            "random": {"controller": "random", "num_derive": 2}}  # fmt: skip
    comparison = dataclasses.replace(
        COMPARISONS["macro"], arms=arms,
        common=tiny | {"num_layers": 3, "max_search_iter": 1, "epoch_per_search": 1, "validation_size": 50},
        retrain=tiny | {"epoch_on_retrain": 1, "additional_filters_on_retrain": 0},
    )  # fmt: skip
    monkeypatch.setitem(COMPARISONS, "macro", comparison)
    monkeypatch.setattr(search_or_chance, "PICKED", 1)
    command = ["x", "macro", "--data-dir", str(tmp_path), "--folder", str(tmp_path / "runs"), "--results", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", [*command, "--seeds", "1", "--workers", "2"])
    search_or_chance.main()
    result = json.loads((tmp_path / "macro.json").read_text())
    assert [(item["arm"], item["seed"]) for item in result["retrained"]] == [("ENAS", 0), ("random", 0), ("plain random", 0)]
    for item in result["retrained"]:
        MacroSpace(3).contains(parse(item["architecture"].encode(), ".txt", "macro"))
        assert 0 <= item["retrained"] <= 1
    assert {"date", "commit", "versions", "machine", "settings"} <= result.keys()
    written = {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/*/*.h5")}
    assert written
    search_or_chance.main()
    assert {path: path.stat().st_mtime_ns for path in written} == written
    assert json.loads((tmp_path / "macro.json").read_text()) == result


def test_a_script_that_fails_is_named_with_its_log(tmp_path):
    with pytest.raises(UserError, match="macro_search ended with status 2; .*bad.log says why"):
        run_all([Command("macro_search", tmp_path / "bad", {"num_layers": 1})], 1, print)
    assert "--num-layers must be at least 3" in (tmp_path / "bad.log").read_text()


def test_when_one_fails_the_others_end_and_can_go_on(tmp_path):
    long = {"preset": "quick", "max_search_iter": 1000, "recommended_arch": tmp_path / "arch.npy"}
    commands = [Command("macro_search", tmp_path / "long", long), Command("macro_search", tmp_path / "bad", {"num_layers": 1})]

    def fail_later(command, running):
        if command is commands[0]:
            return run(command, running)
        while not (tmp_path / "long" / "checkpoint").exists():
            time.sleep(0.05)
        return run(command, running)

    run = experiments.commands._run
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiments.commands, "_run", fail_later)
        with pytest.raises(UserError, match="status 2"):
            run_all(commands, 2, print)
    assert read_run(tmp_path / "long").finished is None
    assert list((tmp_path / "long" / "checkpoint").iterdir())
