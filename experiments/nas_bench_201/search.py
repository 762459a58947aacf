"""One search on the project's loop, with everything measured that the table makes known."""

import json
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from datasets.batches import Augmentation, Normalizer
from datasets.splits import search_splits
from errors import UserError
from experiments.nas_bench_201.controller import ChainController, log_policy, uniform_log_policy
from experiments.nas_bench_201.measures import policy_measures, rank_measures
from experiments.nas_bench_201.network import CellNetwork
from experiments.nas_bench_201.settings import JOB
from experiments.nas_bench_201.space import Cell, CellSpace
from models import layers
from models.parameters import ParameterScope
from reporting.progress import Progress
from runs.device import choose_context, choose_kernels
from runs.position import Position
from runs.run_config import Request
from runs.run_directory import Finished, RunDirectory
from training.image_task import ImageData, ImageTask
from training.optimizers import LearningRate
from training.policies import LearnedPolicy, RandomPolicy, TrainedByChance
from training.processes import SINGLE
from training.randomness import generator
from training.reinforce import Reinforce
from training.search import Search


class _NoReport:
    """In place of report.html, which draws the architectures of the project's own spaces."""

    def update(self, *_, **__):
        pass


def run(options, dataset, truth, folder, say):
    """Bring the search `options` (a dict, see `settings`) in the run directory `folder` to its end; returns a dict for JSON.

    What was interrupted goes on, what is finished is only read. `dataset`: `ImageDataset`; `truth`: `Table`, which is measured
    with and never chooses anything.
    """
    config = SimpleNamespace(**options)
    use_cpu(say)
    folder.mkdir(parents=True, exist_ok=True)
    config.recommended_arch = str(folder / "best.json")
    try:
        run_directory = RunDirectory(folder, Request(JOB, options), say, checkpoint_interval=120.0)
    except Finished as finished:
        return finished.result["result"]
    run_directory.report = _NoReport()
    with run_directory:
        result = _search(config, dataset, truth, run_directory, say)
        run_directory.finish({"summary": [], "result": result})
    return result


def use_cpu(say):
    """Compute on one thread of the CPU."""
    choose_context("cpu", "0", "float", say)
    choose_kernels("cpu", "onednn", 1, say)


def _search(config, dataset, truth, run_directory, say):
    task, progress = make_task(config, dataset), Progress(quiet=True)
    policy, log_policy_now = make_policy(config)
    search = Search(config, policy, task, run_directory, Position(run_directory, progress, SINGLE), progress.say)
    search.record = record = MeasuredRecord(search.record, config, task, truth, log_policy_now, run_directory)
    if run_directory.resumed:
        record.restore(run_directory.resumed[1])
    search.run()
    return {"iterations": record.measured, "seconds_of_cpu": round(record.seconds(), 1)}


def make_task(config, dataset):
    """The shared network on the first `train_size` training images, judged on the last `validation_size`."""
    dataset = shrink(dataset, config.image_size)
    train, validation = search_splits(dataset, config.validation_size)
    train = train.first(config.train_size)
    epochs = config.max_search_iter * config.epoch_per_search
    learning_rate = LearningRate(config.lr_schedule, config.child_lr, config.child_lr_min, epochs)
    training = {
        "epochs": epochs, "decay_batch_norm": False, "label_smoothing": 0.0, "on_nan_after": 10, "type_config": "float",
        "child_optimizer": "nesterov", "clip_norm": "global",
    }  # fmt: skip
    network = CellNetwork(ParameterScope(config.seed), len(dataset.classes), config.filters, config.cells)
    data = ImageData(train, validation, Normalizer.fit(train.images), Augmentation(dataset.pad, dataset.flip))
    statistics = layers.BATCH if config.eval_batch_stats else layers.RUNNING
    return ImageTask(network, data, SimpleNamespace(**vars(config), **training), learning_rate, statistics)


