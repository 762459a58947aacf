import sys
import types

import pytest

import spaces
from errors import UserError
from reporting.monitors import Monitors
from runs.jobs import script


@pytest.fixture
def written(monkeypatch):
    """What the writers of a stand-in for tensorboardX were given: a list per writer."""
    writers = []

    class SummaryWriter:
        def __init__(self, folder):
            self.folder, self.points, self.closed = folder, [], False
            writers.append(self)

        def add_scalar(self, name, value, index):
            assert not self.closed
            self.points.append((name, index, value))

        def flush(self):
            pass

        def close(self):
            self.closed = True

    monkeypatch.setitem(sys.modules, "tensorboardX", types.SimpleNamespace(SummaryWriter=SummaryWriter))
    return writers


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_events_are_those_of_the_series_and_nothing_else_changes(written, tmp_path):
    for name, tensorboard in (("with", True), ("without", False)):
        (tmp_path / name).mkdir()
        monitors = Monitors(tmp_path / name, tensorboard)
        monitors.series("Training loss", 0, 0.5)
        monitors.series("Learning rate", 0, 0.05)
        monitors.row("table.csv", ["a"], [1])
        monitors.state()
    assert len(written) == 1 and written[0].folder == str(tmp_path / "with" / "tensorboard")
    assert written[0].points == [("Training/loss", 0, 0.5), ("Learning/rate", 0, 0.05)]
    assert files(tmp_path / "with") == files(tmp_path / "without")


def test_a_run_that_is_continued_doubles_no_event(written, tmp_path):
    first = Monitors(tmp_path, True)
    first.series("Training loss", 0, 0.5)
    state = first.state()
    first.series("Training loss", 1, 0.25)
    second = Monitors(tmp_path, True)
    second.restore(state)
    second.series("Training loss", 1, 0.125)
    assert written[-1].points == [("Training/loss", 0, 0.5), ("Training/loss", 1, 0.125)]


def test_without_the_package_one_line_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(UserError, match="pip install 'tensorboardX"):
        Monitors(tmp_path, True)
    Monitors(tmp_path).series("Training loss", 0, 1)


@pytest.mark.parametrize("space, job", [("MACRO", "search"), ("MICRO", "retrain"), ("RECURRENT", "search")])
def test_a_run_without_the_package_leaves_nothing(monkeypatch, tmp_path, space, job):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    monkeypatch.chdir(tmp_path)
    words = ["--preset=quick", "--context=cpu", "--tensorboard", "--monitor-path=run", "--recommended-arch=enas-micro"]
    if job == "search":
        words.pop()
    monkeypatch.setattr(sys, "argv", ["script", *words])
    with pytest.raises(UserError, match="pip install 'tensorboardX"):
        script(getattr(spaces, space), job)()
    assert list(tmp_path.iterdir()) == []


def test_tensorboard_reads_the_events(tmp_path):
    pytest.importorskip("tensorboardX", reason="tensorboardX is not installed")
    reader = "tensorboard.backend.event_processing.event_accumulator"
    accumulator = pytest.importorskip(reader, reason="tensorboard is not installed")
    monitors = Monitors(tmp_path, True)
    for index in range(3):
        monitors.series("Training loss", index, 0.5**index)
    monitors.state()
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(event.step, event.value) for event in events.Scalars("Training/loss")] == [(0, 1.0), (1, 0.5), (2, 0.25)]
