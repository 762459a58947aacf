"""The planted rewards: what counts, and what a bounded policy can reach."""

import json
import sys

import numpy as np
import pytest

import args
from benchmarks import controller as timing
from benchmarks import planted_reward
from errors import UserError
from spaces import SPACES


def settings(space_name, *options):
    config = args.parse(space_name, args.SEARCH, list(options))
    space = SPACES[config.space].encoding(config)
    return config, space, planted_reward.choices_of(config, space)


@pytest.mark.parametrize("space_name", planted_reward.TARGETS)
def test_every_number_of_an_architecture_has_its_choice(space_name):
    _, space, choices = settings(space_name)
    rng = np.random.default_rng(0)
    drawn = np.stack([space.random(rng).to_numbers().ravel() for _ in range(300)])
    assert drawn.shape[1] == len(choices)
    np.testing.assert_array_equal(drawn.max(0) + 1, [len(choice.lowest) for choice in choices])


@pytest.mark.parametrize("space_name", planted_reward.TARGETS)
def test_the_planted_architecture_gets_the_whole_reward(space_name):
    _, space, choices = settings(space_name)
    for pattern in ("constant", "random"):
        planted = planted_reward.planted_numbers(space, choices, pattern, seed=4)
        for target in planted_reward.TARGETS[space_name]:
            assert planted_reward.share(planted == planted, choices, target) == 1
        operations = np.array([choice.is_operation for choice in choices])
        assert planted_reward.share(operations, choices, "operations") == 1
        assert planted_reward.share(operations, choices, "both") == 0.5


def test_reachable_probabilities_of_macro():
    _, _, choices = settings("macro")
    operation, bit = choices[0], choices[2]
    np.testing.assert_allclose(operation.most_probable(3), np.exp(1.5) / (np.exp(1.5) + 5 * np.exp(-1.5)))
    np.testing.assert_allclose(bit.most_probable(1), 1 / (1 + np.exp(-3)))


def test_reachable_probabilities_of_micro_without_a_prior():
    _, _, choices = settings("micro", "--op-prior", "none")
    up, down = np.exp(0.44), np.exp(-0.44)
    for operation in (choices[1], choices[-1]):
        np.testing.assert_allclose([operation.most_probable(k) for k in range(5)], up / (up + 4 * down))


def test_reachable_probabilities_of_micro():
    """The first two operations start with a saturated tanh and stay; the normal cell has its fixed bias."""
    _, _, choices = settings("micro")
    normal, reduction = choices[1], choices[-1]
    up, down = np.exp(0.44), np.exp(-0.44)
    np.testing.assert_allclose(reduction.most_probable(4), up / (up + 2 * up + 2 * down))
    np.testing.assert_allclose(reduction.most_probable(0), up / (2 * up + 3 * down))
    first, last = np.exp(0.25), np.exp(-0.25)
    np.testing.assert_allclose(normal.most_probable(4), last * up / (last * (up + 2 * down) + 2 * first * up))


def test_reachable_probabilities_of_recurrent():
    _, _, choices = settings("recurrent")
    assert choices[0].most_probable(0) == 1
    third = choices[4]  # node 3 at distances 3, 2, 1
    weights = np.exp([-9 / 6 - 2.25, -4 / 6 - 2.25, -1 / 6 + 2.25])
    np.testing.assert_allclose(third.most_probable(2), weights[2] / weights.sum())


def test_a_wrong_target_is_refused(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["planted_reward", "--space", "micro", "--target", "skips"])
    with pytest.raises(UserError, match="operations, indices, both"):
        planted_reward.main()


def test_output_says_what_differs(monkeypatch, capsys):
    argv = ["planted_reward", "--target", "both", "--updates", "20", "--num-layers", "3", "--lstm-size", "4", "--json"]
    monkeypatch.setattr(sys, "argv", argv)
    assert planted_reward.main() == 1
    result = json.loads(capsys.readouterr().out)
    assert result["differs_from_enas"] == {"num_layers": 3, "lstm_size": 4, "control_lr": 0.01, "skip_weight": 0.0}
    assert not result["passed"]
    assert 0 < result["reward"] < result["reachable_maximum"] < 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("space_name", "target"), [("macro", "operations"), ("macro", "skips"), ("micro", "indices"), ("recurrent", "both")]
)
def test_the_controller_finds_what_is_planted(monkeypatch, capsys, space_name, target):
    monkeypatch.setattr(sys, "argv", ["planted_reward", "--space", space_name, "--target", target, "--json"])
    assert planted_reward.main() == 0, capsys.readouterr().out


@pytest.mark.parametrize("space_name", planted_reward.TARGETS)
def test_timing_reports_every_figure(space_name):
    result = timing.measure(args.parse(space_name, args.SEARCH, ["--num-candidate", "2", "--lstm-size", "4"]), repeat=1)
    assert result["candidates"] == 2
    assert min(result[f"{part}_seconds"] for part in ("sample", "update", "build")) > 0
