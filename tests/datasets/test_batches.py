import nnabla as nn
import nnabla.functions as F
import numpy as np
import pytest

from datasets import ImageDataset, batches
from datasets.splits import Split


def make_dataset(size=10):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (size, 3, 8, 8), np.uint8)
    labels = np.arange(size, dtype=np.int32)
    return ImageDataset("made", ("a", "b"), images, labels, images[:2], labels[:2], flip=True)


def test_normalizer_by_hand():
    images = np.zeros((2, 3, 1, 2), np.uint8)
    images[:, 0] = [[[0, 255]], [[0, 255]]]  # mean 1/2, deviation 1/2
    images[0, 1] = 51  # half of the pixels 1/5: mean and deviation 1/10
    images[:, 2] = 255  # a constant channel
    normalizer = batches.Normalizer.fit(images)
    np.testing.assert_allclose(normalizer.mean, [0.5, 0.1, 1], rtol=1e-6)
    np.testing.assert_allclose(normalizer.std, [0.5, 0.1, 1], rtol=1e-6)
    normalized = normalizer(images)
    assert normalized.dtype == np.float32
    np.testing.assert_allclose(normalized[0, :, 0], [[-1, 1], [1, 1], [0, 0]], atol=1e-6)


def test_normalizer_matches_floating_point_over_many_blocks():
    images = np.random.default_rng(1).integers(0, 256, (1203, 3, 8, 8), np.uint8)
    normalizer = batches.Normalizer.fit(images)
    scaled = images / 255
    mean, std = scaled.mean((0, 2, 3)), scaled.std((0, 2, 3))
    np.testing.assert_allclose(normalizer.mean, mean, rtol=1e-6)
    np.testing.assert_allclose(normalizer.std, std, rtol=1e-6)
    expected = (scaled - mean[:, None, None]) / std[:, None, None]
    np.testing.assert_allclose(normalizer(images), expected, atol=1e-5)


def one_by_one(images, rng, pad, flip, cutout, corner=False):
    """The augmentation spelled out, image after image, with the same random numbers."""
    batch, _, height, width = images.shape
    top, left = rng.integers(0, 2 * pad + 1, (2, batch))
    mirrored = rng.random(batch) < 0.5 if flip else np.zeros(batch, bool)
    row = rng.integers(0, height, batch) if cutout else None
    column = rng.integers(0, width, batch) if cutout else None
    results = []
    for k in range(batch):
        padded = np.pad(images[k], ((0, 0), (pad, pad), (pad, pad)))
        image = padded[:, top[k] : top[k] + height, left[k] : left[k] + width].copy()
        if mirrored[k]:
            image = np.flip(image, axis=2).copy()
        if cutout:
            before = 0 if corner else cutout // 2
            first_row, first_column = row[k] - before, column[k] - before
            rows = slice(max(0, first_row), first_row + cutout)
            image[:, rows, max(0, first_column) : first_column + cutout] = 0
        results.append(image)
    return np.stack(results)


@pytest.mark.parametrize(
    "pad, flip, cutout", [(4, True, 0), (0, True, 3), (2, False, 4), (3, True, 20), (0, False, 0)]
)
def test_augment(pad, flip, cutout):
    images = np.random.default_rng(2).standard_normal((40, 3, 10, 12)).astype(np.float32)
    before = images.copy()
    result = batches.augment(images, np.random.default_rng(3), batches.Augmentation(pad, flip, cutout))
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, one_by_one(images, np.random.default_rng(3), pad, flip, cutout))
    np.testing.assert_array_equal(images, before)


def test_cutout_of_the_authors_code_begins_at_its_pixel():
    images = np.random.default_rng(2).standard_normal((40, 3, 10, 12)).astype(np.float32)
    result = batches.augment(images, np.random.default_rng(3), batches.Augmentation(1, True, 5, corner=True))
    np.testing.assert_array_equal(result, one_by_one(images, np.random.default_rng(3), 1, True, 5, corner=True))


def test_crops_and_mirrors_are_equally_likely():
    """One bright pixel in the middle tells where the crop was taken; a dim one beside it tells the mirror."""
    images = np.zeros((5000, 1, 9, 9), np.float32)
    images[:, 0, 4, 4], images[:, 0, 4, 5] = 2, 1
    result = batches.augment(images, np.random.default_rng(4), batches.Augmentation(2, True))
    _, _, rows, columns = np.nonzero(result == 2)
    counts = np.histogram2d(rows, columns, bins=(range(2, 8), range(2, 8)))[0]
    assert counts.sum() == 5000  # nothing beyond two pixels from the middle
    assert (abs(counts - 200) < 5 * np.sqrt(200)).all()
    right_of_it = result[np.arange(5000), 0, rows, columns + 1] == 1
    assert abs(right_of_it.mean() - 0.5) < 5 * 0.5 / np.sqrt(5000)


