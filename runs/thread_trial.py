"""How many threads compute: found by trial while a run goes on, for beside other programs two can be slower than one."""

import statistics
import time

BLOCK = 0.25  # seconds, at least, that a number of threads is tried for in one go
ROUNDS = 2  # in which every number has its turn: a trial takes about a second, or two steps a turn where they are long
WINDOW = 20  # steps whose median tells how fast it goes
FALLEN = 1.5  # times as long as after the trial: it is time for another one
AGAIN = 300.0  # seconds after which there is one anyhow; the other program may have ended


class ThreadTrial:
    """Chooses between numbers of threads by the seconds of training steps.

    `use(count)` sets the number. A trial gives each its turns; the first step of a turn, which compiles, does not count.
    """

    def __init__(self, counts, use, clock=time.perf_counter):
        self._counts, self._use, self._clock = counts, use, clock
        self._begin_trial()

    @property
    def threads(self):
        """What is used at the moment."""
        return self._current

    @property
    def decided(self):
        """Is no trial under way?"""
        return not self._turns

    def run(self, step, *arguments):
        """Call `step` and learn from the time that it takes."""
        start = self._clock()
        result = step(*arguments)
        now = self._clock()
        if self._turns:
            self._try(now - start, now)
        else:
            self._watch(now - start, now)
        return result

    def _begin_trial(self):
        self._turns = list(self._counts) * ROUNDS
        self._times = {count: [] for count in self._counts}
        self._begin_turn(self._turns[0])

    def _begin_turn(self, count):
        self._current, self._turn_began, self._steps = count, None, []
        self._use(count)

    def _try(self, seconds, now):
        if self._turn_began is None:  # what compiles
            self._turn_began = now
            return
        self._times[self._current].append(seconds)
        if now - self._turn_began < BLOCK:
            return
        self._turns.pop(0)
        if self._turns:
            self._begin_turn(self._turns[0])
        else:
            self._begin_turn(min(self._counts, key=lambda count: statistics.median(self._times[count])))
            self._ended, self._usual = now, None

    def _watch(self, seconds, now):
        self._steps.append(seconds)
        if len(self._steps) == WINDOW:
            median, self._steps = statistics.median(self._steps), []
            self._usual = self._usual or median
            if median > FALLEN * self._usual or now - self._ended > AGAIN:
                self._begin_trial()