def shrink(dataset, size):
    """`dataset` with images of `size` pixels, the means of squares of pixels. Raises UserError where `size` does not divide."""
    height, width = dataset.image_shape[1:]
    if height % size or width % size or height != width:
        raise UserError(f"images of {height}x{width} pixels do not shrink to {size}x{size}; image_size must divide both")
    return replace(
        dataset,
        train_images=_means(dataset.train_images, height // size),
        test_images=_means(dataset.test_images, height // size),
    )


def _means(images, factor):
    if factor == 1:
        return images
    count, channels, height, width = images.shape
    squares = images.reshape(count, channels, height // factor, factor, width // factor, factor)
    return np.rint(squares.mean((3, 5), dtype=np.float32)).astype(np.uint8)


def make_policy(config):
    """The policy of the search, and a function that gives its `log_policy` as it is when called."""
    if config.controller == "random":
        return RandomPolicy(CellSpace(), config.seed), uniform_log_policy
    controller = ChainController(CellSpace(), config, ParameterScope(config.seed), config.num_candidate)
    controller.adam = {**controller.adam, "eps": config.adam_eps}
    reinforce = Reinforce(controller, config.control_lr, config.baseline_decay, config.entropy_weight)
    policy = LearnedPolicy(controller, reinforce, config.seed)
    if config.train_uniformly:
        policy = TrainedByChance(policy, CellSpace(), config.seed)
    return policy, lambda: log_policy(controller)


def ranks(task, config, table, count):
    """How shared accuracies rank `count` random cells, the same in all searches, all judged on the same images."""
    cells = [CellSpace().random(generator(0, "ranked cells", number)) for number in range(count)]
    shared = [task.evaluator.reward(cell, config.rank_batches, 0) for cell in cells]
    cost = [task.cost(cell).multiply_adds for cell in cells]
    measures = rank_measures(shared, [table[cell] for cell in cells], cost)
    measures |= {"best": table[cells[int(np.argmax(shared))]], "mean_shared": float(np.mean(shared))}
    return {name: round(value, 4) for name, value in measures.items()}


class MeasuredRecord:
    """A `SearchRecord` that also measures, after each iteration, the policy and now and then the shared weights."""

    def __init__(self, record, config, task, truth, log_policy_now, run_directory):
        self._record, self._config, self._task, self._truth = record, config, task, truth
        self._log_policy_now, self._monitors = log_policy_now, run_directory.monitors
        self.measured = []
        self._earlier, self._start = 0.0, time.process_time()

    def __getattr__(self, name):
        return getattr(self._record, name)

    def iteration(self, iteration, derived, policy_figures):
        """As `SearchRecord.iteration`."""
        self._record.iteration(iteration, derived, policy_figures)
        best, shared = max(derived, key=lambda pair: pair[1])
        row = {"iteration": iteration, **policy_measures(self._log_policy_now(), self._truth)}
        row |= {"derived": self._truth[best], "cell": best.to_string(), "shared": shared}
        row |= {"derived_mean": float(np.mean([self._truth[cell] for cell, _ in derived]))}
        row |= {"shared_mean": float(np.mean([quality for _, quality in derived]))}
        row |= {"kept": self._truth[Cell.from_text(self._record.best["architecture"])]}
        last = iteration + 1 == self._config.max_search_iter
        if last or (iteration + 1) % self._config.rank_every == 0:
            row |= {"ranks": self._ranks(self._config.rank_cells_at_end if last else self._config.rank_cells)}
        self.measured.append({name: round(v, 5) if isinstance(v, float) else v for name, v in row.items()})
        self._monitors.row("measures.csv", ["measures"], [json.dumps(self.measured[-1])])

    def _ranks(self, count):
        return {"cells": count} | ranks(self._task, self._config, self._truth, count)

    def seconds(self):
        """CPU seconds of all processes that took part."""
        return self._earlier + time.process_time() - self._start

    def state(self):
        """As `SearchRecord.state`."""
        return self._record.state() | {"measured": self.measured, "seconds": self.seconds()}

    def restore(self, state):
        """As `SearchRecord.restore`."""
        self._record.restore(state)
        self.measured, self._earlier = state["measured"], state["seconds"]
