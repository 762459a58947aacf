"""--evaluate-only: the weights of a retraining measured again on its test data. Nothing of the run is changed."""

import pathlib

import numpy as np

import args
from datasets.record import difference
from deployment.export import architecture_of, inference_graph
from errors import UserError
from file_names import CHECKPOINTS, WEIGHTS
from runs.checkpoint import Checkpoints
from runs.initial_weights import WeightsFile, names_of
from runs.job import Job
from runs.results import weights_of
from runs.run_config import read_config, recorded_path, run_folder
from search_spaces.files import load_architecture
from search_spaces.forms import parse

# What the command says of an evaluation; everything else is as the run recorded it.
OWN = (
    "evaluate_only", "initial_weights", "recommended_arch", "monitor_path", "monitor_save_path", "data_dir", "context",
    "device_id", "cpu_kernels", "cpu_threads", "quiet", "recompute",
    "mirrored",
)  # fmt: skip


class Evaluation(Job):
    """Of the retraining in --monitor-path and of the weights in --initial-weights; of these alone without --monitor-path."""

    def __init__(self, space, config):
        if config.architectures:
            raise UserError("--evaluate-only measures one run, found several in --recommended-arch; leave --recommended-arch out")
        alone = config.initial_weights is not None and "monitor_path" not in config.given
        self._file = WeightsFile(config.initial_weights) if config.initial_weights is not None else None
        self._run = None if alone else RecordedRun(config)
        if alone and self._file.facts is None:
            raise UserError(f"no network.json beside {self._file.path} says how it was trained; give its --monitor-path")
        if alone and self._file.facts["space"] != space.name:
            raise UserError(f"{self._file.path} is of the {self._file.facts['space']} space; take the script of that space")
        recorded = self._file.facts["options"] if alone else self._run.options
        super().__init__(space, _as_recorded(config, recorded, self._file.path if alone else self._run.folder))
        self.architecture = architecture_of(self._file.facts) if alone else self._run.architecture
        self._expect_asked()

    def run(self):
        """Measure and print; a UserError says what keeps it from that."""
        self.device = self._choose_device()
        with np.errstate(all="ignore"):
            if self._run:
                self._evaluate(self._weights_of_run)
            if self._file:
                self._evaluate(self._weights_of_file)
        return 0

    def _evaluate(self, take_weights):
        """Of a network of its own: nothing is left in it of the weights before."""
        task = self.space.tasks.retraining_task(self.config, self.space, self.say)
        self._print(self._measure(task, take_weights(task)))

    def _expect_asked(self):
        """Raises UserError if the command names another architecture."""
        if "recommended_arch" not in self.config.given:
            return
        asked = self.config.recommended_arch
        if load_architecture(asked, self.space.name) != self.architecture:
            raise UserError(f"{asked} is not the architecture of what is evaluated; leave --recommended-arch out")

    def _weights_of_run(self, task):
        """Put them into the task's network; returns what they are."""
        return self._run.put_weights(task, self._facts(task), self.config.monitor_save_path, self.say)

    def _weights_of_file(self, task):
        facts = self._facts(task)
        if self._file.names not in (None, names_of(facts)):
            raise UserError(f"{self._file.path} tells other classes or words apart than these data have; give others")
        put(self._file, task, facts, self.architecture)
        return str(self._file.path)

    def _facts(self, task):
        return task.export_facts(self.architecture, {})

    def _measure(self, task, weights):
        """A line on the quality of a task's network."""
        evaluator, architecture = task.evaluator, self.architecture
        last = self._finite(evaluator, evaluator.validate(architecture, processes=self.processes), weights)
        final = self._finite(evaluator, evaluator.final_quality(architecture, last, lambda: None), weights)
        validation = f", validation {evaluator.describe(last)}" if evaluator.part == "Validation" else ""
        both = " (mean of each image and its mirror image)" if getattr(self.config, "mirrored", False) else ""
        return f"test {evaluator.describe(final)}{both}{validation}: {weights}"

    def _finite(self, evaluator, quality, weights):
        if evaluator.not_finite:
            raise UserError(f"outputs of the network are not finite with these weights: {weights}; give others")
        return quality

    def _print(self, line):
        if self.processes.is_first:
            print(line, flush=True)


def put(file, task, facts, architecture):
    """Put the weights of a `WeightsFile` into the network of a task. Raises UserError if they are of another one."""
    variables = inference_graph(task.network, facts).parameters
    wanted = {name: variable for name, variable in task.network.scope.all().items() if name in variables}
    file.expect(architecture, {name: variable.shape for name, variable in wanted.items()})
    for name, array in file.read(wanted).items():
        wanted[name].d = array


class RecordedRun:
    """The retraining in --monitor-path, or in its folder `retrain`, as its config.json says. UserError if there is none."""

    def __init__(self, config):
        self._job = f"{config.space}_{args.RETRAIN}"
        self.folder = run_folder(config.monitor_path, self._job)
        self._config = read_config(self.folder)
        if self._config is None or self._config["job"] != self._job:
            raise UserError(f"{config.monitor_path} holds no {self._job} run to evaluate; give its --monitor-path")
        self.options = self._placed(self._config["options"])
        try:
            self.architecture = parse(self.options["architecture"].encode(), ".txt", config.space)
        except (KeyError, AttributeError) as error:
            raise UserError(f"the options of the run in {self.folder} are damaged: no architecture; retrain again") from error

    def _placed(self, options):
        """Paths were given in the folder where the run was begun."""
        places = [name for name in ("data_dir", "monitor_save_path") if isinstance(options.get(name), str)]
        return options | {name: recorded_path(self._config, options[name]) for name in places}

    def put_weights(self, task, facts, save_path, log):
        """Put weights into the task's network; returns in words which: the last of a finished run, else of its checkpoint.

        Raises UserError if the data are others than the run had, or there are no weights.
        """
        other = difference(self._config.get("data"), task.data_record().facts)
        if other:
            raise UserError(f"the data have changed since the run in {self.folder} ({other}); restore the original data")
        if self._config["finished"] is None:
            return self._put_checkpoint(task, log)
        folder = pathlib.Path(save_path or self.folder)
        file = weights_of(self._config["finished"], folder)
        if file is None:
            raise UserError(f"there are no weights ({WEIGHTS}) of the finished run in {folder}; give their --monitor-save-path")
        put(WeightsFile(str(file)), task, facts, self.architecture)
        return f"{file}, the weights at the end of {self.options['epoch_on_retrain']} epochs"

    def _put_checkpoint(self, task, log):
        groups, state = Checkpoints(self.folder / CHECKPOINTS).load(log)
        task.trainer.restore(groups)
        done = f"{state['position'][0]} of {self.options['epoch_on_retrain']} epochs, {state['mini_batches']} mini-batches"
        return f"the last checkpoint of the unfinished run in {self.folder}, after {done}"


def _as_recorded(config, options, place):
    """`config` with the recorded `options` (dict) but for `OWN`. Raises UserError if the command contradicts them.

    An option that there was not yet has its usual value, whatever the preset says today.
    """
    options = args.parse(config.space, config.job, []).options() | options
    for name, value in config.given.items():
        if name not in OWN and hasattr(config, name) and name in options and value != options[name]:
            asked = f"--{name.replace('_', '-')} is {value}"
            raise UserError(f"{asked}, but what {place} holds was trained with {options[name]}; leave the option out")
    kept = [name for name in OWN if name in config.given or name not in ("data_dir", "monitor_save_path")]
    try:
        return args.revised(config, {name: value for name, value in options.items() if name not in kept})
    except UserError as error:
        raise UserError(f"the options that {place} holds are damaged: {error}") from error
