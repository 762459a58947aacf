"""What a search and a retraining tell after each round: one form of a percentage, and no architecture in every line."""

import re

import pytest

from reporting.progress import Progress
from runs.position import Position
from tests import toys
from training.retrain import Retraining
from training.search import Search
from wording import figure

PERCENT = r"-?\d+\.\d\d %"


class Task(toys.ToyTask):
    """Names its qualities as the task of images does."""

    def averages(self):
        return super().averages() | {"accuracy": 0.53196}

    def describe(self, quality):
        return figure("accuracy", quality)


def told(folder, job):
    """The lines of a loop of two rounds."""
    lines, config = [], toys.configured(recommended_arch=str(folder / "arch.npy"))
    with toys.open_run(folder, f"macro_{job}") as run:
        position = Position(run, Progress(quiet=True), toys.SINGLE)
        if job == "search":
            Search(config, toys.ToyPolicy(), Task(), run, position, lambda *said: lines.extend(said)).run()
        else:
            Retraining(config, toys.ARCHITECTURE, Task(), run, position, lambda *said: lines.extend(said)).run()
    return lines


def test_the_line_of_an_iteration(tmp_path):
    first, second = told(tmp_path, "search")
    for number, line in enumerate((first, second), 1):
        wanted = rf"iteration {number}/2: accuracy {PERCENT}; best so far accuracy {PERCENT} \(iteration [12]\)"
        assert re.fullmatch(wanted, line)


def test_the_line_of_an_epoch(tmp_path):
    for number, line in enumerate(told(tmp_path, "retrain"), 1):
        wanted = rf"epoch {number}/2: training loss [\d.e-]+, accuracy 53\.20 %; test accuracy {PERCENT}"
        assert re.fullmatch(wanted, line)


@pytest.mark.parametrize(
    "name, value, wanted", [("accuracy", 1 / 3, "accuracy 33.33 %"), ("loss", 1 / 3, "loss 0.3333"), ("skipped", 2, "skipped 2")]
)
def test_one_form_of_a_figure(name, value, wanted):
    assert figure(name, value) == wanted
