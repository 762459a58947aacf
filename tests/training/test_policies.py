"""Who draws what: the controller, or chance in its place."""

import numpy as np
import pytest

import args
import spaces
from runs.search_job import make_policy
from training.policies import RandomPolicy, Sampler
from training.processes import SINGLE

WORDS = ["--preset", "quick", "-c", "cpu", "--num-layers", "4", "--seed", "3"]


def policy(*words):
    config = args.parse("macro", "search", [*WORDS, *words])
    return make_policy(config, spaces.MACRO, SINGLE), RandomPolicy(spaces.MACRO.encoding(config), config.seed)


def trained_on(policy):
    sampler = Sampler(policy, 8)
    return [sampler.one(0, step) for step in range(20)]


def test_by_default_the_controller_draws_what_is_trained():
    learned, chance = policy()
    assert trained_on(learned) != trained_on(chance)


def test_chance_may_draw_what_is_trained_whatever_the_controller_has_learned():
    learned, chance = policy("--training-samples", "chance")
    plain, _ = policy()
    before = trained_on(learned)
    assert before == trained_on(chance) and len(set(before)) > 10
    for update in range(5):
        for each in (learned, plain):
            each.update("controller", 0, update, qualities=np.linspace(0, 1, 10).tolist())
    assert trained_on(learned) == before
    drawn = {"first": 0, "count": 10}
    assert learned.sample("derive", 0, **drawn) == plain.sample("derive", 0, **drawn)
    assert learned.sample("controller", 0, 9, **drawn) == plain.sample("controller", 0, 9, **drawn)


def test_it_goes_on_from_a_checkpoint_as_the_controller_does():
    learned, _ = policy("--training-samples", "chance")
    learned.update("controller", 0, 0, qualities=np.linspace(0, 1, 10).tolist())
    other, _ = policy("--training-samples", "chance")
    other.restore(learned.state())
    assert other.learns
    for name, array in learned.state()["controller"].items():
        np.testing.assert_array_equal(other.state()["controller"][name], array)
    assert other.sample("derive", 1, first=0, count=5) == learned.sample("derive", 1, first=0, count=5)


@pytest.mark.parametrize("with_", [("--controller", "random"), ("--schedule", "best-candidate")])
def test_where_it_changes_nothing_a_line_says_so(with_):
    config = args.parse("macro", "search", [*WORDS, "--training-samples", "chance", *with_])
    assert any("--training-samples" in line for line in config.notes)
