import json
import sys

import numpy as np
import pytest

from experiments import first_code, summary
from experiments.measures import derived_means
from reporting.run_files import Derived

SMALL = {"preset": "authors-2018", "hidden_size": 4, "batch_size": 2, "bptt": 5}


def test_the_frequencies_of_the_words_alone():
    train, part = np.array([0, 0, 1, 2]), np.array([0, 0, 2])
    assert first_code.of_frequencies(train, part) == pytest.approx((2 * 2 * 4) ** (1 / 3))


def test_each_iteration_has_the_mean_of_what_it_derived():
    rows = [Derived(number, quality, 1, 1, False, "") for number, quality in ((1, 4.0), (1, 6.0), (2, 3.0))]
    assert derived_means(rows) == [5.0, 3.0]


@pytest.fixture
def result(tmp_path, monkeypatch):
    """What the experiment records of runs of a second."""
    line = " the cat saw the dog and the dog saw <unk> .\n"
    for part, lines in (("train", 12), ("valid", 4), ("test", 3)):
        (tmp_path / f"ptb.{part}.txt").write_text(line * lines)
    search = {"num_nodes": 2, "max_search_iter": 2, "controller_steps": 1, "num_candidate": 2, "num_derive": 2}
    monkeypatch.setattr(first_code, "SEARCH", SMALL | search)
    monkeypatch.setattr(first_code, "RETRAIN", SMALL | {"recommended_arch": "enas-rnn-old", "epoch_on_retrain": 1})
    command = ["x", "--data-dir", str(tmp_path), "--folder", str(tmp_path / "runs"), "--results", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", command)
    first_code.main()
    return json.loads((tmp_path / "first_code.json").read_text())


def test_both_jobs_run_and_are_recorded(result):
    search, retrain = result["search"], result["retrain"]
    assert [len(search[name]) for name in ("train", "valid", "derived", "reward", "baseline", "entropy")] == [2] * 6
    assert [len(retrain[name]) for name in ("train", "valid")] == [1] * 2 and retrain["test"] > 1
    assert len(search["found"].split()) == 5 and result["commit"]
    rows = [line.strip("| ").split(" | ") for line in summary.first_code_table(result).splitlines() if line.startswith("|")]
    assert rows[0][-2:] == ["1", "2"] and [row[0].split(",")[0] for row in rows[2:]] == ["search"] * 5 + ["retraining"] * 2
    assert f"Test perplexity of the retraining {retrain['test']:.1f}; " in summary.first_code_table(result)
