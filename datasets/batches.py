"""Batches of images: normalizing, augmenting, and the order in which a training set is read.

Every function that needs chance takes a `numpy.random.Generator`, so that a caller who derives it from the
seed and the step gets the same batch again after a resume.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

BLOCK = 500  # images that are counted at a time


@dataclass(frozen=True, eq=False)
class Normalizer:
    """(x / 255 - mean) / std, with a float32 `(channels,)` mean and standard deviation of x / 255."""

    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def fit(cls, images):
        """Of uint8 images `(number, channels, height, width)`: give the training part only.

        Counting the 256 values gives exact sums without a copy of the images in floating point.
        """
        counts = sum(_count_values(images[first : first + BLOCK]) for first in range(0, len(images), BLOCK))
        share = counts / counts.sum(axis=1, keepdims=True)
        values = np.arange(256) / 255
        mean = share @ values
        std = np.sqrt(np.sum(share * (values - mean[:, None]) ** 2, axis=1))
        return cls(mean.astype(np.float32), np.where(std > 0, std, 1).astype(np.float32))

    def __call__(self, images):
        """Normalized float32 copy of uint8 images `(batch, channels, height, width)`."""
        scale = 1 / (255 * self.std)
        normalized = np.multiply(images, scale[:, None, None], dtype=np.float32)
        normalized -= (self.mean / self.std)[:, None, None]
        return normalized


def _count_values(images):
    """How often each channel has each of the 256 values: `(channels, 256)`."""
    return np.stack([np.bincount(images[:, c].ravel(), minlength=256) for c in range(images.shape[1])])


@dataclass(frozen=True)
class Augmentation:
    """How training images vary: rotation (the example), then in the authors' order padding, random crop, mirror image, CutOut."""

    pad: int  # pixels of zeros around an image before the crop
    flip: bool  # mirror images with probability 1/2
    cutout: int = 0  # side of the square that CutOut blanks, in pixels; 0: none
    corner: bool = False  # the random pixel of CutOut is the square's top left one, as in the authors' code, not its center
    angle: float = 0.0  # radians: images are turned by up to so much, to either side


def augment(images, rng, augmentation, batch=None, part=slice(None)):
    """A random variant of each normalized image: float32 `(images, channels, height, width)`, a new array.

    Images that are the `part` of a mini-batch of `batch` images become what they become when all are given.
    """
    count, channels, height, width = images.shape
    pad = augmentation.pad
    chance = draw_chance(rng, batch or count, (height, width), augmentation, part)
    if augmentation.angle:
        images = rotated(images, chance.angle)
    padded = np.zeros((count, channels, height + 2 * pad, width + 2 * pad), np.float32)
    padded[:, :, pad : pad + height, pad : pad + width] = images
    crops = sliding_window_view(padded, (height, width), axis=(2, 3))[np.arange(count), :, chance.top, chance.left]
    crops[chance.mirrored] = crops[chance.mirrored, :, :, ::-1]
    if chance.cut:
        rows, columns = chance.cut
        np.copyto(crops, 0, where=(rows[:, :, None] & columns[:, None, :])[:, None])
    return crops


@dataclass(frozen=True, eq=False)
class Chance:
    """What chance decides about the images of a mini-batch."""

    top: np.ndarray  # (images,): first row of the crop, in the padded image
    left: np.ndarray  # (images,): first column
    mirrored: np.ndarray  # bool (images,)
    angle: np.ndarray  # (images,) radians
    cut: tuple  # bool (images, height) and (images, width): rows and columns of the square that CutOut blanks; or ()


def draw_chance(rng, batch, size, augmentation, part=slice(None)):
    """The `Chance` of the `part` of a mini-batch of `batch` images of `size` (height, width).

    CutOut (DeVries & Taylor, arXiv:1708.04552): a square around a pixel, clipped at the border.
    """
    top, left = rng.integers(0, 2 * augmentation.pad + 1, (2, batch))[:, part]
    mirrored = (rng.random(batch) < 0.5 if augmentation.flip else np.zeros(batch, bool))[part]
    angle = np.zeros(batch)[part]
    if augmentation.angle:
        angle = rng.uniform(-augmentation.angle, augmentation.angle, batch)[part]
    cut = ()
    if augmentation.cutout:
        centers = [rng.integers(0, length, batch)[part] for length in size]
        before = 0 if augmentation.corner else augmentation.cutout // 2
        cut = tuple(
            _covered(center - before, augmentation.cutout, length) for center, length in zip(centers, size, strict=True)
        )
    return Chance(top, left, mirrored, angle, cut)


def rotated(images, angles):
    """Images `(images, channels, height, width)` turned around their centers by `angles` (images,), in radians.

    Bilinear interpolation, beyond the border the pixels of the border, as NNabla's `image_augmentation`.
    """
    count, channels, height, width = images.shape
    y, x = np.mgrid[:height, :width] - np.array([(height - 1) / 2, (width - 1) / 2])[:, None, None]
    sine, cosine = (function(angles)[:, None, None] for function in (np.sin, np.cos))
    rows, below = _neighbors(cosine * y + sine * x + (height - 1) / 2, height)
    columns, right = _neighbors(cosine * x - sine * y + (width - 1) / 2, width)
    flat, turned = images.reshape(count, channels, -1), np.zeros((count, channels, height * width), np.float32)
    for row, vertical in ((rows, 1 - below), (rows + 1, below)):
        for column, horizontal in ((columns, 1 - right), (columns + 1, right)):
            places = (np.minimum(row, height - 1) * width + np.minimum(column, width - 1)).reshape(count, 1, -1)
            weights = (vertical * horizontal).astype(np.float32).reshape(count, 1, -1)
            turned += weights * np.take_along_axis(flat, places, axis=2)
    return turned.reshape(images.shape)


def _neighbors(positions, length):
    """The pixel before each position on an axis, inside the image, and how far the position is beyond it (0 to 1)."""
    positions = np.clip(positions, 0, length - 1)
    before = np.floor(positions).astype(np.int64)
    return before, positions - before


def _covered(starts, size, length):
    """Bool `(batch, length)`: does a position of an axis lie in the interval of `size` from each start?"""
    positions = np.arange(length)
    return (positions >= starts[:, None]) & (positions < starts[:, None] + size)


def training_batch(split, normalizer, indices, rng, augmentation, part=slice(None)):
    """Augmented float32 images `(batch, channels, height, width)` and their int32 labels `(batch,)`.

    `part`: the slice of the mini-batch to make; its images are the same as in the whole one.
    """
    images, labels = plain_batch(split, normalizer, indices[part])
    return augment(images, rng, augmentation, len(indices), part), labels


def plain_batch(split, normalizer, indices):
    """Normalized float32 images `(batch, channels, height, width)` and their int32 labels `(batch,)`."""
    return normalizer(split.images[indices]), split.labels[indices]


def epoch_order(size, batch_size, rng):
    """Indices `(steps, batch_size)` of one epoch in random order, steps = ceil(size / batch_size).

    The last row is filled up from the front of the permutation.
    """
    steps = -(-size // batch_size)
    return np.resize(rng.permutation(size), (steps, batch_size))


def evaluation_batches(size, batch_size):
    """List of (indices `(batch_size,)`, count): every index once, in order.

    The last batch is filled up from the front, so that all have the shape of the graph; only its first
    `count` indices count.
    """
    steps = -(-size // batch_size)
    rows = np.resize(np.arange(size), (steps, batch_size))
    return [(row, min(batch_size, size - step * batch_size)) for step, row in enumerate(rows)]
