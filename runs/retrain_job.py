"""A retraining from its options to a finished run."""

import functools
import os
import pathlib

from deployment.export import write_facts, write_nnp
from errors import UserError
from reporting.parts import REPORT
from runs.commands import script_command
from runs.initial_weights import InitialWeights, Source, names_of
from runs.job import Job
from runs.position import Position
from runs.searched_data import SearchedData
from search_spaces.files import load_architecture
from training.retrain import Retraining


class RetrainJob(Job):
    """Train an architecture from scratch: `architecture`, or if it is None the one in --recommended-arch."""

    length = "epoch_on_retrain"

    def __init__(self, space, config, architecture=None):
        super().__init__(space, config)
        self.architecture = architecture
        self._source = self._initial = None  # of the initial weights
        self._searched = None  # the data of the search

    def check(self):
        if self.architecture is None:
            self.architecture = load_architecture(self.config.recommended_arch, self.config.space, self.say)
        self._searched = SearchedData(self.config, self.architecture, self.say)
        self.config = self._searched.config
        _check_size(self.config, self.space, self.architecture)
        _check_folder(self.config.monitor_save_path)
        if self.config.initial_weights is not None:
            self._source = Source.of(self.config)
            self.processes.expect_same(self._source.checksum, "initial weights")

    def make_task(self):
        task = self.space.tasks.retraining_task(self.config, self.space, self.say)
        self._searched.expect(task.data_record().facts)
        if self._source and self._source.file:
            names = names_of(task.export_facts(self.architecture, {}))
            self._initial = InitialWeights(self._source.file, task, self.architecture, names)
        return task

    def expect_beginning(self):
        if self._source:
            self._source.expect_file()

    def make_loop(self, run, task):
        architecture, processes = self.architecture, self.processes
        self.tell(self.heading())
        self.say(architecture.describe(), f"{task.cost(architecture)} for one example")
        if self._initial and not run.resumed:
            self.say(self._initial.put())
        loop = Retraining(self.config, architecture, task, run, Position(run, self.progress, processes), self.tell, processes)
        if processes.is_first:
            self._prepare_folders(run, loop)
        return loop

    def _prepare_folders(self, run, loop):
        _make_folder(loop.save_path)
        run.architecture_files.write_own(self.architecture)
        write_facts(loop.save_path, self._facts(loop))

    def outcome(self, run, loop, returned):
        task, path = loop.task, loop.save_path / "model.nnp"
        write_nnp(path, task.network, task.trainer.weights(), self._facts(loop))
        summary = [
            f"test {task.evaluator.describe(returned)} after {self.config.epoch_on_retrain} epochs",
            f"weights: {loop.last_weights()}",
            f"curves: {run.path}",
            f"report: {run.path / REPORT}",
            task.use_of(path, functools.partial(script_command, "deploy")),
        ]
        measured = {task.evaluator.measure_name: task.evaluator.measure(returned)}
        return {"summary": summary, "weights": loop.last_weights().name, **measured}

    def options(self):
        source = self._source.options() if self._source else {}
        return super().options() | source | {"architecture": self.architecture.to_text()}

    def _facts(self, loop):
        return loop.task.export_facts(self.architecture, self.config.options())


def _check_size(config, space, architecture):
    """--num-layers and --num-nodes repeat what the architecture says, or are wrong."""
    asked = getattr(config, space.size_option) if space.size_option else None
    found = space.size_of(architecture)
    if asked not in (None, found):
        option = f"--{space.size_option.replace('_', '-')}"
        raise UserError(f"{option} is {asked}, but {config.recommended_arch} has {found}; leave the option out")


def _check_folder(path):
    """Raises UserError if the folder cannot be made or written in, before anything is."""
    place = pathlib.Path(path or ".").absolute()
    while not os.path.lexists(place):
        place = place.parent
    if not (place.is_dir() and os.access(place, os.W_OK | os.X_OK)):
        reason = "is not writable" if place.is_dir() else "is not a folder"
        raise UserError(f"cannot write the weights in {path}: {place} {reason}; choose another --monitor-save-path")


def _make_folder(path):
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot create the folder {path}: {error.strerror}; choose another --monitor-save-path") from error
