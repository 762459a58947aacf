"""How long a run will take, told after its first steps, out of what those and the other kinds of its work take here."""

import statistics
import time

from errors import UserError, is_lack_of_memory
from training.divergence import Diverged

SKIPPED = 3  # steps at the start, which compile
STEPS, SECONDS = 5, 5.0  # at least so many are timed, and for so long
TRIED = 2  # architectures whose final network is timed
TRIAL_STEPS = 1  # of each, after one that compiles
DAY = 86_400.0


class Forecast:
    """Times training steps of a loop (`Search` or `Retraining`), then once what it does besides, and calls `tell(Hours)`.

    `settled()`: False as long as steps do not tell how long later ones take. Nothing is moved by what is done for the clock.
    """

    def __init__(self, loop, processes, tell, settled=lambda: True, clock=time.perf_counter):
        self._loop, self._processes, self._tell, self._settled, self._clock = loop, processes, tell, settled, clock
        self._steps, self._began, self._architectures = 0, None, []
        trainer = loop.task.trainer
        self._step, trainer.train_step = trainer.train_step, self._timed_step

    def _timed_step(self, architecture, epoch, step):
        self._step(architecture, epoch, step)
        self._steps += 1
        if self._began is not None:
            self._architectures = [*self._architectures[1 - TRIED :], architecture]
            if self._steps >= STEPS and self._now() - self._began >= SECONDS:
                self._finish(architecture)
        elif self._steps >= SKIPPED and self._settled():
            self._steps, self._began = 0, self._now()

    def _now(self):
        if self._steps % STEPS == 0:
            self._loop.task.trainer.averages()  # waits for a GPU
        return self._clock()

    def _finish(self, architecture):
        trainer = self._loop.task.trainer
        trainer.train_step = self._step
        trainer.averages()
        step = (self._clock() - self._began) / self._steps
        self._tell(self._hours(step, self._judging(self._loop.task, architecture)))

    def _time(self, function):
        """Seconds of a call; the first one, which compiles, does not count."""
        function()
        start = self._clock()
        function()
        return self._clock() - start

    def _hours(self, step, judging):
        """`step`, `judging`: seconds of a training step and of an example that is judged."""
        task, work = self._loop.task, self._loop.work_left()
        update = self._time(lambda: self._loop.policy.probe(work.candidates)) if work.updates else 0.0
        # Processes share out candidates, of which each is judged by one; how they share a whole part makes no difference.
        seconds = work.steps * step + (work.judged * judging + work.updates * update) / self._processes.size
        return Hours(seconds, task.proposed and self._retraining(task.proposed))

    def _retraining(self, proposed):
        """Seconds of the proposed retraining, None where it cannot be: the mean over some architectures of the search."""
        try:
            return self._timed_retraining(proposed) / self._processes.size
        except (UserError, Diverged):  # these are for it to tell
            return None
        except (MemoryError, RuntimeError) as error:
            if is_lack_of_memory(error):  # beside the search, which goes on without this figure
                return None
            raise

    def _timed_retraining(self, proposed):
        limit, times = self._loop.config.max_macs, []
        for architecture in self._architectures:
            trial = proposed.make_task(architecture)
            training, judging = self._training(trial, architecture), self._judging(trial, architecture)
            epoch = proposed.trained * training + proposed.held_out * judging
            too_large = max(self._loop.task.cost(architecture).multiply_adds / limit, 1) if limit else 1
            times.append(proposed.epochs * epoch / too_large)
        return statistics.fmean(times)

    def _training(self, task, architecture):
        """Seconds of an example in training."""
        steps = task.trainer.steps(0)

        def some():
            for step in range(TRIAL_STEPS):
                task.trainer.train_step(architecture, 0, step % steps)
            task.trainer.averages()

        return self._time(some) / TRIAL_STEPS / (task.examples.trained / steps)

    def _judging(self, task, architecture):
        """Seconds of an example that is judged."""
        return self._time(lambda: task.evaluator.probe(architecture)) / task.examples.probed


class Hours:
    """What a run takes: seconds of itself, and of the retraining that it will propose, None where it proposes none."""

    def __init__(self, run, retraining=None):
        self.run, self.retraining = run, retraining

    def line(self, run, resumed, shorter=None):
        """In words. `run`: "search" or "retraining"; `shorter`: the preset to name where it takes more than a day, or None."""
        what = f"the rest of this {run}" if resumed else f"this {run}"
        parts = [f"{what} takes about {span(self.run)} on this machine"]
        if self.retraining is not None:
            parts.append(f"the retraining that it proposes about {span(self.retraining)}")
        if shorter and self.run + (self.retraining or 0) > DAY:
            parts[-1] += f"; --preset {shorter} is made for a CPU"
        return ", ".join(parts)


def span(seconds):
    """A time in words, with two digits or so: "40 seconds", "3 minutes", "7.5 hours", "12 days"."""
    for unit, length, upto in (("second", 1, 90), ("minute", 60, 90 * 60), ("hour", 3600, 36 * 3600)):
        if seconds < upto:
            return _counted(seconds / length, unit)
    return _counted(seconds / DAY, "day")


def _counted(number, unit):
    shown = f"{number:.1f}" if unit in ("hour", "day") and number < 9.95 else f"{max(number, 1):.0f}"
    shown = shown.removesuffix(".0")
    return f"{shown} {unit}{'' if shown == '1' else 's'}"
