import sys

import numpy
import pytest

import args
from deployment.complexity import image_network_cost, language_model_cost
from experiments import evening, residual, summary
from experiments.nas_bench_201.space import Cell
from experiments.residual import BLOCK, RESIDUAL
from models.parameters import ParameterScope
from reporting.run_files import read_run
from search_spaces import macro, micro, recurrent
from spaces import SPACES

TINY = {
    "preset": "quick", "dataset": "digits", "output_filter": 4, "batch_size": 64, "train_size": 128, "validation_size": 64,
    "num_derive": 2, "max_search_iter": 1, "epoch_per_search": 1, "controller_steps": 1, "num_candidate": 2,
    "epoch_on_retrain": 1,
}  # fmt: skip


def run(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["evening", *map(str, words)])
    evening.main()


def commands(monkeypatch, tmp_path, space, name):
    monkeypatch.setattr(sys, "argv", ["evening", space, "--data-dir", str(tmp_path), "--results", str(tmp_path)])
    return evening._commands(name, evening._parse(), tmp_path)


@pytest.mark.parametrize("space", ["macro", "micro"])
def test_chance_judges_at_least_as_many_images(space, tmp_path, monkeypatch):
    lines = [commands(monkeypatch, tmp_path, space, name)[0].line() for name in ("ENAS-0", "random-0")]
    enas, chance = (args.parse(space, args.SEARCH, line[2:]) for line in lines)
    assert (enas.controller, chance.controller) == ("lstm", "random")
    rewards = (enas.max_search_iter - enas.controller_start) * enas.controller_steps * enas.num_candidate * enas.batch_size
    judged = enas.max_search_iter * enas.num_derive * enas.validation_size + rewards * enas.val_iter
    by_chance = chance.max_search_iter * chance.num_derive * chance.validation_size
    assert judged <= by_chance < judged + enas.max_search_iter * enas.validation_size


def test_chance_judges_at_least_as_many_words(tmp_path, monkeypatch):
    lines = [commands(monkeypatch, tmp_path, "recurrent", name)[0].line() for name in ("ENAS-0", "random-0")]
    enas, chance = (args.parse("recurrent", args.SEARCH, line[2:]) for line in lines)
    of_rewards = enas.controller_steps * enas.num_candidate * enas.batch_size * enas.bptt * enas.val_iter
    texts = enas.num_derive + (1 - enas.controller_start / enas.max_search_iter) * of_rewards / 73_760
    assert (enas.controller, chance.controller) == ("lstm", "random") and chance.num_derive - 1 < texts <= chance.num_derive


def test_cells_that_nobody_searched_cost_as_much(tmp_path, monkeypatch):
    lines = [commands(monkeypatch, tmp_path, "recurrent", name)[-1].line() for name in ("published-0", "chain-0", "ENAS-0")]
    published, chain, found = (args.parse("recurrent", args.RETRAIN, line[2:]) for line in lines)
    assert (published.recommended_arch, chain.recommended_arch) == ("enas-rnn", evening.TANH_CHAIN)
    cells = recurrent.PUBLISHED["enas"], recurrent.RecurrentArchitecture.from_text(evening.TANH_CHAIN)
    scope = ParameterScope()
    costs = {language_model_cost(SPACES["recurrent"].final_network(published, scope, 100), cell) for cell in cells}
    assert len(costs) == 1 and args.parse("recurrent", args.SEARCH, ["--preset=evening"]).num_nodes == len(cells[1].nodes)
    assert found.hidden_size == published.hidden_size == chain.hidden_size


