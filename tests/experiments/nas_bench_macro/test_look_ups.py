import itertools
import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from errors import UserError
from experiments.commands import HOME
from experiments.nas_bench_201 import look_ups
from experiments.nas_bench_201.controller import ChainController, log_policy
from experiments.nas_bench_macro.space import NUM_NETWORKS, Network, NetworkSpace
from experiments.nas_bench_macro.table import read_tables
from models.parameters import ParameterScope
from training.policies import LearnedPolicy
from training.reinforce import Reinforce


def accuracies():
    """As accurate as a network has wide blocks; the trainings differ by 0, 1 and 3."""
    names = ("".join(digits) for digits in itertools.product("012", repeat=8))
    return {name: {"test_acc": [50 + 5 * name.count("2") + more for more in (0, 1, 3)], "flops": 1} for name in names}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "table.json"
    path.write_text(json.dumps(accuracies()))
    return path


def test_a_network_has_one_place_in_the_table(path):
    rewards, truth = read_tables(path)
    network = Network((0, 2, 0, 1, 2, 1, 0, 0))
    assert rewards[network] == 60 and truth[network] == 62
    assert Network.from_numbers(network.to_numbers()) == network
    assert len(rewards.accuracy) == NUM_NETWORKS == 6561 and rewards.accuracy.max() == 90


@pytest.mark.parametrize("text", ["{", "[]", '{"00000000": {"test_acc": [1, 2, 3]}}', '{"0000000": {}}', '{"0000000a": 1}'])
def test_another_file_is_refused(tmp_path, text):
    (tmp_path / "table.json").write_text(text)
    with pytest.raises(UserError, match="table.json.*expected|no network of NAS-Bench-Macro; expected"):
        read_tables(tmp_path / "table.json")


def test_the_exact_policy_is_that_which_is_drawn_from():
    options = SimpleNamespace(lstm_size=8, lstm_layers=1, temperature=None, tanh_constant=2.5)
    controller = ChainController(NetworkSpace(), options, ParameterScope(0), 50)
    controller.scope.all()["operation/W"].d = np.random.default_rng(0).normal(size=(8, 3), scale=9)
    policy = LearnedPolicy(controller, Reinforce(controller, 0.1, 0.9, 0.0), 0)
    exact = np.exp(log_policy(controller))
    assert abs(exact.sum() - 1) < 1e-9
    drawn = np.stack([network.to_numbers() for network in policy.sample("test", first=0, count=2000)])
    wanted = np.stack([Network.from_numbers(np.unravel_index(i, (3,) * 8)).to_numbers() for i in range(NUM_NETWORKS)])
    for block in range(3):
        np.testing.assert_allclose((drawn == block).mean(0), exact @ (wanted == block), atol=0.04)


@pytest.mark.parametrize("method", [
    look_ups.evolution, lambda *a: look_ups.reinforce(*a, rate=0.03, candidates=10, eps=1e-8),
], ids=["evolution", "lstm"])  # fmt: skip
def test_methods_that_learn_look_up_better_networks_at_the_end(path, method):
    rewards, _ = read_tables(path)
    looked_up, _ = method(rewards, 300, 0)
    assert len(looked_up) == 300
    assert rewards.accuracy[looked_up[-50:]].mean() > rewards.accuracy.mean() + 4


def test_a_file_that_is_not_there_is_one_line(tmp_path):
    command = [sys.executable, "-m", "experiments.nas_bench_macro", "--table", str(tmp_path / "none.json")]
    done = subprocess.run(command, cwd=HOME, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "none.json (No such file or directory)" in done.stderr
