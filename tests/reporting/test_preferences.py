import csv
import html
import math
import re

import numpy as np
import pytest

import args
from file_names import PREFERENCES
from models.parameters import ParameterScope
from reporting.preferences import COLUMNS, _binned, preferences, uniform_entropy
from reporting.run_files import read_run
from spaces import SPACES
from tests.reporting.fake_runs import search
from training.policies import LearnedPolicy
from training.randomness import generator
from training.search_record import SearchRecord

TINY = ["--lstm-size", "8", "--num-candidate", "4"]


class OnlyTable:
    """Collects what a record writes into one table."""

    def __init__(self):
        self.rows, self.monitors, self.is_first = [], self, True

    def row(self, name, header, values):
        assert name == PREFERENCES
        self.rows = [*(self.rows or [header]), values]


def controller(space, *more):
    config = args.parse(space, "search", [*TINY, *more])
    return SPACES[space].make_controller(config, ParameterScope(3))


def recorded(space, folder, iterations=3):
    """A made-up search whose record of preferences is that of a real controller that does not learn."""
    search(folder, space, options=TINY, iterations=iterations)
    record = SearchRecord.__new__(SearchRecord)
    record._run, record._policy = OnlyTable(), LearnedPolicy(controller(space), None, seed=0)
    for iteration in range(iterations):
        record._add_preferences(iteration)
    with open(folder / PREFERENCES, "w", newline="") as file:
        csv.writer(file).writerows(record._run.rows)
    return record._run.rows


@pytest.mark.parametrize("space", SPACES)
def test_probabilities_are_those_of_the_decisions_by_name(space):
    """Along a given architecture their product is its probability, and the names of its choices say what it is."""
    policy = controller(space)
    decisions = list(policy.space.decisions())
    architecture = policy.space.random(generator(0, "test"))
    noise = policy.forcing_noise([architecture])
    ends = np.cumsum([len(decision.options) for decision in decisions])[:-1]
    chosen = [int(part.argmax()) for part in np.split(noise[0], ends)]
    parts = np.split(policy.probabilities(noise).astype(float), ends)
    log_probability = sum(math.log(part[index]) for part, index in zip(parts, chosen, strict=True))
    forced = policy.sample(policy.forcing_noise([architecture]))
    assert log_probability == pytest.approx(float(forced.log_probability[0]), abs=1e-3)
    assert [part.sum() for part in parts] == pytest.approx([1] * len(parts), abs=1e-5)
    names = [(d.place, d.options[index]) for d, index in zip(decisions, chosen, strict=True)]
    described = architecture.describe()
    for place, option in names:
        lines = [line for line in described.splitlines() if line.startswith(f"{' '.join(place.split()[:2])}:")]
        assert option is None or any(option in line for line in lines), (place, option)


@pytest.mark.parametrize("space", SPACES)
def test_the_page_has_a_picture_of_every_kind_of_decision(tmp_path, space):
    header, *rows = recorded(space, tmp_path / "run")
    text = preferences(read_run(tmp_path / "run"))
    kinds = dict.fromkeys(name.split(" / ")[0] for name in header[1:])
    assert re.findall("<h3>(.*?)</h3>", text) == list(kinds)
    titles = {html.unescape(title) for title in re.findall("<title>(.*?)</title>", text)}
    for name, value in zip(header[1:], rows[-1][1:], strict=True):
        _, place, option = name.split(" / ")
        assert any(title.startswith(f"{place}: {option} {float(value):.0%}") for title in titles), name


@pytest.mark.parametrize("space", SPACES)
def test_a_record_that_was_cut_off_anywhere_shows_its_complete_lines(tmp_path, space):
    recorded(space, tmp_path / "run", iterations=2)
    path = tmp_path / "run" / PREFERENCES
    whole = path.read_bytes()
    header, first, *_ = (match.end() for match in re.finditer(b"\n", whole))
    run = read_run(tmp_path / "run")
    for end in (0, 1, header // 2, header - 1, header, header + 1, first - 1, first, first + 3, len(whole) - 1):
        path.write_bytes(whole[:end])
        assert ("iteration 1" in preferences(run)) == (uniform_entropy(run) is not None) == (end >= first), end


@pytest.mark.parametrize("space", SPACES)
def test_the_level_of_uniform_choices_is_that_of_a_controller_without_weights(tmp_path, space):
    recorded(space, tmp_path / "run", iterations=1)
    uniform = uniform_entropy(read_run(tmp_path / "run"))
    policy = controller(space, *(["--op-prior", "none"] if space == "micro" else []))
    if space == "recurrent":  # near nodes are preferred even so, see RecurrentController
        widths = [len(decision.options) for decision in policy.space.decisions()]
        assert uniform == pytest.approx(sum(math.log(width) / width for width in widths))
        return
    for parameter in policy.parameters().values():
        parameter.d = 0
    noise = policy.draw_noise(lambda row: generator(1, "noise", row), 50)
    assert policy.sample(noise).entropy == pytest.approx([uniform] * 50, rel=1e-4)


def test_long_searches_are_averaged_and_nothing_is_lost():
    values = np.random.default_rng(0).random((3, 310))
    binned = _binned(values)
    assert binned.shape == (3, COLUMNS) and binned.mean() == pytest.approx(values.mean(), abs=0.01)
    assert np.array_equal(_binned(values[:, :7]), values[:, :7])


def test_a_run_without_a_record_has_no_pictures(tmp_path):
    search(tmp_path / "run")
    assert preferences(read_run(tmp_path / "run")) == "" and uniform_entropy(read_run(tmp_path / "run")) is None
