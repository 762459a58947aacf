"""What a finished run gave: what `enas.search` and `enas.retrain` return. Files are read when they are asked for."""

import pathlib
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from file_names import CONTROLLER, TABLE, WEIGHTS
from reporting.parts import REPORT
from reporting.run_files import read_run
from runs.found_architecture import OWN
from search_spaces.files import load_architecture


def weights_of(outcome, folder):
    """Path of the parameters at the end of a finished retraining, which it wrote into `folder`; None where they are not.

    The folder may hold those of other runs too. Outcomes of earlier versions do not name their file: of these the one of the most
    mini-batches.
    """
    folder = pathlib.Path(folder)
    if "weights" in outcome:
        path = folder / outcome["weights"]
        return path if path.exists() else None
    return max(folder.glob(WEIGHTS), key=lambda path: int(path.stem.partition("_")[2]), default=None)


@dataclass(frozen=True)
class RunResult:
    """A finished run in its folder; `outcome` is what it recorded at its end (dict for JSON).

    What is asked for is read then, and raises UserError where the files have been damaged or removed since.
    """

    folder: pathlib.Path
    outcome: dict = field(repr=False)

    @property
    def summary(self):
        """The last lines that the run printed, as one text."""
        return "\n".join(self.outcome["summary"])

    @property
    def space(self):
        """Name of the search space."""
        return self._run.space

    @cached_property
    def architecture(self):
        """What was found or trained, an object of `search_spaces`; None if nothing that was found was small enough."""
        return load_architecture(self.architecture_file, self._run.space) if self._run.architecture else None

    @property
    def accuracy(self):
        """A fraction, None for text. Of a search: the best one with the shared weights, on the validation split."""
        return self._quality_as("accuracy")

    @property
    def perplexity(self):
        """As `accuracy`, for text; None for images."""
        return self._quality_as("perplexity")

    @cached_property
    def curves(self):
        """Dict of name, as "Training-loss", -> float array (points, 2) of position and value."""
        return {name: np.array(points, float).reshape(-1, 2) for name, points in self._run.series.items()}

    @property
    def report(self):
        """Path of the report page."""
        return self.folder / REPORT

    @property
    def architecture_file(self):
        """Path of the run's own file of the architecture, as --recommended-arch takes it."""
        return self.folder / OWN

    @cached_property
    def _run(self):
        return read_run(self.folder)

    def _quality_as(self, measure):
        return self._quality() if self._run.measure == measure else None


@dataclass(frozen=True)
class SearchResult(RunResult):
    """A finished search."""

    @property
    def derived(self):
        """List of all derived architectures in their order, as rows of the table (`reporting.run_files.Derived`)."""
        return self._run.derived

    @property
    def table(self):
        """Path of that table."""
        return self.folder / TABLE

    @property
    def controller(self):
        """Path of the controller's parameters, or None: chance has none."""
        path = self.folder / CONTROLLER
        return path if path.exists() else None

    def _quality(self):
        best = self._run.best()
        return best and best.quality


@dataclass(frozen=True)
class RetrainResult(RunResult):
    """A finished retraining with its weights in the folder `weights_folder`; its quality is that on the test set."""

    weights_folder: pathlib.Path

    @property
    def model(self):
        """Path of the exported network, as deploy.py takes it."""
        return self.weights_folder / "model.nnp"

    @property
    def weights(self):
        """Path of the parameters at the end, None if they have been removed."""
        return weights_of(self.outcome, self.weights_folder)

    def _quality(self):
        return self.outcome[self._run.measure]
