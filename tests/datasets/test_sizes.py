from datasets import IMAGE_DATASETS, SIZES, load_images
from datasets.cifar10 import CLASSES
from datasets.penn_treebank import TEXT_DATASETS, load_text


def test_every_dataset_has_its_sizes():
    assert set(SIZES) == {*IMAGE_DATASETS, *TEXT_DATASETS}


def test_sizes_are_those_of_the_data():
    digits = load_images("digits")
    assert SIZES["digits"] == (digits.image_shape, len(digits.classes))
    assert SIZES["cifar10"] == ((3, 32, 32), len(CLASSES))
    assert SIZES["pydoc"] == len(load_text("pydoc", log=lambda line: None).vocabulary)
