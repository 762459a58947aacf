"""The task that the options of a script describe, on random images of its data set's size: nothing is downloaded."""

import numpy as np

import args
from datasets import IMAGE_SOURCES, ImageDataset, ImageOptions
from runs import image_tasks
from spaces import SPACES


def make_task(config, train_images, test_images=100):
    """`ImageTask` of a search or a retraining with `train_images` images; what validates a search comes on top."""
    space = SPACES[config.space]
    if config.job == args.RETRAIN:
        return image_tasks.retraining_task(config, space, _nobody, random_dataset(config, train_images, test_images))
    dataset = random_dataset(config, train_images + config.validation_size, test_images)
    return image_tasks.search_task(config, space, _nobody, dataset)


def random_dataset(config, train_images, test_images):
    """`ImageDataset` of random images like those that `config.dataset` names."""
    shape, classes = IMAGE_SOURCES[config.dataset].sizes(ImageOptions.of(config))
    rng = np.random.default_rng(0)
    parts = []
    for count in (train_images, test_images):
        parts += [rng.integers(0, 256, (count, *shape), np.uint8), rng.integers(0, classes, count).astype(np.int32)]
    return ImageDataset("random images", tuple(map(str, range(classes))), *parts, flip=config.dataset == "cifar10")


def _nobody(line):
    """Says nothing."""
