"""Where a run stands: the round, the phase of it, the step of that. The loops go through it, and it knows of stopping alone."""

from wording import figure


class Position:
    """The place of a loop that can stop after every step and go on in another process.

    A loop (`Search`, `Retraining`) asks for its rounds (iterations, epochs) and, inside a round, for the steps of one phase
    after the other. It gets those that are not done yet. Between two steps the progress moves and the run may pause: write a
    checkpoint, or end. In a checkpoint the position is three numbers and the results collected so far in the step under way.
    """

    def __init__(self, run, progress, processes):
        """`run`: the opened run directory; `processes` share out what `collect` does."""
        self._run, self._progress, self._processes = run, progress, processes
        self._round, self._phase, self._step, self._results = 0, 0, 0, []
        self._entered = 0  # phases of this round that the loop came to in this process
        self._title, self._figures, self._loop = "", dict, None

    @property
    def begun(self):
        """Number of the round that the loop is in: so many are done."""
        return self._round

    def attach(self, loop):
        """Save `loop.state()` (groups of arrays, dict for JSON) with the position; a resumed run gives it to `loop.restore`."""
        self._loop = loop
        if self._run.resumed:
            groups, state = self._run.resumed
            self._round, self._phase, self._step, self._results = state["position"]
            loop.restore(groups, state)

    def rounds(self, name, count, alike_from=0):
        """Numbers of the rounds to do, of 0 to `count` - 1. Those before `alike_from` do not tell how long the others take."""
        self.pause(due=not self._run.resumed)
        self._progress.start_rounds(count - self._round, whole=self._phase == self._step == len(self._results) == 0)
        while self._round < count:
            self._title, self._entered = f"{name} {self._round + 1}/{count}", 0
            yield self._round
            self._progress.round_done(timed=self._round >= alike_from)
            self._run.report.update(self._progress.seconds_left())
            self._round, self._phase, self._step, self._results = self._round + 1, 0, 0, []
            self.pause(due=True)

    def steps(self, phase, items, figures=dict, parts=1):
        """The next phase of the round: those of `items` that are not done, one for each step.

        phase: its name; figures: gives a dict of numbers to show; parts: results that `collect` will collect in each step.
        """
        if not self._enter(phase, len(items), parts, figures):
            return
        for item in items[self._step :]:
            yield item
            self._step, self._results = self._step + 1, []
            if parts == 1:
                self._show()
            self.pause()

    def results(self, phase, function, items):
        """The next phase of the round, one step: the results of `function` for `items`. No phase may follow it."""
        self._enter(phase, 1, len(items), dict)
        return self.collect(function, items)

    def collect(self, function, items):
        """[function(item) for item in items] of numbers or rows of them, shared out; what was found before a stop is kept."""
        while len(self._results) < len(items):
            done = len(self._results)
            found = self._processes.map(function, items[done : done + self._processes.size])
            self._results += found
            self._show(len(found))
            self.pause()
        return self._results

    def pause(self, due=False):
        """A point where the run can stop and go on; a checkpoint is written if it is `due`, or in any case now and then."""
        self._run.pause_point(self._save, due)

    def _enter(self, phase, steps, parts, figures):
        """Go on to the next phase; False when it is done already."""
        number, self._entered, self._figures = self._entered, self._entered + 1, figures
        if number < self._phase:
            return False
        if number > self._phase:
            self._phase, self._step, self._results = number, 0, []
        title = f"{self._title}, {phase}" if phase else self._title
        self._progress.start(title, steps * parts, self._step * parts + len(self._results))
        return True

    def _show(self, steps=1):
        self._progress.step(lambda: [figure(*item) for item in self._figures().items()], steps)

    def _save(self):
        groups, state = self._loop.state()
        self._run.save(groups, state | {"position": [self._round, self._phase, self._step, self._results]})
