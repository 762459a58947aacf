"""The task that the options of a script describe, on random images of its data set's size: nothing is downloaded."""

import numpy as np

import args
from datasets import SIZES, ImageDataset
from models import final_networks, macro_cnn, micro_cnn
from runs import jobs


def make_task(config, train_images, test_images=100):
    """`ImageTask` of a search or a retraining with `train_images` images; what validates a search comes on top."""
    make_final_network = {"macro": final_networks.macro, "micro": final_networks.micro}[config.space]
    if config.job == args.RETRAIN:
        return jobs.image_retraining_task(config, make_final_network, _nobody, random_dataset(config, train_images, test_images))

    def make_network(scope, num_classes):
        return _shared_network(config, scope, num_classes)

    dataset = random_dataset(config, train_images + config.validation_size, test_images)
    return jobs.image_search_task(config, make_network, make_final_network, _nobody, dataset)


def random_dataset(config, train_images, test_images):
    """`ImageDataset` of random images like those that `config.dataset` names."""
    shape, classes = SIZES[config.dataset]
    rng = np.random.default_rng(0)
    parts = []
    for count in (train_images, test_images):
        parts += [rng.integers(0, 256, (count, *shape), np.uint8), rng.integers(0, classes, count).astype(np.int32)]
    return ImageDataset("random images", tuple(map(str, range(classes))), *parts, flip=config.dataset == "cifar10")


def _shared_network(config, scope, num_classes):
    if config.space == "macro":
        return macro_cnn.SharedNetwork(scope, config.output_filter, num_classes, config.keep_prob)
    auxiliary = config.auxiliary_head
    return micro_cnn.SharedNetwork(scope, config.output_filter, num_classes, config.num_cells, config.keep_prob, auxiliary)


def _nobody(line):
    """Says nothing."""
