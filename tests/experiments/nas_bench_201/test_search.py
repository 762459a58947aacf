"""Toy-size searches on the project's loop."""

from types import SimpleNamespace

import numpy as np
import pytest

from datasets import ImageDataset
from errors import UserError
from experiments.nas_bench_201 import search
from experiments.nas_bench_201.settings import ARMS, options_of
from experiments.nas_bench_201.space import NUM_CELLS, Cell
from experiments.nas_bench_201.table import Table
from models import layers
from runs.run_directory import RunDirectory

TINY = {
    "filters": 4, "image_size": 8, "train_size": 12, "validation_size": 8, "batch_size": 4, "max_search_iter": 2,
    "controller_steps": 2, "controller_start": 0, "num_candidate": 3, "val_iter": 1, "num_derive": 2, "rank_every": 1,
    "rank_cells": 3, "rank_cells_at_end": 4, "rank_batches": 1,
}  # fmt: skip
TRUTH = Table(np.linspace(10, 95, NUM_CELLS))


@pytest.fixture(autouse=True)
def own_kernels():
    with layers.plain():
        yield


def dataset():
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (24, 3, 8, 8)).astype(np.uint8), rng.integers(0, 3, 24).astype(np.int32)
    return ImageDataset("toy", ("a", "b", "c"), images[:20], labels[:20], images[20:], labels[20:], flip=True)


def run(folder, arm="ENAS", **changes):
    return search.run(options_of(arm, 0, TINY | changes), dataset(), TRUTH, folder, lambda line: None)


@pytest.mark.parametrize("arm", ARMS)
def test_every_arm_runs_on_the_projects_loop(tmp_path, arm):
    rows = run(tmp_path / "run", arm)["iterations"]
    assert [row["iteration"] for row in rows] == [0, 1]
    assert [row["ranks"]["cells"] for row in rows] == [3, 4]
    for row in rows:
        assert row["derived"] == pytest.approx(TRUTH[Cell.from_string(row["cell"])], abs=1e-4)
        assert 10 <= row["expected"] <= 95 and 0 <= row["entropy"] <= np.log(NUM_CELLS) + 1e-3
    if arm == "random":
        assert {row["entropy"] for row in rows} == {round(np.log(NUM_CELLS), 5)}
        assert {row["expected"] for row in rows} == {round(TRUTH.accuracy.mean(), 5)}
    if arm == "ENAS":
        assert rows[1]["entropy"] < rows[0]["entropy"] < np.log(NUM_CELLS)


class KilledError(Exception):
    pass


@pytest.mark.parametrize("after", [7, 14])
def test_a_search_that_goes_on_is_as_one_that_was_never_stopped(tmp_path, monkeypatch, after):
    whole = run(tmp_path / "whole")
    pauses, pause_point = [], RunDirectory.pause_point

    def saved_and_killed(self, save, due=False):
        pause_point(self, save, due=True)
        pauses.append(1)
        if len(pauses) == after:
            raise KilledError

    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(RunDirectory, "pause_point", saved_and_killed)
        run(tmp_path / "stopped")
    assert run(tmp_path / "stopped")["iterations"] == whole["iterations"]
    assert run(tmp_path / "stopped")["iterations"] == whole["iterations"]  # finished: only read


def test_shared_weights_trained_by_chance_do_not_depend_on_the_controller(tmp_path):
    one = run(tmp_path / "one", "ENAS, trained by chance", controller_start=0)["iterations"]
    other = run(tmp_path / "other", "ENAS, trained by chance", controller_start=0, control_lr=0.3)["iterations"]
    assert [row["ranks"] for row in one] == [row["ranks"] for row in other]
    assert one[1]["entropy"] != other[1]["entropy"]


def test_images_shrink_to_the_means_of_squares_of_pixels():
    small = search.shrink(dataset(), 4)
    assert small.image_shape == (3, 4, 4) and small.train_images.dtype == np.uint8
    square = dataset().train_images[7, 2, 2:4, 6:8]
    assert small.train_images[7, 2, 1, 3] == round(float(square.mean()))
    np.testing.assert_array_equal(search.shrink(dataset(), 8).test_images, dataset().test_images)
    with pytest.raises(UserError, match="8x8 pixels do not shrink to 3x3"):
        search.shrink(dataset(), 3)


@pytest.mark.parametrize("update", ["used", "all"])
def test_a_step_moves_the_weights_in_use_or_all(update):
    task = search.make_task(SimpleNamespace(**options_of("random", 0, TINY | {"update": update})), dataset())
    convolutions = Cell(("nor_conv_3x3",) * 6)
    task.trainer.train_step(convolutions, 0, 0)

    def convolution():
        return task.network.scope.arrays()["stage_0/cell_0/edge_0_1/nor_conv_3x3/W"].copy()

    before = convolution()
    task.trainer.train_step(Cell(("skip_connect",) * 6), 0, 1)
    task.evaluator.reward(convolutions, 1, 0)  # weights catch up when they are read
    assert np.array_equal(before, convolution()) == (update == "used")
