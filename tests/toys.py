"""A search and a retraining that take milliseconds: the loops, the run directory and the files are real, the network is not."""

import contextlib
import json
import re
from types import SimpleNamespace

import nnabla as nn
import numpy as np

from deployment.complexity import Cost
from files import atomic_write
from reporting.progress import Progress
from runs import follower
from runs.position import Position
from runs.run_config import Request
from runs.run_directory import Finished, RunDirectory
from search_spaces.decisions import Decision
from search_spaces.macro import MacroSpace
from training.divergence import expect_finite
from training.processes import SINGLE
from training.randomness import generator
from training.retrain import Retraining
from training.search import Search

SPACE = MacroSpace(3)
STEPS = 2
ARCHITECTURE = SPACE.random(np.random.default_rng(0))


class ToyTask:
    """Weights that move by random numbers; the quality of an architecture depends on them."""

    measure_name, part = "accuracy", "Test"

    def __init__(self, seed=0):
        self.seed, self.rate_factor = seed, 1.0
        self.values, self.not_finite = np.zeros(4), 0.0
        self.network = self.trainer = self.evaluator = self

    def steps(self, epoch):
        return STEPS

    def learning_rate(self, epoch, step):
        return self.rate_factor / (1 + epoch)

    def train_step(self, architecture, epoch, step):
        share = sum(architecture.to_numbers()) / 100
        move = generator(self.seed, "step", epoch, step).standard_normal(4)
        self.values = 0.9 * self.values + self.learning_rate(epoch, step) * (move + share)

    def averages(self):
        return {"loss": float(np.square(self.values).mean())}

    def reset_averages(self):
        pass

    def reward(self, architecture, batches, *position):
        return self._quality(architecture) + generator(self.seed, "reward", *position).random() / 10

    def validate(self, architecture, pause=lambda: None, processes=None):
        pause()
        return self._quality(architecture)

    def evaluation(self, architecture):
        return {}

    def final_quality(self, architecture, last, pause):
        return last

    def epoch_done(self, results):
        return []

    def _quality(self, architecture):
        return float(np.cos(self.values).sum() + np.sin(architecture.to_numbers()).sum()) / 20

    def goal(self, config):
        return config.goal

    def measure(self, quality):
        return quality

    def describe(self, quality):
        return f"accuracy {quality:.3f}"

    def cost(self, architecture):
        return Cost(int(architecture.to_numbers().sum()), 7)

    def weights(self):
        return {"W": nn.Variable.from_numpy_array(self.values)}

    def state(self):
        return {"child": {"W": self.values.copy()}}

    def restore(self, groups):
        self.values = groups["child"]["W"]


class ToyPolicy:
    """Samples by chance and by a preference that rewards move."""

    learns = True

    def __init__(self, seed=0):
        self.seed, self.preference = seed, np.zeros(1)

    def sample(self, purpose, *position, first, count):
        expect_finite({"preference": self.preference}, "toy")
        shift = int(np.floor(1000 * abs(self.preference[0])))
        return [SPACE.random(generator(self.seed + shift, purpose, *position, i)) for i in range(first, first + count)]

    def update(self, purpose, *position, qualities):
        self.preference = self.preference + np.mean(qualities)
        return {"reward": float(np.mean(qualities))}

    def preferences(self, *position):
        share = 1 / (1 + abs(float(self.preference[0])))
        return [(Decision("operation", "layer 0", ("a", "b", None)), (share, 1 - share, 0.0))]

    def save(self, path):
        with atomic_write(path) as file:
            file.write(self.preference.tobytes())

    def state(self):
        return {"controller": {"preference": self.preference.copy()}}

    def restore(self, groups):
        self.preference = groups["controller"]["preference"]


class ToyReport:
    """In place of the drawings, which take most of a toy's time."""

    def __init__(self, folder):
        self._folder = folder

    def write_evaluation(self, _):
        pass

    def update(self, *_, **__):
        with atomic_write(self._folder / "report.html", "w") as file:
            file.write(str(json.loads((self._folder / "config.json").read_text())["finished"]))


def open_run(
    folder, job="macro_search", restart=False, interval=600.0, log=lambda line: None, processes=SINGLE, command="again",
    data=None, **options
):  # fmt: skip
    """The run directory `folder`/run, for all `processes`."""
    architecture = ARCHITECTURE.to_text()
    options = {"seed": 0, "max_search_iter": 2, "epoch_on_retrain": 2, "architecture": architecture, **options}
    return follower.open_run(
        processes,
        lambda: RunDirectory(
            folder / "run", Request(job, options, ("quiet",), restart, command, data), log, interval, processes=processes
        ),
    )


OPTIONS = SimpleNamespace(
    schedule="alternating", max_search_iter=2, epoch_per_search=1, controller_steps=1, controller_start=0, num_candidate=2,
    val_iter=1, num_derive=2, goal=100.0, select_strategy="best", max_parameters=None, max_macs=None, recommended_arch="",
    space="macro", seed=0, preset="toy", controller="lstm", epoch_on_retrain=2, model_save_interval=3, monitor_save_path=None,
)  # fmt: skip


def configured(**changes):
    """`OPTIONS` with some changed."""
    return SimpleNamespace(**{**vars(OPTIONS), **changes})


def search(folder, interval=0.0, task=None, processes=SINGLE, **options):
    """A whole search in `folder`, with a checkpoint after every step unless told otherwise."""
    config = configured(recommended_arch=str(folder / "arch.npy"), **options)
    with contextlib.suppress(Finished), open_run(folder, interval=interval, processes=processes, **options) as run:
        best = make_search(config, run, task=task, processes=processes).run()
        run.finish({"summary": ["done"], "best": best})


def make_search(config, run, policy=None, task=None, processes=SINGLE, quiet=True):
    """A search in an opened run directory."""
    progress = Progress(quiet, agree=processes.agree)
    position = Position(run, progress, processes)
    return Search(config, policy or ToyPolicy(), task or ToyTask(), run, position, progress.say, processes)


def retrain(folder, interval=0.0, task=None, processes=SINGLE, **options):
    """A whole retraining in `folder`."""
    opened = {"interval": interval, "processes": processes, **options}
    with contextlib.suppress(Finished), open_run(folder, "macro_retrain", **opened) as run:
        make_retraining(run, task or ToyTask(), processes).run()
        run.finish({"summary": ["done"]})


def make_retraining(run, task, processes=SINGLE):
    """A retraining in an opened run directory."""
    progress = Progress(quiet=True, agree=processes.agree)
    return Retraining(OPTIONS, ARCHITECTURE, task, run, Position(run, progress, processes), progress.say, processes)


def snapshot(folder):
    """Dict of relative path -> bytes of all files below; folders have None."""
    return {
        str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes() for path in sorted(folder.rglob("*"))
    }


def contents(folder):
    """`snapshot` without the times in config.json, and where report.html shows them."""
    return {name: _timeless(name, data) for name, data in snapshot(folder).items()}


def _timeless(name, data):
    if name.endswith("config.json"):
        return {name: value for name, value in json.loads(data).items() if name in ("job", "options", "finished")}
    return re.sub(rb'<small class="times">.*?</small>', b"", data) if name.endswith("report.html") else data
