"""Progress of a run: a bar on a terminal (standard error) and in a notebook, a plain line now and then elsewhere."""

import datetime
import sys
import time

from tqdm.auto import tqdm
from tqdm.notebook import tqdm_notebook

PLAIN_INTERVAL = 20.0  # seconds between plain lines
FIGURES_INTERVAL = 1.0  # seconds between new figures behind a bar


_IN_NOTEBOOK = issubclass(tqdm, tqdm_notebook)  # where `auto` found one that can show widgets
ROUNDS_REMEMBERED = 5  # the last ones tell how long one takes


class Progress:
    """One bar per phase, and the time left of the whole run, which is a number of rounds (iterations or epochs) of equal work.

    `quiet` shows nothing. Lines for the user go through `say`, so that they do not cut a bar. `agree(due)` gives `(due,)`: where
    several processes show one progress, they ask for figures together.
    """

    def __init__(self, quiet=False, stream=None, agree=lambda due: (due,)):
        self._quiet, self._agree = quiet, agree
        self._stream = stream or sys.stderr
        self._bar = None
        self._last_shown = time.monotonic()
        self._rounds_left, self._round_start, self._durations = None, None, []

    def start_rounds(self, left, whole=True):
        """Begin the run: `left` rounds are to be done; not `whole`: of the first one a part was done in an earlier process."""
        self._rounds_left, self._durations = left, []
        self._round_start = time.monotonic() if whole else None

    def round_done(self, timed=True):
        """End a round; not `timed`: it does not tell how long the others take."""
        now = time.monotonic()
        if timed and self._round_start is not None:
            self._durations = [*self._durations, now - self._round_start][-ROUNDS_REMEMBERED:]
        self._round_start = now
        self._rounds_left -= 1

    def seconds_left(self):
        """Of the whole run, or None while no round has been timed."""
        if not self._durations:
            return None
        one = sum(self._durations) / len(self._durations)
        return max(self._rounds_left * one - min(time.monotonic() - self._round_start, one), 0.0)

    def start(self, phase, total, done=0):
        """Begin the phase named `phase`, `done` of its `total` steps being behind."""
        self.stop()
        if not self._quiet:
            kind = _Bar if self._stream.isatty() or _IN_NOTEBOOK else _PlainLines
            self._bar = kind(phase, total, done, self._stream)

    def step(self, show=None, steps=1):
        """So many steps done; `show()` gives figures to show (list of texts), asked for only when they are due."""
        now = time.monotonic()
        (due,) = self._agree(self._bar is not None and now - self._last_shown > self._bar.interval)
        figures = [*(show() if show else ()), *self._whole_run()] if due else None
        if due:
            self._last_shown = now
        if self._bar is not None:
            self._bar.step(figures, steps)

    def _whole_run(self):
        left = self.seconds_left()
        return [] if left is None else [f"run {tqdm.format_interval(left)} left"]

    def stop(self):
        """End the phase."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def say(self, *lines):
        """Print lines to standard output."""
        if not self._quiet:
            for line in lines:
                tqdm.write(line, file=sys.stdout)
            sys.stdout.flush()

    def tell(self, *lines):
        """Print lines about what has happened just now; where there is no terminal, with the time of day."""
        self.say(*(lines if sys.stdout.isatty() else (f"{_now()} {line}" for line in lines)))


def _now():
    return f"{datetime.datetime.now():%Y-%m-%d %H:%M:%S}"


class _Bar:
    interval = FIGURES_INTERVAL

    def __init__(self, phase, total, done, stream):
        self._bar = tqdm(desc=phase, total=total, initial=done, file=stream, leave=False, dynamic_ncols=True)

    def step(self, figures, steps):
        self._bar.update(steps)
        if figures:
            self._bar.set_postfix_str(", ".join(figures), refresh=False)

    def close(self):
        self._bar.close()


class _PlainLines:
    interval = PLAIN_INTERVAL

    def __init__(self, phase, total, done, stream):
        self._phase, self._total, self._done, self._stream = phase, total, done, stream
        self._first, self._start = done, time.monotonic()

    def step(self, figures, steps):
        self._done += steps
        if figures is None:
            return
        rate = (self._done - self._first) / max(time.monotonic() - self._start, 1e-9)
        left = tqdm.format_interval((self._total - self._done) / rate)
        place = f"{self._done}/{self._total}, {rate:.2f}/s, {left} left"
        print(f"{_now()} {self._phase}: {', '.join([place, *figures])}", file=self._stream, flush=True)

    def close(self):
        pass
