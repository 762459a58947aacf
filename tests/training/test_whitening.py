"""Training the stem's weights in white coordinates, against the same in those coordinates themselves."""

import nnabla as nn
import numpy as np
import pytest

import args
from datasets.batches import Normalizer
from datasets.splits import Split
from runs.image_tasks import retraining_task
from spaces import MACRO, MICRO
from training.whitening import LEAST_VARIANCE, STEM, StemWhitening, whitener

TINY = "--preset quick --train-size 64 --output-filter 4 --additional-filters-on-retrain 0 --batch-size 16 --context cpu"


def correlated(number=50, channels=3, size=12):
    """Images in which neighboring pixels are alike, as numbers of 8 bits."""
    noise = np.random.default_rng(0).standard_normal((number, channels, size, size))
    smooth = noise + np.roll(noise, 1, 2) + np.roll(noise, 1, 3) + 2 * noise[:, :1]
    return np.clip(128 + 30 * smooth, 0, 255).astype(np.uint8)


def test_patches_become_white():
    images = correlated().astype(np.float32) / 128 - 1
    whiten = whitener(images, (3, 3))
    places = [(row, column) for row in (0, 3, 6, 9) for column in (0, 3, 6, 9)]
    patches = np.stack([image[:, y : y + 3, x : x + 3].ravel() for image in images for y, x in places])
    moments = np.linalg.eigvalsh(patches.T @ patches / len(patches))
    white = patches @ whiten.T
    found = np.linalg.eigvalsh(white.T @ white / len(white))
    np.testing.assert_allclose(np.sort(found), np.sort(moments / (moments + LEAST_VARIANCE)), rtol=1e-3)
    assert moments.max() / moments.min() > 30 and found.max() / found.min() < 1.5


def test_it_is_a_step_in_white_coordinates():
    """w = v e; a step of v by its own gradient, which is that of w times e', moves w as a step by the changed gradient."""
    split = Split(correlated(), np.zeros(50, int))
    normalizer = Normalizer.fit(split.images)
    whitening, e = StemWhitening(split, normalizer), whitener(normalizer(split.images), (3, 3)).astype(np.float64)
    rng = np.random.default_rng(1)
    v, gradient = rng.standard_normal((2, 4, 27))
    weight = nn.Variable.from_numpy_array(v.reshape(4, 3, 3, 3)).apply(need_grad=True)
    whitening.initialize(weight)
    np.testing.assert_allclose(weight.d.reshape(4, 27), v @ e, rtol=1e-4, atol=1e-4)
    weight.g = gradient.reshape(4, 3, 3, 3)
    whitening.precondition(weight)
    moved = weight.d - 0.1 * weight.g
    expected = (v - 0.1 * gradient @ e.T) @ e
    np.testing.assert_allclose(moved.reshape(4, 27), expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def test_constant_images_do_no_harm():
    assert np.isfinite(whitener(np.zeros((5, 1, 6, 6), np.float32), (3, 3))).all()


def some_architecture(space):
    return space.encoding(args.parse(space.name, args.SEARCH, ["--preset=quick"])).random(np.random.default_rng(0))


def trained(space, architecture, steps, *options, task=None):
    config = args.parse(space.name, args.RETRAIN, [*TINY.split(), *options])
    task = task or retraining_task(config, space, lambda line: None)
    for step in steps:
        task.trainer.train_step(architecture, 0, step)
    return task


@pytest.mark.parametrize("space", [MACRO, MICRO])
def test_the_option_whitens_the_stem_and_nothing_else(space):
    architecture = some_architecture(space)
    plain, white = (trained(space, architecture, [], "--whiten-stem", value) for value in ("False", "True"))
    for task in (plain, white):
        task.trainer.make_weights(architecture)
    before, after = (task.network.scope.arrays() for task in (plain, white))
    assert [name for name in before if not np.array_equal(before[name], after[name])] == [STEM]
    data = plain.data
    window = before[STEM].shape[2:]
    expected = before[STEM].reshape(len(before[STEM]), -1) @ whitener(data.normalizer(data.train.images), window)
    np.testing.assert_allclose(after[STEM].reshape(len(expected), -1), expected, rtol=1e-5, atol=1e-5)


def test_a_resumed_training_is_the_same():
    architecture = some_architecture(MACRO)
    whole = trained(MACRO, architecture, range(4), "--whiten-stem", "True")
    first = trained(MACRO, architecture, range(2), "--whiten-stem", "True")
    second = trained(MACRO, architecture, [], "--whiten-stem", "True")
    second.trainer.restore(first.trainer.state())
    trained(MACRO, architecture, range(2, 4), task=second)
    expected, found = whole.network.scope.arrays(), second.network.scope.arrays()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def test_only_a_retraining_has_the_option():
    assert args.parse("macro", args.RETRAIN, ["--preset=evening"]).whiten_stem
    assert not args.parse("macro", args.RETRAIN, []).whiten_stem
    assert not hasattr(args.parse("macro", args.SEARCH, ["--preset=evening"]), "whiten_stem")
