import dataclasses
import json
import sys

import numpy as np
import pytest

from errors import UserError
from experiments import again
from experiments.settings import COMPARISONS
from search_spaces.macro import MacroSpace

RETRAIN = {
    "dataset": "digits", "batch_size": 50, "output_filter": 2, "train_size": 50, "epoch_on_retrain": 1,
    "additional_filters_on_retrain": 0,
}  # fmt: skip


def run(tmp_path, monkeypatch):
    monkeypatch.setitem(COMPARISONS, "macro", dataclasses.replace(COMPARISONS["macro"], retrain=RETRAIN))
    command = ["x", "macro", "--data-dir", str(tmp_path), "--folder", str(tmp_path / "runs"), "--results", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", [*command, "--workers", "2"])
    again.main()


def test_plain_random_architectures_are_trained_with_another_seed(tmp_path, monkeypatch, capsys):
    text = MacroSpace(3).random(np.random.default_rng(4)).to_text()
    items = [{"arm": arm, "seed": 4, "architecture": text, "retrained": 0.25} for arm in ("ENAS", "plain random")]
    (tmp_path / "macro.json").write_text(json.dumps({"commit": "abc", "retrained": items}))
    run(tmp_path, monkeypatch)
    result = json.loads((tmp_path / "macro_again.json").read_text())
    (item,) = result["retrained"]
    assert (item["seed"], item["architecture"], item["first"]) == (104, text, 0.25) and 0 <= item["retrained"] <= 1
    assert result["first_commit"] == "abc" and result["settings"]["retrain"] == RETRAIN
    (config,) = tmp_path.glob("runs/*/config.json")
    assert json.loads(config.read_text())["options"]["seed"] == 104


def test_without_the_first_training_there_is_a_line(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"no result .*macro.json; run that experiment first"):
        run(tmp_path, monkeypatch)
