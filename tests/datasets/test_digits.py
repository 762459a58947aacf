import numpy as np
import pytest
from sklearn.datasets import load_digits

from datasets import digits, load_images


@pytest.fixture(scope="module")
def originals():
    return load_digits()


def test_every_fifth_image_is_a_test_image(originals):
    dataset = load_images("digits")
    assert (len(dataset.train_labels), len(dataset.test_labels)) == (1438, 359)
    np.testing.assert_array_equal(dataset.test_labels, originals.target[4::5])
    np.testing.assert_array_equal(dataset.train_labels[:8], originals.target[[0, 1, 2, 3, 5, 6, 7, 8]])
    assert dataset.classes == tuple("0123456789")
    assert (dataset.name, dataset.image_shape, dataset.pad, dataset.flip) == ("digits", (1, 16, 16), 2, False)
    assert (dataset.train_images.dtype, dataset.train_labels.dtype) == (np.uint8, np.int32)
    assert dataset.train_images.shape == (1438, 1, 16, 16)


def test_pixels_are_interpolated_between_their_neighbors(originals):
    """New pixel centers lie a quarter of an old pixel beside the old ones: weights 3/4 and 1/4 each way."""
    enlarged = digits.load(16).test_images[0, 0]
    old = np.pad(originals.images[4], 1, mode="edge")
    near, far = old[1:-1], (old[:-2], old[2:])
    rows = np.stack([(3 * near + far[0]) / 4, (3 * near + far[1]) / 4], axis=1).reshape(16, 10)
    near, far = rows[:, 1:-1], (rows[:, :-2], rows[:, 2:])
    expected = np.stack([(3 * near + far[0]) / 4, (3 * near + far[1]) / 4], axis=2).reshape(16, 16)
    np.testing.assert_allclose(enlarged, expected * 255 / 16, atol=0.5 + 1e-6)


def test_the_size_can_be_that_of_cifar10():
    dataset = digits.load(32)
    assert dataset.image_shape == (1, 32, 32)
    assert dataset.pad == 4
    assert (dataset.train_images.min(), dataset.train_images.max()) == (0, 255)