def test_cutout_is_centered_and_clipped_at_the_border():
    images = np.ones((3000, 2, 8, 8), np.float32)
    result = batches.augment(images, np.random.default_rng(5), batches.Augmentation(0, False, cutout=4))
    assert (result[:, 0] == result[:, 1]).all()
    rows_out = (result[:, 0] == 0).any(axis=2).sum(axis=1)
    # Centers 0 .. 7 leave 2, 3, 4, 4, 4, 4, 4, 3 of the 4 rows inside.
    assert np.bincount(rows_out, minlength=5)[:2].sum() == 0
    share = np.bincount(rows_out)[2:] / 3000
    np.testing.assert_allclose(share, [1 / 8, 2 / 8, 5 / 8], atol=0.05)
    assert ((result[:, 0] == 0).sum(axis=(1, 2)) % rows_out == 0).all()


def test_batches_take_the_images_of_their_indices():
    dataset = make_dataset()
    split = Split(dataset.train_images, dataset.train_labels)
    normalizer = batches.Normalizer.fit(split.images)
    indices = np.array([7, 0, 7])
    images, labels = batches.plain_batch(split, normalizer, indices)
    np.testing.assert_array_equal(labels, [7, 0, 7])
    np.testing.assert_array_equal(images, normalizer(dataset.train_images)[[7, 0, 7]])
    assert labels.dtype == np.int32
    augmented, labels = batches.training_batch(
        split, normalizer, indices, np.random.default_rng(6), batches.Augmentation(1, True, 2)
    )
    np.testing.assert_array_equal(augmented, one_by_one(images, np.random.default_rng(6), 1, True, 2))
    np.testing.assert_array_equal(labels, [7, 0, 7])


def test_padding_is_zero_after_normalization():
    dataset = make_dataset()
    split = Split(dataset.train_images, dataset.train_labels)
    normalizer = batches.Normalizer(np.float32([0.5, 0.5, 0.5]), np.float32([0.1, 0.1, 0.1]))
    images, _ = batches.training_batch(
        split, normalizer, np.zeros(50, int), np.random.default_rng(7), batches.Augmentation(8, False)
    )
    empty = (images == 0).all(axis=(1, 2, 3))
    assert 0 < empty.sum() < 50  # a crop entirely in the padding is black only if that is zero


@pytest.mark.parametrize("size, batch_size, steps", [(10, 4, 3), (12, 4, 3), (3, 8, 1), (1, 1, 1)])
def test_epoch_order(size, batch_size, steps):
    order = batches.epoch_order(size, batch_size, np.random.default_rng(8))
    assert order.shape == (steps, batch_size)
    flat = order.ravel()
    np.testing.assert_array_equal(np.sort(flat[:size]), range(size))
    np.testing.assert_array_equal(flat[size:], flat[np.arange(len(flat) - size) % size])


def test_epoch_order_follows_the_generator():
    orders = [batches.epoch_order(50, 10, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert (orders[0] == orders[1]).all()
    assert (orders[0] != orders[2]).any()


def test_evaluation_batches():
    result = batches.evaluation_batches(7, 3)
    assert [(list(indices), count) for indices, count in result] == [
        ([0, 1, 2], 3),
        ([3, 4, 5], 3),
        ([6, 0, 1], 1),
    ]
    assert [(list(indices), count) for indices, count in batches.evaluation_batches(2, 5)] == [
        ([0, 1, 0, 1, 0], 2)
    ]
    assert [count for _, count in batches.evaluation_batches(6, 3)] == [3, 3]


def test_images_are_turned_as_nnabla_turns_them():
    """By F.image_augmentation, whose angle is its own affair: at the angle that fits best all pixels agree."""
    images = np.random.default_rng(0).normal(size=(1, 3, 9, 12)).astype(np.float32)
    angles = np.linspace(-0.25, 0.25, 4001)
    for seed in range(4):
        turned = F.image_augmentation(nn.Variable.from_numpy_array(images), angle=0.25, seed=seed)
        turned.forward()
        differences = [np.abs(batches.rotated(images, np.array([angle])) - turned.d).max() for angle in angles[::40]]
        near = angles[::40][int(np.argmin(differences))]
        close = angles[np.abs(angles - near) < 0.006]
        assert min(np.abs(batches.rotated(images, np.array([angle])) - turned.d).max() for angle in close) < 0.002


def test_turning_by_nothing_and_by_a_quarter():
    images = np.random.default_rng(0).normal(size=(2, 1, 5, 5)).astype(np.float32)
    turned = batches.rotated(images, np.array([0.0, np.pi / 2]))
    np.testing.assert_array_equal(turned[0], images[0])
    np.testing.assert_allclose(turned[1, 0], np.rot90(images[1, 0], 1), atol=1e-5)
