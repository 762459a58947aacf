"""What several processes do in test_parallel.py: `mpirun -n 2 python -m tests.runs.processes WHAT FOLDER`.

Each function gives the same numbers in one process as in several, up to floating point, or to the byte where it says so.
"""

import contextlib
import os
import pathlib
import runpy
import signal
import sys
import threading
import time
from types import SimpleNamespace
from unittest import mock

import nnabla as nn
import numpy as np

from benchmarks.workload import training_options
from datasets.batches import Augmentation, Normalizer
from datasets.splits import Split
from errors import UserError
from models import layers, macro_cnn, micro_cnn
from models.parameters import ParameterScope
from runs import job, run_directory
from runs.parallel import all_processes, report_and_exit
from search_spaces.macro import MacroSpace
from search_spaces.micro import MicroSpace
from tests import toys
from tests.training.test_language_task import CELL, EVERYWHERE, make_task
from tests.training.test_reinforce import make_controller
from training.divergence import Diverged
from training.image_task import ImageData, ImageTask
from training.optimizers import LearningRate
from training.policies import LearnedPolicy
from training.reinforce import Reinforce

ROOT = pathlib.Path(__file__).parents[2]
ARCHITECTURES = {"macro": MacroSpace(3).random(np.random.default_rng(3)), "micro": MicroSpace(2).random(np.random.default_rng(3))}
CANDIDATES = 5  # no multiple of the number of processes


class Frozen:
    """A network whose batch normalization uses the running averages, in training too."""

    def __init__(self, network):
        self._network, self.scope, self.num_classes = network, network.scope, network.num_classes

    def build(self, images, architecture, statistics, training=False):
        return self._network.build(images, architecture, layers.RUNNING, training)


def image_task(space, processes, frozen):
    """A task on random images with dropout, drop path and CutOut."""
    rng = np.random.default_rng(0)
    split = Split(rng.integers(0, 256, (20, 3, 16, 16), np.uint8), rng.integers(0, 10, 20).astype(np.int32))
    data = ImageData(split, split, Normalizer.fit(split.images), Augmentation(pad=2, flip=True, cutout=4))
    options, rate = training_options(8, epochs=4), LearningRate("constant", 0.1, 0, 1)
    options.weight_decay = 5e-4
    if space == "macro":
        network = macro_cnn.SharedNetwork(ParameterScope(), 4, 10, 0.8)
    else:
        network = micro_cnn.FinalNetwork(ParameterScope(), 4, 10, 3, 0.8, auxiliary=True, drop_path_keep_rate=0.7)
    return ImageTask(Frozen(network) if frozen else network, data, options, rate, layers.RUNNING, network, processes)


def image_gradients(space, processes):
    """Gradients of three mini-batches, the losses, and the weights after them, with frozen batch normalization."""
    task, found = image_task(space, processes, frozen=True), {}
    for step in range(3):
        task.trainer.train_step(ARCHITECTURES[space], 0, step)
        gradients = task.trainer.graph(ARCHITECTURES[space]).parameters.items()
        found |= {f"{step}/{name}": variable.g.copy() for name, variable in gradients}
    found |= {f"averages/{name}": np.array(value) for name, value in task.trainer.averages().items()}
    found["validation"] = np.array(task.evaluator.validate(ARCHITECTURES[space], processes=processes))
    return found | task.trainer.state()["child"]


def text_training(processes):
    """Weights, state, losses and qualities of a language model after some segments, with dropout everywhere."""
    task = make_task(batch_size=4, **EVERYWHERE, alpha=0.5, beta=0.5, clip=0.1, processes=processes)
    for step in range(3):
        task.trainer.train_step(CELL, 0, step)
    groups = task.trainer.state()
    found = groups["child"] | {"state": groups["child_optimizer"]["state"]}
    found |= {f"averages/{name}": np.array(value) for name, value in task.trainer.averages().items()}
    return found | {"validation": np.array(task.evaluator.validate(CELL, processes=processes))}


def controller_training(processes):
    """A controller's parameters after two updates, and what they show; the architectures that it samples then."""
    controller = make_controller("macro", num_candidates=CANDIDATES)
    policy = LearnedPolicy(controller, Reinforce(controller, 0.01, 0.9, 0.1, processes=processes), seed=0)
    found = {}
    for update in range(2):
        figures = policy.update("controller", 0, update, qualities=np.linspace(0, 1, CANDIDATES).tolist())
        found |= {f"{update}/{name}": np.array(value) for name, value in figures.items()}
    samples = policy.sample("training", 0, first=0, count=20)
    found["samples"] = np.array([sample.to_numbers() for sample in samples])
    return found | policy.state()["controller"]


def arrays(processes):
    """Dict of name -> array, everything above."""
    parts = {f"{space}": image_gradients(space, processes) for space in ARCHITECTURES}
    parts |= {"text": text_training(processes), "controller": controller_training(processes)}
    return {f"{part}/{name}": array for part, found in parts.items() for name, array in found.items()}


@mock.patch.object(run_directory, "RunReport", toys.ToyReport)
def toy_runs(processes, folder):
    """The files of toy runs are equal to the byte: undisturbed ones and those that signals and divergence interrupt."""
    for name, whole_run in {"search": toys.search, "retrain": toys.retrain}.items():
        for stop_at in (None, 3):
            where = folder / f"{name}-{stop_at}"
            if processes.is_first:
                where.mkdir()
            task = Stopping(stop_at, processes)
            with contextlib.suppress(SystemExit):
                whole_run(where, task=task, processes=processes, interval=600.0)
            if stop_at is not None:
                assert task.steps_done == stop_at
                whole_run(where, processes=processes, interval=600.0)


