"""Retraining: one architecture from scratch, measured on the test set after each epoch."""

from dataclasses import dataclass

from models.parameters import save_parameters
from runs.parallel import SINGLE
from training.divergence import Diverged, expect_finite


@dataclass(frozen=True)
class RetrainSettings:
    """Names as the options."""

    epochs: int
    model_save_interval: int  # mini-batches
    save_path: object  # folder for the weights


class Retraining:
    """One retraining in one run directory; goes on from `run.resumed` as if it had never stopped.

    Of the processes of `group` the first one writes.
    """

    def __init__(self, settings, architecture, task, run, progress, group=SINGLE):
        self.settings, self.architecture, self.task, self.run_directory, self._group = settings, architecture, task, run, group
        self._progress = progress
        self.epoch, self._step, self._iteration = 0, 0, 0
        self.results = []  # quality on the held-out set after each epoch
        task.rate_factor = run.rate_factor
        if run.resumed:
            self._restore(*run.resumed)

    def run(self):
        """Train all epochs; returns the quality on the test set after the last one.

        Raises `Diverged` when an output on the test set is not finite, or one after an epoch.
        """
        self._pause(due=not self.run_directory.resumed)
        self._progress.start_rounds(self.settings.epochs - self.epoch, whole=self._step == 0)
        while self.epoch < self.settings.epochs:
            self._train_epoch()
            self._record()
            self._progress.round_done()
            self.run_directory.report.update(self._progress.seconds_left(), self.task.evaluation(self.architecture))
            self.epoch, self._step = self.epoch + 1, 0
            self._pause(due=True)
        quality = self.task.final_quality(self.architecture, self.results[-1], self._pause)
        self._expect_finite_outputs("test")
        return quality

    def _expect_finite_outputs(self, part):
        if self.task.not_finite:
            raise Diverged(f"the {part} {self.task.measure_name} rests on outputs that were not finite")

    def last_weights(self):
        """Path of the weights at the end."""
        return self._weights_path(self._iteration)

    def _train_epoch(self):
        steps = self.task.steps(self.epoch)
        self._progress.start(f"epoch {self.epoch + 1}/{self.settings.epochs}", steps, self._step)
        for step in range(self._step, steps):
            if step == 0:
                self.task.reset_averages()
            self.task.train_step(self.architecture, self.epoch, step)
            self._iteration += 1
            if self._iteration % self.settings.model_save_interval == 0 or self._is_last(step, steps):
                self._save_weights()
            self._step_done()

    def _is_last(self, step, steps):
        return self.epoch == self.settings.epochs - 1 and step == steps - 1

    def _save_weights(self):
        weights = self.task.weights()
        expect_finite({name: variable.d for name, variable in weights.items()}, "weights")
        if self._group.is_first:
            save_parameters(self._weights_path(self._iteration), weights)

    def _weights_path(self, iteration):
        return self.settings.save_path / f"params_{iteration:06d}.h5"

    def _record(self):
        quality = self.task.validate(self.architecture, self._pause, self._group)
        self._expect_finite_outputs(self.task.held_out.lower())
        self.results.append(quality)
        monitors, averages = self.run_directory.monitors, self.task.averages()
        for name, value in averages.items():
            monitors.series(f"Training {name}", self.epoch, value)
        monitors.series(f"{self.task.held_out} {self.task.measure_name}", self.epoch, self.task.measure(quality))
        monitors.series("Learning rate", self.epoch, self.task.learning_rate(self.epoch, self._step - 1))
        figures = ", ".join(f"{name} {value:.4g}" for name, value in averages.items())
        self._progress.say(
            f"epoch {self.epoch + 1}/{self.settings.epochs}: training {figures}; "
            f"{self.task.held_out.lower()} {self.task.describe(quality)}",
            *self.task.epoch_done(self.results),
        )

    def _step_done(self):
        self._step += 1
        self._progress.step(lambda: {name: f"{value:.4g}" for name, value in self.task.averages().items()})
        self._pause()

    def _pause(self, due=False):
        self.run_directory.pause_point(self._save, due)

    def _save(self):
        state = {"epoch": self.epoch, "step": self._step, "iteration": self._iteration, "results": self.results}
        self.run_directory.save(self.task.state(), state)

    def _restore(self, groups, state):
        self.epoch, self._step, self._iteration = state["epoch"], state["step"], state["iteration"]
        self.results = state["results"]
        self.task.restore(groups)