def test_a_shorter_schedule_of_text_ends_at_the_same_rate(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["evening", "recurrent", "--data-dir", str(tmp_path), "--epochs", "20"])
    short = evening._schedule(evening._parse())
    usual = args.parse("recurrent", args.RETRAIN, ["--preset=evening"])
    assert (short["epoch_on_retrain"], short["lr_decay_start"], usual.lr_decay_start) == (20, 10, usual.epoch_on_retrain // 2)
    assert short["lr_decay"] ** 10 == pytest.approx(usual.lr_decay ** (usual.epoch_on_retrain // 2), rel=0.01)


@pytest.mark.parametrize("space, most", [("macro", 231e6), ("micro", 150e6)])
def test_networks_that_nobody_searched_cost_about_as_much(space, most, tmp_path, monkeypatch):
    [[published], [plain]] = (commands(monkeypatch, tmp_path, space, name) for name in ("published-0", "residual-0"))
    architecture = {"macro": macro, "micro": micro}[space].PUBLISHED["enas"]
    published = args.parse(space, args.RETRAIN, published.line()[2:])
    plain = args.parse("macro", args.RETRAIN, plain.line()[3:])
    compared = (SPACES[space], published, architecture), (RESIDUAL, plain, BLOCK)
    for space_of, options, what in compared:
        cost = image_network_cost(space_of.final_network(options, ParameterScope(), 10), what, (3, 32, 32))
        assert cost.multiply_adds == pytest.approx(most, rel=0.14)


def test_it_searches_trains_and_records_what_has_ended(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(evening, "SETTINGS", TINY)
    place = ("--data-dir", tmp_path, "--results", tmp_path, "--processes", 1)
    run(monkeypatch, "macro", *place, "--folder", tmp_path / "runs", "--only", "residual-0", "ENAS-0")
    enas, plain = trained = evening.recorded("evening_macro", tmp_path)
    assert (enas["name"], plain["name"]) == ("ENAS-0", "residual-0")
    assert plain["architecture"] == BLOCK.to_text() and Cell.from_text(plain["architecture"]) == BLOCK
    assert enas["search_hours"] > 0 and plain["search_hours"] is None
    assert all(0 < item["accuracy"] < 1 and item["training_hours"] > 0 and len(item["curve"]) == 1 for item in trained)
    assert not [line for line in read_run(tmp_path / "runs/training-residual-0").finished["summary"] if "report" in line]
    capsys.readouterr()

    run(monkeypatch, "macro", *place, "--folder", tmp_path / "new", "--only", "ENAS-0", "ENAS-0-again")  # on another machine
    assert capsys.readouterr().out.startswith(f"ENAS-0 is recorded in {tmp_path}; its file deleted, it is trained anew\n")
    assert {path.name for path in (tmp_path / "new").iterdir() if path.is_dir()} == {"training-ENAS-0-again"}
    *_, again = trained = evening.recorded("evening_macro", tmp_path)
    assert (again["architecture"], again["seed"]) == (enas["architecture"], 1) and again["curve"] != enas["curve"]
    table = summary.evening_table(trained).splitlines()
    assert [line.split(" | ")[0] for line in table[2:5]] == ["| ENAS-0", "| residual-0", "| ENAS-0-again"]
    assert all(f"{item['name']}: {item['date']}, commit {item['commit']}, seed {item['seed']}, " in table[-1] for item in trained)

    run(monkeypatch, "macro", *place, "--folder", tmp_path / "short", "--epochs", 2, "--only", "ENAS-0", "residual-0")
    assert {path.name for path in (tmp_path / "short").iterdir() if path.is_dir()} == {
        "training-ENAS-0-2-epochs", "training-residual-0-2-epochs",
    }  # fmt: skip
    assert evening.kinds(tmp_path) == ["evening_macro", "evening_macro_2_epochs"]
    short, plain = evening.recorded("evening_macro_2_epochs", tmp_path)
    assert len(short["curve"]) == len(plain["curve"]) == 2 and short["settings"]["epoch_on_retrain"] == 2
    assert [short[name] == enas[name] for name in ("architecture", "search_hours", "curve")] == [True, True, False]


def test_cells_are_trained_and_recorded_by_perplexity(tmp_path, monkeypatch):
    tiny = {"preset": "quick", "train_size": 2000, "hidden_size": 4, "batch_size": 16}
    monkeypatch.setattr(evening, "SETTINGS", tiny)
    words = numpy.random.default_rng(0).choice(["a", "b", "c"], 3000)
    for part in ("train", "valid", "test"):
        (tmp_path / f"ptb.{part}.txt").write_text(" ".join(words) + "\n")
    tiny["dataset"] = "ptb"
    place = ("--data-dir", tmp_path, "--results", tmp_path, "--folder", tmp_path / "runs", "--processes", 1, "--epochs", 2)
    run(monkeypatch, "recurrent", *place, "--only", "chain-0", "published-0")
    published, chain = trained = evening.recorded("evening_recurrent_2_epochs", tmp_path)
    assert (published["name"], chain["architecture"]) == ("published-0", evening.TANH_CHAIN)
    assert all(1 < item["perplexity"] < 5 and item["parameters"] > 0 and len(item["curve"]) == 2 for item in trained)
    table = summary.evening_table(trained).splitlines()
    assert table[0].endswith("| test perplexity |") and table[3].endswith(f"| {chain['perplexity']:.1f} |")


def test_what_has_not_been_found_yet(tmp_path, monkeypatch):
    with pytest.raises(evening.UserError, match="ENAS-0 has not been trained yet; train it with --only ENAS-0 before"):
        run(monkeypatch, "macro", "--data-dir", tmp_path, "--results", tmp_path, "--only", "ENAS-0-again")


def test_a_name_that_is_none(tmp_path, monkeypatch):
    with pytest.raises(evening.UserError, match=f"--only names ENAS-7; there are {', '.join(evening.NAMES['macro'])}"):
        run(monkeypatch, "macro", "--data-dir", tmp_path, "--folder", tmp_path, "--only", "ENAS-7")


def test_a_residual_network_that_does_not_end_says_why(tmp_path, monkeypatch):
    def stop(trainer, *_):
        raise evening.UserError("the disk is full")

    monkeypatch.setattr("training.image_trainer.ImageTrainer.train_step", stop)
    words = "--preset quick --train-size 64 --output-filter 4 --epoch-on-retrain 1 --quiet --context cpu -m"
    monkeypatch.setattr(sys, "argv", ["experiments.residual", *words.split(), str(tmp_path / "run")])
    with pytest.raises(evening.UserError, match="the disk is full"):
        residual.main()
