"""Which images train, validate and test: published divisions, and stratified ones drawn with a seed."""

from dataclasses import dataclass

import numpy as np

from datasets import ImageDataset
from errors import UserError

TRAIN, VALID, TEST = "train", "valid", "test"
TEST_SHARE = 5  # one image in so many tests, where the source has no test set
SHUFFLE, DRAW_TEST, DRAW_VALID = range(3)  # what chance is for, besides the seed


class Picked:
    """Some images of an array, in an order of their own, read as an array is; nothing is copied before it is asked for."""

    def __init__(self, source, rows, name):
        """`source`: `(number, channels, height, width)`, in memory or in a file; `rows (picked,)`; `name(row)`: of an image."""
        self.source, self.rows, self.name = source, rows, name

    @classmethod
    def all_of(cls, images, name):
        """Every image; `images` may be a `Picked` already, which keeps its names."""
        return images if isinstance(images, Picked) else cls(images, np.arange(len(images)), name)

    @property
    def shape(self):
        """(images, channels, height, width)"""
        return (len(self.rows), *self.source.shape[1:])

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        return self.source[self.rows[index]]

    def take(self, rows):
        """Those at places `rows` of these."""
        return Picked(self.source, self.rows[rows], self.name)

    def names(self):
        """What the images are called in the source, in order."""
        return [self.name(row) for row in self.rows]


@dataclass(frozen=True, eq=False)
class Split:
    """Images uint8 `(number, channels, height, width)`, an array or `Picked`, and their labels int32 `(number,)`."""

    images: np.ndarray
    labels: np.ndarray

    def __len__(self):
        return len(self.labels)

    def first(self, count):
        """The first `count` of them; all for None."""
        if count is None:
            return self
        images = self.images.take(slice(count)) if isinstance(self.images, Picked) else self.images[:count]
        return Split(images, self.labels[:count])

    def take(self, rows):
        """Those at places `rows`; images must be `Picked`."""
        return Split(self.images.take(rows), self.labels[rows])


def stratified(labels, size, rng, purpose="hold out"):
    """(rows kept, rows held out) of `labels (n,)`, `size` of them held out, both in random order.

    Every class gives in proportion to its images, by the largest remainders, and keeps at least one. Raises UserError, which says
    for which `purpose`, when there are not so many to give.
    """
    _, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    given = _given(counts, size, rng, purpose)
    order = rng.permutation(len(labels))
    by_class = order[np.argsort(inverse[order], kind="stable")]
    place = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)  # of an image within its class
    held = np.zeros(len(labels), bool)
    held[by_class[place < np.repeat(given, counts)]] = True
    return order[~held[order]], order[held[order]]


def _given(counts, size, rng, purpose):
    """How many images each class gives: `(classes,)`, of `counts (classes,)`; together `size`."""
    room = int((counts - 1).sum())
    if not 0 < size <= room:
        images, classes = "images" if counts.sum() > 1 else "image", "classes" if len(counts) > 1 else "class"
        found = f"{counts.sum():,} {images} in {len(counts):,} {classes}"
        keeping = f"choose 1 to {room:,}, so that each class keeps one"
        advice = keeping if room else "add images, because each class must keep one for training"
        raise UserError(f"cannot {purpose} {size:,} of {found}; {advice}")
    quota = size * counts / counts.sum()
    given = np.minimum(quota.astype(int), counts - 1)
    while given.sum() < size:
        open_ = np.flatnonzero(given < counts - 1)
        ranked = open_[np.lexsort((rng.random(len(open_)), (given - quota)[open_]))]
        given[ranked[: size - given.sum()]] += 1
    return given


def dataset_of(name, classes, images, labels, parts, image_name, seed, sha256):
    """`ImageDataset` of one set of images with its division.

    images uint8 `(n, channels, height, width)`; labels int32 `(n,)`; parts: dict of TRAIN, VALID and TEST -> rows `(of it,)`.
    Where TEST is missing, a fifth is drawn: shuffled, stratified, with `seed`, as the order of the training images is.
    `image_name(row)` names an image for people. Raises UserError when no test part can be drawn.
    """
    drawn = TEST not in parts
    train, test = parts[TRAIN], parts.get(TEST)
    if drawn:
        size = max(1, len(train) // TEST_SHARE)
        kept, held = stratified(labels[train], size, np.random.default_rng((seed, DRAW_TEST)), f"test {name} on")
        train, test = train[kept], train[held]
    train = train[np.random.default_rng((seed, SHUFFLE)).permutation(len(train))]
    valid = parts.get(VALID)

    def pick(rows):
        return (Picked(images, rows, image_name), labels[rows]) if rows is not None else (None, None)

    return ImageDataset(
        name, classes, *pick(train), *pick(test), False, *pick(valid), split_seed=seed, sha256=sha256, test_drawn=drawn
    )


def search_splits(dataset, validation_size):
    """(training Split, validation Split) of a search.

    A validation part of the source's own validates. Otherwise `validation_size` of the training images do: the last ones where
    the data say so (as in the authors' code; the splits are views then), else drawn, shuffled and stratified, with the data's
    seed. Raises UserError if either split would be empty or a class of several images would not be trained.
    """
    whole = Split(dataset.train_images, dataset.train_labels)
    if dataset.valid_images is not None:
        return whole, Split(dataset.valid_images, dataset.valid_labels)
    size = len(whole)
    if not 0 < validation_size < size:
        raise UserError(
            f"cannot validate a search on {validation_size} of the {size} training images of {dataset.name}; "
            f"choose 1 to {size - 1}"
        )
    if dataset.split_seed is None:
        images, labels, cut = whole.images, whole.labels, size - validation_size
        return Split(images[:cut], labels[:cut]), Split(images[cut:], labels[cut:])
    whole = Split(_named(dataset), whole.labels)
    purpose = f"validate a search in {dataset.name} on"
    drawn = stratified(whole.labels, validation_size, _chance(dataset, DRAW_VALID), purpose)
    return tuple(whole.take(rows) for rows in drawn)


def retraining_splits(dataset):
    """(training Split, test Split) of a retraining: what validated the search trains too, in an order drawn with the seed."""
    test = Split(dataset.test_images, dataset.test_labels)
    train = Split(dataset.train_images, dataset.train_labels)
    if dataset.valid_images is None:
        return train, test
    images, valid = train.images, dataset.valid_images
    rows, labels = np.concatenate([images.rows, valid.rows]), np.concatenate([train.labels, dataset.valid_labels])
    both = Split(Picked(images.source, rows, images.name), labels)
    return both.take(_chance(dataset, SHUFFLE).permutation(len(both))), test


def _named(dataset):
    return Picked.all_of(dataset.train_images, lambda row: f"train[{row}]")


def _chance(dataset, purpose):
    return np.random.default_rng((dataset.split_seed, purpose))
