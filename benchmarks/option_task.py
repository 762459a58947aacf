"""The task that the options of a script describe, on random images of its data set's size: nothing is downloaded."""

import argparse
import json

import numpy as np

import args
from benchmarks import workload
from datasets import IMAGE_SOURCES, ImageDataset, ImageOptions
from runs import image_tasks
from spaces import SPACES


def step_parser(text):
    """Command line of a benchmark of such a task's steps; `text`: its docstring."""
    parser = argparse.ArgumentParser(description=text.splitlines()[0])
    parser.add_argument("--space", choices=tuple(workload.SPACES), default="macro")
    parser.add_argument("--job", choices=args.BOTH, default=args.SEARCH)
    parser.add_argument("--options", default="", help="of the script (those of its preset enas)")
    parser.add_argument("--type-config", choices=("float", "half"), default="float")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def print_row(row, as_json):
    """Print a result (dict), a line for each entry or as one JSON object."""
    print(json.dumps(row) if as_json else "\n".join(f"{name}: {value}" for name, value in row.items()))


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
