"""The authors' command lines, scripts/*.sh: their values, written out; they work in any folder and take further options."""

import json
import os
import pathlib
import stat
import subprocess
import sys

import pytest

import args

SCRIPTS = pathlib.Path(__file__).parents[1] / "scripts"
SPACES = {"cifar10_macro": "macro", "cifar10_micro": "micro", "ptb": "recurrent"}
NAMES = sorted(f"{data}_{step}" for data in SPACES for step in ("search", "final"))

# Their table; their L2 term has no 1/2, so the decay is twice theirs.
VALUES = {
    "cifar10_macro_search": {
        "batch_size": 128, "max_search_iter": 310, "epoch_per_search": 1, "num_layers": 12, "output_filter": 36, "num_ops": 6,
        "weight_decay": 2 * 2.5e-4, "keep_prob": 0.9, "child_lr": 0.05, "child_lr_min": 0.0005, "lr_schedule": "cosine-restarts",
        "control_lr": 0.001, "controller_steps": 50, "num_candidate": 20, "tanh_constant": 1.5, "entropy_weight": 1e-4,
        "skip_prob": 0.4, "skip_weight": 0.8, "baseline_decay": 0.99, "lstm_size": 64, "lstm_layers": 1, "num_derive": 10,
        "val_iter": 1, "validation_size": 5000, "schedule": "alternating", "child_optimizer": "nesterov",
        "control_optimizer": "adam",
    },
    "cifar10_macro_final": {
        "batch_size": 100, "epoch_on_retrain": 310, "recommended_arch": "enas-macro", "final_network": "authors",
        "weight_decay": 2 * 2e-4, "keep_prob": 0.5, "child_lr": 0.05, "child_lr_min": 0.001, "lr_schedule": "cosine-restarts",
        "cutout": 0, "child_optimizer": "nesterov",
    },
    "cifar10_micro_search": {
        "batch_size": 160, "max_search_iter": 150, "num_cells": 6, "num_nodes": 7, "output_filter": 20, "num_ops": 5,
        "weight_decay": 2 * 1e-4, "keep_prob": 0.9, "child_lr": 0.05, "child_lr_min": 0.0005, "auxiliary_head": True,
        "auxiliary_weight": 0.4, "control_lr": 0.0035, "controller_steps": 30, "num_candidate": 10, "tanh_constant": 1.1,
        "op_tanh_reduce": 2.5, "entropy_weight": 1e-4, "baseline_decay": 0.99, "lstm_size": 64,
    },
    "cifar10_micro_final": {
        "batch_size": 144, "epoch_on_retrain": 630, "num_cells": 15, "recommended_arch": "enas-micro", "weight_decay": 2 * 2e-4,
        "keep_prob": 0.8, "drop_path_keep_prob": 0.6, "child_lr": 0.05, "child_lr_min": 0.0001, "auxiliary_head": True,
        "auxiliary_weight": 0.4, "cutout": 0,
    },
    "ptb_search": {
        "batch_size": 20, "bptt": 35, "max_search_iter": 100, "num_nodes": 11, "hidden_size": 720, "drop_e": 1 - 0.75,
        "drop_x": 1 - 0.25, "drop_l": 1 - 0.75, "drop_o": 1 - 0.25, "grad_clip_value": 10.0, "child_lr": 0.25,
        "lr_decay_start": 12, "lr_decay_every": 1, "lr_decay": 0.95, "child_lr_min": 0.0005, "weight_decay": 2 * 1e-7,
        "beta": 0.0, "control_lr": 0.001, "tanh_constant": 2.5, "temperature": 5.0, "entropy_weight": 0.001,
        "controller_steps": 100, "num_candidate": 10,
    },
    "ptb_final": {
        "batch_size": 64, "bptt": 35, "epoch_on_retrain": 2000, "hidden_size": 748, "drop_e": 0.21, "drop_x": 1 - 0.25,
        "drop_l": 1 - 0.75, "drop_o": 0.76, "grad_clip_value": 0.25, "child_lr": 20.0, "lr_decay_start": 14, "lr_decay_every": 1,
        "lr_decay": 0.9991, "child_lr_min": 0.001, "weight_decay": 2 * 5e-7, "beta": 1e-3, "recommended_arch": "enas-rnn-old",
    },
}  # fmt: skip
FILTERS = {"cifar10_macro_final": 96, "cifar10_micro_final": 36}


@pytest.fixture
def echo(tmp_path):
    """A Python that only prints its arguments, one a line."""
    path = tmp_path / "python"
    path.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def command(name, python, folder, *more):
    """(script, arguments) that scripts/NAME.sh calls."""
    done = subprocess.run([SCRIPTS / f"{name}.sh", *more], cwd=folder, env={**os.environ, "PYTHON": python},
                          capture_output=True, text=True, check=True)  # fmt: skip
    script, *arguments = done.stdout.splitlines()
    return pathlib.Path(script), arguments


