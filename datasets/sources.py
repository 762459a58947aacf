"""The data sets that --dataset names: one table of images, one of texts. Nothing heavy is imported before data are wanted."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from errors import UserError

SMALLEST_SIDE, LARGEST_SIDE = 8, 1024  # pixels of an image that is learned from
MOST_CLASSES = 1000


@dataclass(frozen=True)
class ImageOptions:
    """The options that say which images: those of `args` by the same names."""

    dataset: str
    data_dir: str | None = None
    image_size: str | None = None
    coarse: bool = False
    flip: bool | None = None
    split_seed: int | None = None

    @classmethod
    def of(cls, config):
        """Out of the options of a run: an object that has them as attributes, or lacks those it does not know."""
        return cls(**{name: getattr(config, name) for name in cls.__dataclass_fields__ if hasattr(config, name)})


@dataclass(frozen=True)
class ImageSource:
    """Where images come from.

    help: for --dataset; load: (`ImageOptions`, log) -> `ImageDataset`; sizes: `ImageOptions` -> (image shape, number of classes)
    where they are published; look: what a picture must look like to be one of them, where that is unlike common pictures.
    """

    help: str
    load: Callable
    sizes: Callable = lambda options: None
    look: str = ""


def _cifar10(options, log):
    from datasets import cifar10

    return cifar10.load(options.data_dir, log)


def _cifar100(options, log):
    from datasets import cifar100

    return cifar100.load(options.data_dir, log, options.coarse)


def _digits(options, log):
    from datasets import digits

    return digits.load()


def _folder(options, log):
    from datasets import folder

    return folder.load(options.data_dir, options.image_size and size_of(options.image_size), options.split_seed or 0, log)


def _npz(options, log):
    from datasets import npz

    return npz.load(options.data_dir, options.split_seed or 0, log)


IMAGE_SOURCES = {
    "cifar10": ImageSource("cifar10: CIFAR-10", _cifar10, lambda options: ((3, 32, 32), 10)),
    "cifar100": ImageSource(
        "cifar100: CIFAR-100", _cifar100, lambda options: ((3, 32, 32), 20 if options.coarse else 100)
    ),
    "digits": ImageSource(
        "digits: scikit-learn's 8x8 handwritten digits at 16x16", _digits, lambda options: ((1, 16, 16), 10),
        "white digits on black",
    ),
    "folder": ImageSource("folder: one folder of images per class, in --data-dir", _folder),
    "npz": ImageSource("npz: arrays x_train, y_train, x_test, y_test in the .npz file --data-dir", _npz),
}  # fmt: skip
# What --dataset of a text means, and how many words have those whose vocabulary is published.
TEXT_SOURCES = {
    "ptb": "ptb: Penn Treebank, or three files in its format in --data-dir",
    "text": "text: three texts of your own in --data-dir",
    "pydoc": "pydoc: Python's own documentation",
}
WORDS = {"ptb": 10_000, "pydoc": 2_002}


def load_images(options, log=print):
    """The `ImageDataset` that `ImageOptions` (or a name, for its defaults) name. `log` takes lines of text for the user.

    Raises UserError for an unknown name and for data that are missing, damaged, unreadable or beyond what is supported.
    """
    options = ImageOptions(options) if isinstance(options, str) else options
    if options.dataset not in IMAGE_SOURCES:
        raise UserError(f"unknown image dataset {options.dataset!r}; choose one of {', '.join(IMAGE_SOURCES)}")
    return IMAGE_SOURCES[options.dataset].load(options, log).with_options(options)


def size_of(text):
    """(height, width) of an --image-size: "N" or "HxW", in pixels. Raises UserError for another text."""
    found = re.fullmatch(r"(\d{1,5})(?:x(\d{1,5}))?", text.strip().lower())
    sides = [int(side) for side in found.groups() if side] if found else []
    if not sides or not all(SMALLEST_SIDE <= side <= LARGEST_SIDE for side in sides):
        limits = f"of {SMALLEST_SIDE} to {LARGEST_SIDE} pixels"
        raise UserError(f"--image-size must be N or HEIGHTxWIDTH, such as 48x64, {limits}, found {text[:40]!r}")
    return sides[0], sides[-1]