@mock.patch.object(run_directory, "RunReport", toys.ToyReport)
def diverging_run(processes, folder):
    """A retraining that diverges once in its second epoch goes back to the last checkpoint, with half the learning rate."""
    where = folder / "diverging"
    if processes.is_first:
        where.mkdir()
    diverged = []

    class Task(toys.ToyTask):
        def train_step(self, architecture, epoch, step):
            if (epoch, step) == (1, 1) and not diverged:
                diverged.append(True)
                raise Diverged("the toy diverged")
            super().train_step(architecture, epoch, step)

    class DivergingJob(job.Job):
        def make_task(self):
            return Task()

        def make_loop(self, run, task):
            return toys.make_retraining(run, task, self.processes)

    config = SimpleNamespace(on_nan="back", quiet=True, notes=[], cpu_threads=1)
    opened = toys.open_run(where, "macro_retrain", processes=processes)
    with mock.patch.object(job, "all_processes", lambda: processes), opened as run:
        DivergingJob(None, config).complete(run, Task())
        assert run.rate_factor == 0.5 and diverged
        run.finish({"summary": ["done"]})


class Stopping(toys.ToyTask):
    """The last process gets a SIGTERM in one of its steps."""

    def __init__(self, stop_at, processes):
        super().__init__()
        self.steps_done, self._stop_at, self._processes = 0, stop_at, processes

    def train_step(self, *position):
        super().train_step(*position)
        self.steps_done += 1
        if self.steps_done == self._stop_at and self._processes.rank == self._processes.size - 1:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)  # Python calls its handlers between two instructions


def every_process_same(processes):
    """With batch normalization as it is, all processes hold the same bytes after a few steps."""
    task = image_task("macro", processes, frozen=False)
    for step in range(3):
        task.trainer.train_step(ARCHITECTURES["macro"], 0, step)
    child = task.trainer.state()["child"]
    assert any(name.endswith("/mean") and array.any() for name, array in child.items())
    for name, array in child.items():
        copies = processes.collect(array[None])
        assert all((copy == array).all() for copy in copies), name


def messages(processes):
    """What all processes do together."""
    rank, size = processes.rank, processes.size
    assert processes.map(lambda item: item + rank / 10, [5, 6][:size]) == [5.0, 6.1]
    assert processes.map(lambda item: item + rank / 10, [5]) == [5.0]
    assert processes.agree(rank, -rank, True) == (size - 1, 0, 1)
    whole = np.arange(12.0).reshape(2, 6)
    assert (processes.collect(processes.share(whole, axis=1), axis=1) == whole).all()
    document = {"text": "ä", "number": 0.1, "nothing": None}
    assert processes.announce(document if rank == 0 else None) == document
    given = {"scalar": np.array(3.5), "matrix": np.arange(6).reshape(2, 3).T, "none": np.zeros((0, 2), np.float32)}
    received = processes.announce_arrays(given if rank == 0 else None)
    for name, array in given.items():
        assert received[name].dtype == array.dtype and received[name].shape == array.shape and (received[name] == array).all()
    mine = [nn.NdArray.from_numpy_array(np.full(shape, rank, np.float32)) for shape in ((2, 3), (), (4,))]
    processes.average(mine)
    assert all((array.data == (size - 1) / 2).all() for array in mine)
    processes.expect_same("equal", "words")
    with contextlib.suppress(UserError):
        processes.expect_same(f"word {rank}", "words")
        raise AssertionError("different words passed for equal")


def computing(folder):
    """Everything above, in `size` processes; the first one writes what it found."""
    processes = all_processes()
    messages(processes)
    every_process_same(processes)
    toy_runs(processes, folder)
    diverging_run(processes, folder)
    found = arrays(processes)
    if processes.is_first:
        np.savez(folder / "found.npz", **found)
    return 0


def scripts(folder):
    """Each line of commands.txt, a script with its options, in one process after the other."""
    os.chdir(folder)
    for line in (folder / "commands.txt").read_text().splitlines():
        name, *sys.argv[1:] = line.split()
        sys.argv[0] = name
        try:
            runpy.run_path(str(ROOT / name), run_name="__main__")
        except SystemExit as end:
            assert end.code == 0, line
    return 0


def dying(folder):
    """The script of commands.txt, in which the last process is killed once there is a checkpoint."""
    if all_processes().rank == all_processes().size - 1:
        threading.Thread(target=_kill_when_there_is, args=(folder, "run/checkpoint/0*"), daemon=True).start()
    return scripts(folder)


def _kill_when_there_is(folder, pattern):
    while not any(folder.glob(pattern)):
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)


def failing_alone(folder):
    """The last process fails while the others wait for it."""
    if all_processes().rank == all_processes().size - 1:
        raise UserError(f"no such thing in {folder}; look elsewhere")
    all_processes().agree(0)


def breaking_alone(folder):
    """The same with a bug."""
    if all_processes().rank == all_processes().size - 1:
        raise RuntimeError("a bug")
    all_processes().agree(0)


def failing_together(folder):
    """All processes find the same mistake, one of them later."""
    time.sleep(all_processes().rank / 2)
    raise UserError("the same mistake in all; mend it")


def main():
    what = {function.__name__: function for function in
            (computing, scripts, dying, failing_alone, breaking_alone, failing_together)}  # fmt: skip
    return what[sys.argv[1]](pathlib.Path(sys.argv[2]))


if __name__ == "__main__":
    report_and_exit(main)
