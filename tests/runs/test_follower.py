"""What the first process tells the others of a run directory."""

import pathlib

import pytest

from runs.follower import open_run
from runs.run_directory import Finished


class First:
    """A first process; what it announces goes into a list."""

    is_first, size = True, 2

    def __init__(self):
        self.announced = []

    def announce(self, document):
        self.announced.append(document)


class Other:
    """Another process, which hears what the first one has announced."""

    is_first, size = False, 2

    def __init__(self, announced):
        self._news = iter(announced)

    def announce(self, document):
        return next(self._news)


def test_a_finished_run_is_finished_for_all_and_they_know_its_folder():
    def finished():
        raise Finished({"summary": ["done"]}, pathlib.Path("/somewhere/run"))

    first = First()
    with pytest.raises(Finished):
        open_run(first, finished)
    with pytest.raises(Finished) as told:
        open_run(Other(first.announced), None)
    assert told.value.result == {"summary": ["done"]} and told.value.path == pathlib.Path("/somewhere/run")