def job_of(name):
    data, _, step = name.rpartition("_")
    return SPACES[data], args.SEARCH if step == "search" else args.RETRAIN


def test_there_are_the_six():
    assert sorted(path.stem for path in SCRIPTS.glob("*.sh")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_values_are_the_authors(name, echo, tmp_path):
    script, arguments = command(name, echo, tmp_path)
    space, job = job_of(name)
    assert script == SCRIPTS.parent / f"{'ptb' if space == 'recurrent' else space}_{job}.py"
    config = args.parse(space, job, arguments)
    assert config.notes == ()
    assert {key: getattr(config, key) for key in VALUES[name]} == VALUES[name]
    assert set(VALUES[name]) <= set(config.given), "written out, not left to the preset"
    if name in FILTERS:
        assert config.output_filter + config.additional_filters_on_retrain == FILTERS[name]


@pytest.mark.parametrize("name", NAMES)
def test_further_options_pass_through_and_win(name, echo, tmp_path):
    (tmp_path / "a folder").mkdir()
    _, arguments = command(name, echo, tmp_path / "a folder", "--batch-size", "8", "--monitor-path", "my run")
    assert arguments[-4:] == ["--batch-size", "8", "--monitor-path", "my run"]
    config = args.parse(*job_of(name), arguments)
    assert (config.batch_size, config.monitor_path) == (8, "my run")


def test_a_script_is_found_through_a_link(echo, tmp_path):
    link = tmp_path / "search.sh"
    link.symlink_to(SCRIPTS / "cifar10_micro_search.sh")
    done = subprocess.run([link], cwd=tmp_path, env={**os.environ, "PYTHON": echo}, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == str(SCRIPTS.parent / "micro_search.py")


def test_the_table_of_their_flags_has_an_answer_to_each():
    page = (SCRIPTS.parent / "docs" / "authors_scripts.md").read_text()
    rows = [line.strip("|").split(" | ") for line in page.splitlines() if line.startswith("| `")]
    assert len(rows) > 40 and all(len(row) == 2 for row in rows)
    for _, answer in rows:
        assert "`--" in answer or ".py`" in answer or "none, because" in answer, answer


def test_a_script_runs_the_real_thing(tmp_path):
    done = subprocess.run([SCRIPTS / "cifar10_macro_search.sh", "--batch-size", "0"], cwd=tmp_path,
                          env={**os.environ, "PYTHON": sys.executable}, capture_output=True, text=True)  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "") and "--batch-size must be at least 1, found 0" in done.stderr


TINY = "--context cpu --cpu-threads 1 --batch-size 8"
TINY_IMAGES = f"{TINY} --dataset digits --train-size 16 --output-filter 2"
TINY_SEARCH = "--max-search-iter 1 --controller-steps 1 --num-candidate 2 --num-derive 1"
TINY_FINAL = "--epoch-on-retrain 1"
TINY_TEXT = "--context cpu --cpu-threads 1 --batch-size 2 --hidden-size 4 --data-dir ."
SMALL = {
    "cifar10_macro_search": f"{TINY_IMAGES} {TINY_SEARCH} --validation-size 8 --num-layers 3",
    "cifar10_micro_search": f"{TINY_IMAGES} {TINY_SEARCH} --validation-size 8 --num-cells 3",
    "cifar10_macro_final": f"{TINY_IMAGES} {TINY_FINAL} --additional-filters-on-retrain 0",
    "cifar10_micro_final": f"{TINY_IMAGES} {TINY_FINAL} --additional-filters-on-retrain 0 --num-cells 3",
    "ptb_search": f"{TINY_TEXT} {TINY_SEARCH}",
    "ptb_final": f"{TINY_TEXT} {TINY_FINAL}",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_script_made_small_runs_to_its_end(name, tmp_path):
    for part, lines in (("train", 24), ("valid", 16), ("test", 2)):
        (tmp_path / f"ptb.{part}.txt").write_text(" the cat saw the dog and <unk> .\n" * lines)
    done = subprocess.run([SCRIPTS / f"{name}.sh", *SMALL[name].split()], cwd=tmp_path,
                          env={**os.environ, "PYTHON": sys.executable}, capture_output=True, text=True)  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((tmp_path / "outputs" / name / "config.json").read_text())["finished"]
    left = {path.name for path in tmp_path.iterdir() if not path.name.startswith("ptb.")}
    assert left - {"outputs"} == ({f"{SPACES[name.rpartition('_')[0]]}_arch.npy"} if name.endswith("search") else set())
