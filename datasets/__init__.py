"""What is learned from: image sets in memory, language-modelling text, and the batches cut from them."""

from dataclasses import dataclass

import numpy as np

from errors import UserError

IMAGE_DATASETS = ("cifar10", "digits")

# What a network can be sized by without the data: (image shape, number of classes), or the number of words.
SIZES = {"cifar10": ((3, 32, 32), 10), "digits": ((1, 16, 16), 10), "ptb": 10_000, "pydoc": 2_002}

# Of a set whose images are unlike common pictures: what a picture must look like to be one of them.
LOOKS = {"digits": "white digits on black"}


@dataclass(frozen=True, eq=False)
class ImageDataset:
    """Labelled images with their published division into training and test set.

    `train_images` and `test_images` are uint8 `(number, channels, height, width)`, `train_labels` and
    `test_labels` int32 `(number,)`, indices into `classes`. `flip`: is a mirrored image still one of its
    class?
    """

    name: str
    classes: tuple
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    flip: bool

    @property
    def image_shape(self):
        """`(channels, height, width)` of one image."""
        return self.train_images.shape[1:]

    @property
    def pad(self):
        """Pixels of zero padding for a random crop: 4 for 32 pixels, as the authors, else in proportion."""
        return self.image_shape[1] // 8


def load_images(name, data_dir=None, log=print):
    """The image dataset `name`, one of IMAGE_DATASETS, as an `ImageDataset`.

    `data_dir` is a folder that holds CIFAR-10 already (see `datasets.cifar10.load`); without it CIFAR-10 is
    downloaded once into NNabla's data home. The digits come with scikit-learn and need neither. `log` takes
    lines of text for the user. Raises UserError for an unknown name and for data that are missing, damaged or
    unreadable.
    """
    from datasets import cifar10, digits  # they need ImageDataset from here

    if name == "cifar10":
        return cifar10.load(data_dir, log)
    if name == "digits":
        return digits.load()
    raise UserError(f"unknown image dataset {name!r}; choose one of {', '.join(IMAGE_DATASETS)}")
