import io
import re
import sys
import time

import pytest

from reporting import progress as module
from reporting.progress import Progress

TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d "


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1000.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_the_time_left_is_that_of_the_rounds_that_are_left(clock):
    progress = Progress(quiet=True)
    progress.start_rounds(10)
    assert progress.seconds_left() is None
    clock.now += 60
    progress.round_done()
    assert progress.seconds_left() == 9 * 60
    clock.now += 20
    assert progress.seconds_left() == 9 * 60 - 20
    clock.now += 60  # this one takes 80
    progress.round_done()
    assert progress.seconds_left() == 8 * 70


def test_a_round_of_which_a_part_was_done_before_is_not_timed(clock):
    progress = Progress(quiet=True)
    progress.start_rounds(3, whole=False)
    clock.now += 5
    progress.round_done()
    assert progress.seconds_left() is None
    clock.now += 30
    progress.round_done()
    assert progress.seconds_left() == 30


def test_the_last_rounds_count(clock):
    progress = Progress(quiet=True)
    progress.start_rounds(20)
    for seconds in (1000, 10, 10, 10, 10, 10):
        clock.now += seconds
        progress.round_done()
    assert progress.seconds_left() == 14 * 10


def test_lines_where_there_is_no_terminal(clock):
    stream = io.StringIO()
    progress = Progress(stream=stream)
    progress.start_rounds(3)
    clock.now += 100
    progress.round_done()
    progress.start("iteration 2/3, deriving", 40)
    for _ in range(30):
        clock.now += 1
        progress.step(lambda: ["loss 0.5", "accuracy 12.50 %"])
    progress.stop()
    lines = stream.getvalue().splitlines()
    assert all(re.fullmatch(TIME, line[:20]) for line in lines)
    assert [line[20:] for line in lines] == [
        "iteration 2/3, deriving: 1/40, 1.00/s, 00:39 left, loss 0.5, accuracy 12.50 %, run 03:19 left",
        "iteration 2/3, deriving: 22/40, 1.00/s, 00:18 left, loss 0.5, accuracy 12.50 %, run 02:58 left",
    ]


def test_what_happens_is_told_with_the_time_of_day_where_there_is_no_terminal(capsys, monkeypatch):
    progress = Progress()
    progress.tell("epoch 1/2", "epoch 2/2")
    first, second = capsys.readouterr().out.splitlines()
    assert re.fullmatch(TIME + "epoch 1/2", first) and re.fullmatch(TIME + "epoch 2/2", second)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    progress.tell("epoch 1/2")
    assert capsys.readouterr().out == "epoch 1/2\n"


def test_quiet_shows_nothing(clock, capsys):
    stream = io.StringIO()
    progress = Progress(quiet=True, stream=stream)
    progress.start_rounds(1)
    progress.start("a", 2)
    for _ in range(2):
        clock.now += 100
        progress.step(lambda: pytest.fail("asked for figures that nobody sees"))
    progress.say("words")
    progress.stop()
    assert stream.getvalue() == "" and capsys.readouterr().out == ""


def test_a_terminal_gets_one_bar_per_phase_with_rate_and_time_left():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    progress = Progress(stream=stream)
    progress.start("epoch 1/2", 3)
    for _ in range(2):
        time.sleep(0.12)  # tqdm shows nothing more often than every 0.1 s
        progress.step()
    progress.stop()
    shown = stream.getvalue()
    assert "epoch 1/2" in shown and " 2/3 " in shown and "it/s" in shown
