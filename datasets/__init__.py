"""What is learned from: image sets in memory, language-modelling text, and the batches cut from them."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from datasets.sources import IMAGE_SOURCES, LARGEST_SIDE, MOST_CLASSES, SMALLEST_SIDE, ImageOptions, load_images
from errors import UserError

__all__ = ["IMAGE_SOURCES", "ImageDataset", "ImageOptions", "load_images"]


@dataclass(frozen=True, eq=False)
class ImageDataset:
    """Labelled images with their division into training and test set, and a validation part where the source has one.

    Images are uint8 `(number, channels, height, width)`, arrays or `splits.Picked`; labels int32 `(number,)`, indices into
    `classes`. `flip`: is a mirrored image still one of its class? `split_seed`: what a validation part is shuffled with before it
    is cut from the training images; None: the last of them validate, as published. `sha256` is of the source's content where it
    is known without reading the images once more; `test_drawn`: the test part was drawn by chance from one set.
    """

    name: str
    classes: tuple
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    flip: bool
    valid_images: np.ndarray | None = None
    valid_labels: np.ndarray | None = None
    split_seed: int | None = None
    sha256: str | None = None
    test_drawn: bool = False

    @property
    def image_shape(self):
        """`(channels, height, width)` of one image."""
        return tuple(self.train_images.shape[1:])

    @property
    def pad(self):
        """Pixels of zero padding for a random crop: 4 for 32 pixels, as the authors, else in proportion to the shorter side."""
        return min(self.image_shape[1:]) // 8

    def with_options(self, options):
        """This data set with what `ImageOptions` change of it. Raises UserError for what no network here can learn."""
        _check(self)
        changes = {} if options.flip is None else {"flip": options.flip}
        changes |= {} if options.split_seed is None else {"split_seed": options.split_seed}
        return dataclasses.replace(self, **changes)


def _check(dataset):
    if not 1 <= len(dataset.classes) <= MOST_CLASSES:
        raise UserError(f"{dataset.name} has {len(dataset.classes):,} classes; 1 to {MOST_CLASSES:,} are supported")
    channels, height, width = dataset.image_shape
    if not SMALLEST_SIDE <= min(height, width) <= max(height, width) <= LARGEST_SIDE:
        limits = f"{SMALLEST_SIDE} to {LARGEST_SIDE} pixels"
        raise UserError(f"the images of {dataset.name} have {height}x{width} pixels; each side may have {limits}")
