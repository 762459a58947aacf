from datasets import IMAGE_SOURCES, ImageOptions, load_images
from datasets.cifar10 import CLASSES
from datasets.penn_treebank import load_text
from datasets.sources import TEXT_SOURCES, WORDS


def sizes(name, **options):
    return IMAGE_SOURCES[name].sizes(ImageOptions(name, **options))


def test_published_sizes_are_those_of_the_data():
    digits = load_images("digits")
    assert sizes("digits") == (digits.image_shape, len(digits.classes))
    assert sizes("cifar10") == ((3, 32, 32), len(CLASSES))
    assert (sizes("cifar100"), sizes("cifar100", coarse=True)) == (((3, 32, 32), 100), ((3, 32, 32), 20))
    assert WORDS["pydoc"] == len(load_text("pydoc", log=lambda line: None).vocabulary)


def test_what_is_the_users_own_has_none():
    assert (sizes("folder"), sizes("npz")) == (None, None)
    assert set(TEXT_SOURCES) - set(WORDS) == {"text"}
