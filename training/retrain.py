"""Retraining: one architecture from scratch, measured on the held-out part after each epoch."""

import pathlib

from file_names import WEIGHTS
from models.parameters import save_parameters
from training.divergence import Diverged, expect_finite
from training.processes import SINGLE
from training.training_curves import TrainingCurves
from training.work import Work
from wording import figure


class Retraining:
    """One retraining in one run directory; `config` holds the options, `position` is where it stands.

    Of the `processes` the first one writes.
    """

    def __init__(self, config, architecture, task, run, position, say, processes=SINGLE):
        self.config, self.architecture, self.task, self.position = config, architecture, task, position
        self._run, self._say, self._processes = run, say, processes
        self.save_path = pathlib.Path(config.monitor_save_path or run.path)
        self._mini_batches = 0  # of all epochs so far
        self._curves = TrainingCurves(task.trainer, run.monitors, getattr(config, "monitor_interval", None))
        self.results = []  # quality on the held-out part after each epoch
        position.attach(self)

    def run(self):
        """Train all epochs; returns the quality on the test set after the last one.

        Raises `Diverged` when an output on the test set is not finite, or one after an epoch.
        """
        architecture, trainer, evaluator, position = self.architecture, self.task.trainer, self.task.evaluator, self.position
        if self._mini_batches == 0 and getattr(self.config, "save_first_weights", False):
            trainer.make_weights(architecture)
            self._save_weights()
        for epoch in position.rounds("epoch", self.config.epoch_on_retrain):
            for step in position.steps(None, range(trainer.steps(epoch)), trainer.averages):
                if step == 0:
                    trainer.reset_averages()
                trainer.train_step(architecture, epoch, step)
                self._mini_batch_done(epoch, step)
            quality = evaluator.validate(architecture, position.pause, self._processes)
            self.results.append(self._finite(evaluator.part.lower(), quality))
            self._record(epoch)
        return self._finite("test", evaluator.final_quality(architecture, self.results[-1], position.pause))

    def _finite(self, part, quality):
        if self.task.evaluator.not_finite:
            raise Diverged(f"the {part} {self.task.evaluator.measure_name} rests on outputs that were not finite")
        return quality

    def last_weights(self):
        """Path of the weights at the end."""
        return self._weights_path()

    def _mini_batch_done(self, epoch, step):
        """Write the weights and the curves when it is time."""
        self._mini_batches += 1
        last = epoch == self.config.epoch_on_retrain - 1 and step == self.task.trainer.steps(epoch) - 1
        if last or self._mini_batches % self.config.model_save_interval == 0:
            self._save_weights()
        self._curves.mini_batch(epoch, step)

    def _save_weights(self):
        weights = self.task.trainer.weights()
        expect_finite({name: variable.d for name, variable in weights.items()}, "weights")
        if self._processes.is_first:
            save_parameters(self._weights_path(), weights)

    def _weights_path(self):
        return self.save_path / WEIGHTS.replace("*", f"{self._mini_batches:06d}")

    def _record(self, epoch):
        trainer, evaluator, quality = self.task.trainer, self.task.evaluator, self.results[-1]
        self._curves.epoch(epoch)
        self._curves.series(f"{evaluator.part} {evaluator.measure_name}", epoch, evaluator.measure(quality))
        figures = ", ".join(figure(*average) for average in trainer.averages().items())
        self._say(
            f"epoch {epoch + 1}/{self.config.epoch_on_retrain}: training {figures}; "
            f"{evaluator.part.lower()} {evaluator.describe(quality)}",
            *trainer.epoch_done([evaluator.measure(result) for result in self.results]),
        )
        self._run.report.write_evaluation(self.task.evaluation(self.architecture))

    def work_left(self):
        """The `Work` of the epochs that are not done."""
        epochs = self.config.epoch_on_retrain - self.position.begun
        return Work(epochs * self.task.trainer.steps(self.position.begun), epochs * self.task.examples.held_out)

    def state(self):
        """What a checkpoint keeps: groups of arrays, a dict for JSON."""
        return self.task.trainer.state(), {"mini_batches": self._mini_batches, "results": self.results}

    def restore(self, groups, state):
        """Take up a `state()`."""
        self._mini_batches, self.results = state["mini_batches"], state["results"]
        self.task.trainer.restore(groups)
