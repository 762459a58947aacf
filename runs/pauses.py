"""When a run writes a checkpoint, and when it stops: decided for all its processes alike."""

import math
import time

from runs.interruption import Interruption


class Pauses:
    """Asked between two steps of a loop. `interval`: seconds between checkpoints; math.inf leaves that to another process."""

    def __init__(self, processes, interval=math.inf, quiet=False):
        self._processes, self._interval, self._interruption = processes, interval, Interruption(quiet)
        self._last_save = time.monotonic()

    def watch(self):
        """Context in which signals only ask for a stop."""
        return self._interruption.watch()

    @property
    def signal(self):
        """The number of the signal that asked this process for a stop, or 0."""
        return self._interruption.signal or 0

    def saved(self):
        """A checkpoint has been written."""
        self._last_save = time.monotonic()

    def decide(self, due):
        """(signal that stops the run or 0, write a checkpoint?, is the interval over here?); `due`: one is wanted in any case."""
        late = time.monotonic() - self._last_save > self._interval
        number, due = self._processes.agree(self.signal, due or late)
        return number, bool(due or number), late
