"""Published results stand beside a retraining of the same data and the same training only."""

import pytest

import args
from reporting.published import PUBLISHED, comparable
from reporting.run_files import read_run
from search_spaces import macro
from tests.reporting.fake_runs import retraining

ARC = macro.PUBLISHED["enas"].to_text()


@pytest.mark.parametrize("space", PUBLISHED)
def test_the_training_they_rest_on_is_that_of_the_preset_of_the_authors(space):
    defaults = args.parse(space, args.RETRAIN, []).options()
    training = PUBLISHED[space].training
    assert {name: defaults[name] for name in training} == training


def test_the_whole_training_of_the_authors_is_comparable(tmp_path):
    retraining(tmp_path / "run", ARC, epochs=310)
    assert comparable(read_run(tmp_path / "run")) is PUBLISHED["macro"]


@pytest.mark.parametrize(
    "options, epochs",
    [
        ([], 309),
        (["--dataset", "digits"], 310),
        (["--train-size", "45000"], 310),
        (["--preset", "short", "--epoch-on-retrain", "310"], 310),
        (["--epoch-on-retrain", "150"], 150),
        (["--child-lr", "0.1"], 310),
        (["--lr-schedule", "cosine"], 310),
    ],
)
def test_other_data_another_schedule_and_an_unfinished_run_are_not(tmp_path, options, epochs):
    retraining(tmp_path / "run", ARC, options=options, epochs=epochs)
    assert comparable(read_run(tmp_path / "run")) is None


def test_a_text_of_ones_own_is_not_the_penn_treebank(tmp_path):
    for name, options in (("theirs", []), ("own", ["--data-dir", "texts"])):
        retraining(tmp_path / name, "0 0 0 1", "recurrent", ["--epoch-on-retrain", "3000", *options], epochs=3000)
    assert comparable(read_run(tmp_path / "theirs")) and not comparable(read_run(tmp_path / "own"))
