import nnabla as nn
import numpy as np
import pytest

import args
from benchmarks.option_task import make_task
from datasets.batches import Augmentation, Normalizer, plain_batch, training_batch
from datasets.splits import Split
from search_spaces.macro import MacroSpace
from training import image_evaluator, image_trainer
from training.image_inputs import DeviceImages, HostImages, held_images

COUNT, BATCH, PAD = 37, 12, 3


def make_split(channels=3, side=10):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (COUNT, channels, side, side + 2), np.uint8)
    return Split(images, rng.integers(0, 10, COUNT).astype(np.int32))


def filled(inputs, *arguments):
    """(images, labels) of inputs after `fill`."""
    inputs.fill(*arguments)
    nn.forward_all([inputs.images, inputs.labels]) if inputs.images.parent else None
    return inputs.images.d.copy(), inputs.labels.d[:, 0].copy()


@pytest.mark.parametrize("kind", [HostImages, DeviceImages])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("cutout", [0, 5])
@pytest.mark.parametrize("part", [slice(None), slice(3, 9)])
def test_augmented_images_are_those_of_numpy_to_the_bit(kind, flip, cutout, part):
    split = make_split()
    normalizer = Normalizer.fit(split.images)
    augmentation = Augmentation(PAD, flip, cutout)
    inputs = kind(split, normalizer).inputs(len(range(BATCH)[part]), augmentation)
    for seed in range(3):
        indices = np.random.default_rng(seed).permutation(COUNT)[:BATCH]
        ours, theirs = np.random.default_rng([1, seed]), np.random.default_rng([1, seed])
        images, labels = filled(inputs, indices, ours, part)
        expected, expected_labels = training_batch(split, normalizer, indices, theirs, augmentation, part)
        np.testing.assert_array_equal(images, expected)
        np.testing.assert_array_equal(labels, expected_labels)
        assert ours.random() == theirs.random()  # masks are drawn from what follows


@pytest.mark.parametrize("shape", [{}, {"side": 16}])
@pytest.mark.parametrize("part", [slice(None), slice(3, 9)])
def test_turned_images_are_the_same_in_both_kinds_of_memory(part, shape):
    split = make_split(**shape)
    normalizer, augmentation = Normalizer.fit(split.images), Augmentation(0, True, 3, angle=0.25)
    images = []
    for kind in (HostImages, DeviceImages):
        inputs = kind(split, normalizer).inputs(len(range(BATCH)[part]), augmentation)
        images.append(filled(inputs, np.arange(BATCH), np.random.default_rng(0), part)[0])
    np.testing.assert_allclose(*images, atol=2e-5)
    plain, _ = plain_batch(split, normalizer, np.arange(BATCH)[part])
    assert np.abs(images[0] - plain).mean() > 0.1


@pytest.mark.parametrize("kind", [HostImages, DeviceImages])
def test_plain_images_are_those_of_numpy_to_the_bit(kind, monkeypatch):
    monkeypatch.setattr("training.image_inputs.BLOCK", 10)
    split = make_split(channels=1)
    normalizer = Normalizer.fit(split.images)
    inputs, indices = kind(split, normalizer).inputs(BATCH), np.arange(COUNT)[::-3][:BATCH]
    images, labels = filled(inputs, indices)
    expected, expected_labels = plain_batch(split, normalizer, indices)
    np.testing.assert_array_equal(images, expected)
    np.testing.assert_array_equal(labels, expected_labels)


def test_images_are_held_where_nnabla_computes():
    split = make_split()
    normalizer = Normalizer.fit(split.images)
    assert isinstance(held_images(split, normalizer), HostImages)
    with nn.context_scope(nn.Context(["cudnn:float", "cuda:float", "cpu:float"], "CpuCachedArray", "0")):
        assert isinstance(held_images(split, normalizer), DeviceImages)


def test_graphs_share_the_inputs_of_a_device():
    split = make_split()
    images = held_images(split, Normalizer.fit(split.images), on_device=True)
    assert images.inputs(4) is images.inputs(4)
    assert len({images.inputs(*key) for key in ((4,), (3,), (4, Augmentation(1, True)), (4, Augmentation(1, False)))}) == 4


def test_a_training_is_the_same_wherever_the_images_are(monkeypatch):
    options = "--preset quick --batch-size 8 --num-layers 3 --output-filter 4 --validation-size 24"
    architectures = [MacroSpace(3).random(np.random.default_rng(seed)) for seed in range(2)]
    results = []
    for on_device in (False, True):
        for module in (image_trainer, image_evaluator):
            monkeypatch.setattr(module, "held_images", lambda *split, on_device=on_device: held_images(*split, on_device))
        task = make_task(args.parse("macro", "search", options.split()), 32)
        for step in range(4):
            task.trainer.train_step(architectures[step % 2], 0, step)
        evaluator = task.evaluator
        judged = evaluator.reward(architectures[0], 2, 0), evaluator.validate(architectures[1]), task.trainer.averages()
        results.append((judged, task.trainer.state()["child"]))
    assert results[0][0] == results[1][0]
    for name, array in results[0][1].items():
        np.testing.assert_array_equal(array, results[1][1][name], name)
