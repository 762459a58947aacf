import numpy as np
import pytest

from datasets import ImageDataset, splits
from datasets.splits import Picked, Split, stratified
from errors import UserError


def make_dataset(labels, split_seed=None, valid=None):
    """Images whose first pixel is their number; `valid`: how many of the last validate by the source's own division."""
    count = len(labels)
    images = np.zeros((count, 3, 8, 8), np.uint8)
    images[:, 0, 0, 0] = np.arange(count)
    labels = np.asarray(labels, np.int32)
    if valid is None:
        return ImageDataset("made", ("a", "b"), images, labels, images[:2], labels[:2], True, split_seed=split_seed)
    parts = {"train": np.arange(count - valid), "valid": np.arange(count - valid, count), "test": np.arange(2)}
    return splits.dataset_of("made", ("a", "b"), images, labels, parts, "image {}".format, split_seed, "0")


def numbers(split):
    return split.images[np.arange(len(split))][:, 0, 0, 0].tolist()


def test_the_last_images_validate_where_the_data_say_so():
    dataset = make_dataset(range(10))
    train, validation = splits.search_splits(dataset, 3)
    assert (len(train), len(validation)) == (7, 3)
    np.testing.assert_array_equal(train.labels, range(7))
    np.testing.assert_array_equal(validation.labels, [7, 8, 9])
    np.testing.assert_array_equal(validation.images, dataset.train_images[7:])
    assert np.shares_memory(train.images, dataset.train_images)


@pytest.mark.parametrize("seed", [None, 0])
@pytest.mark.parametrize("size", [-1, 0, 10, 11])
def test_both_splits_must_have_images(size, seed):
    with pytest.raises(UserError, match=f"on {size} of the 10 training images of made; choose 1 to 9"):
        splits.search_splits(make_dataset(range(10), seed), size)


def test_sorted_labels_are_drawn_from_every_class():
    dataset = make_dataset(np.repeat(range(4), 25), split_seed=0)
    train, validation = splits.search_splits(dataset, 20)
    assert np.bincount(validation.labels).tolist() == [5] * 4 and np.bincount(train.labels).tolist() == [20] * 4
    assert sorted(numbers(train) + numbers(validation)) == list(range(100))
    for split in (train, validation):
        np.testing.assert_array_equal(split.labels, np.array(numbers(split)) // 25)
    assert len(set(train.labels[:20])) == 4  # --train-size takes the first: they are of all classes
    again = splits.search_splits(dataset, 20)[1]
    other = splits.search_splits(make_dataset(np.repeat(range(4), 25), split_seed=1), 20)[1]
    assert numbers(again) == numbers(validation) != numbers(other)


COUNTS = [([50, 30, 20], 10), ([1, 99], 10), ([1, 1, 2], 1), ([7, 5, 3, 1], 8), ([200] * 50, 238)]


@pytest.mark.parametrize("counts, size", COUNTS)
def test_classes_give_in_proportion_and_keep_one(counts, size):
    labels = np.repeat(np.arange(len(counts)), counts)
    kept, held = stratified(labels, size, np.random.default_rng(0))
    assert len(held) == size and sorted([*kept, *held]) == list(range(len(labels)))
    given = np.bincount(labels[held], minlength=len(counts))
    quota = size * np.array(counts) / sum(counts)
    assert (np.array(counts) - given >= 1).all()
    assert (given <= np.ceil(quota)).all() or size > (np.minimum(np.ceil(quota), np.array(counts) - 1)).sum()
    assert (given >= np.minimum(np.floor(quota), np.array(counts) - 1)).all()


def test_more_classes_than_images_to_hold_out():
    labels = np.repeat(np.arange(1000), 2)
    kept, held = stratified(labels, 10, np.random.default_rng(0))
    assert len(held) == len(set(labels[held])) == 10 and len(set(labels[kept])) == 1000


@pytest.mark.parametrize(
    "labels, words",
    [
        ([0], "cannot hold out 1 of 1 image in 1 class; add images, because each class must keep one"),
        ([0, 1, 2], "of 3 images in 3 classes; add images"),
        ([0, 0, 1], "choose 1 to 1, so that each class keeps one"),
    ],
)
def test_nothing_can_be_held_out_of_single_images(labels, words):
    with pytest.raises(UserError, match=words):
        stratified(np.array(labels), 2 if len(labels) == 3 else 1, np.random.default_rng(0))


def test_a_validation_part_of_the_source_validates_and_trains_in_the_end():
    dataset = make_dataset([0, 1] * 10, split_seed=3, valid=4)
    train, validation = splits.search_splits(dataset, 5)
    assert numbers(validation) == [16, 17, 18, 19] and sorted(numbers(train)) == list(range(16))
    whole, test = splits.retraining_splits(dataset)
    assert sorted(numbers(whole)) == list(range(20)) and numbers(whole) != list(range(20)) and numbers(test) == [0, 1]
    np.testing.assert_array_equal(whole.labels, np.array(numbers(whole)) % 2)


def test_without_a_test_part_a_fifth_is_drawn():
    images, labels = np.zeros((50, 1, 8, 8), np.uint8), np.repeat([0, 1], 25).astype(np.int32)
    dataset = splits.dataset_of("own", ("a", "b"), images, labels, {"train": np.arange(50)}, str, 0, "0")
    assert dataset.test_drawn and np.bincount(dataset.test_labels).tolist() == [5, 5] and len(dataset.train_labels) == 40
    assert not set(dataset.train_images.rows) & set(dataset.test_images.rows)


def test_picked_images_read_as_an_array_does():
    source = np.random.default_rng(0).integers(0, 256, (10, 3, 4, 5), np.uint8)
    rows = np.array([7, 2, 2, 9])
    picked = Picked(source, rows, "x[{}]".format)
    assert picked.shape == (4, 3, 4, 5) and len(picked) == 4
    for index in (1, slice(1, 3), np.array([3, 0]), np.array([], int)):
        np.testing.assert_array_equal(picked[index], source[rows][index])
    assert picked.take(np.array([3, 1])).names() == ["x[9]", "x[2]"]
    split = Split(picked, rows)
    assert split.first(None) is split and len(split.first(2).images) == 2 and split.first(2).labels.tolist() == [7, 2]
    assert Picked.all_of(picked, str) is picked
