"""The curves of training: means of what mini-batches measured, once an epoch or, as the example's, every so many of them."""


class TrainingCurves:
    """Writes the curves of a `Trainer` to the monitors of a run.

    `interval`: None, or mini-batches between two points of what is measured in training. Then a point's index is the number of
    its last mini-batch, from 0, in the curves of what is measured once an epoch, too; otherwise it is the epoch's.
    """

    def __init__(self, trainer, monitors, interval=None):
        self._trainer, self._monitors, self._interval = trainer, monitors, interval

    def mini_batch(self, epoch, step):
        """Call it after mini-batch `step` of `epoch`."""
        number = epoch * self._trainer.steps(epoch) + step + 1
        if self._interval and number % self._interval == 0:
            for name, value in self._trainer.lap().items():
                self._monitors.series(f"Training {name}", number - 1, value)

    def series(self, name, epoch, value):
        """Add a point that belongs to the end of an epoch."""
        index = (epoch + 1) * self._trainer.steps(epoch) - 1 if self._interval else epoch
        self._monitors.series(name, index, value)

    def epoch(self, epoch):
        """Call it after the last mini-batch of an epoch."""
        measured = self._trainer.averages()
        if self._interval:
            measured = {name: value for name, value in measured.items() if name not in ("loss", "accuracy")}
        for name, value in measured.items():
            self.series(f"Training {name}", epoch, value)
        self.series("Learning rate", epoch, self._trainer.learning_rate(epoch, self._trainer.steps(epoch) - 1))
