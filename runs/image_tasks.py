"""From options to the `ImageTask` of a search or a retraining."""

import args
from datasets import load_images
from datasets.batches import Augmentation, Normalizer, Split, search_splits
from models import layers
from models.parameters import ParameterScope
from runs.commands import retraining_options
from runs.parallel import all_processes
from training.image_task import ImageData, ImageTask
from training.optimizers import LearningRate
from training.work import Proposed

TRIAL_SIZE, TRIAL_BATCHES = 4_000_000_000, 4  # multiply-adds of a mini-batch, and how many there are

ROTATION = 0.25  # radians, of the example's augmentation


def search_task(config, space, log, dataset=None):
    """`ImageTask` of a search; the cost it tells is that of the network which retraining will train.

    dataset: an `ImageDataset` in place of the one that the options name.
    """
    dataset = dataset or load_images(config.dataset, config.data_dir, log)
    train, validation = search_splits(dataset, config.validation_size)
    train = _first(train, config.train_size)
    log(f"{dataset.name}: {len(train):,} training and {len(validation):,} validation images of {_size(dataset)}")
    statistics = layers.BATCH if config.eval_batch_stats else layers.RUNNING
    data = ImageData(train, validation, Normalizer.fit(train.images), _augmentation(config, dataset))
    network = space.shared_network(config, ParameterScope(config.seed), len(dataset.classes))
    retraining = retraining_options(config)
    final_network = space.final_network(retraining, ParameterScope(), len(dataset.classes))
    learning_rate = _learning_rate(config, config.lr_control_on_search)
    _say_cut_off(learning_rate, "--max-search-iter times --epoch-per-search", log)
    task = ImageTask(network, data, config, learning_rate, statistics, final_network, all_processes())
    trained = min(len(dataset.train_images), retraining.train_size or len(dataset.train_images))
    task.proposed = Proposed(
        retraining.epoch_on_retrain, trained, len(dataset.test_images),
        lambda architecture: _trial_task(retraining, space, dataset, task.cost(architecture).multiply_adds),
    )  # fmt: skip
    return task


def _trial_task(config, space, dataset, multiply_adds):
    """A retraining of a few images, of a large network a quarter of a mini-batch at a time: it has room beside a search."""
    least = max(config.batch_size // 4, 1)
    config = args.revised(config, {"batch_size": min(config.batch_size, max(least, TRIAL_SIZE // multiply_adds))})
    few = slice(0, TRIAL_BATCHES * config.batch_size)
    some = Split(dataset.train_images[few], dataset.train_labels[few])
    data = ImageData(some, some, Normalizer.fit(some.images), Augmentation(dataset.pad, dataset.flip, config.cutout))
    network = space.final_network(config, ParameterScope(config.seed), len(dataset.classes))
    return ImageTask(network, data, config, _learning_rate(config, config.lr_control_on_retrain), layers.RUNNING)


def retraining_task(config, space, log, dataset=None):
    """`ImageTask` of a retraining: all training images, measured on the test set with running statistics.

    dataset: an `ImageDataset` in place of the one that the options name.
    """
    dataset = dataset or load_images(config.dataset, config.data_dir, log)
    train = _first(Split(dataset.train_images, dataset.train_labels), config.train_size)
    test = Split(dataset.test_images, dataset.test_labels)
    log(f"{dataset.name}: {len(train):,} training and {len(test):,} test images of {_size(dataset)}")
    augmentation = _augmentation(config, dataset, config.cutout)
    data = ImageData(train, test, Normalizer.fit(train.images), augmentation, dataset.classes)
    network = space.final_network(config, ParameterScope(config.seed), len(dataset.classes))
    learning_rate = _learning_rate(config, config.lr_control_on_retrain)
    _say_cut_off(learning_rate, "--epoch-on-retrain", log)
    return ImageTask(network, data, config, learning_rate, layers.RUNNING, processes=all_processes())


def _augmentation(config, dataset, cutout=0):
    """As --augmentation says; whether mirror images make sense is the data set's affair."""
    corner = getattr(config, "cutout_anchor", None) == "corner"  # a search has no CutOut
    if config.augmentation == "crop":
        return Augmentation(dataset.pad, dataset.flip, cutout, corner)
    return Augmentation(0, dataset.flip, cutout, corner, ROTATION)


def _learning_rate(config, scheduled):
    schedule = config.lr_schedule if scheduled else "constant"
    return LearningRate(
        schedule, config.child_lr, config.child_lr_min, config.epochs, warmup=config.lr_warmup, restarts_at=config.restart_lr
    )


def _say_cut_off(learning_rate, options, log):
    """A line about a training that ends within a cycle of the learning rate: the weights it keeps have not come to rest."""
    share, ends = learning_rate.cut_off()
    if ends:
        *some, last = map(str, ends)
        log(
            f"the last epoch runs at {100 * share:.0f} % of the highest learning rate: a cycle of cosine-restarts ends after "
            f"{', '.join(some)} or {last} epochs ({options}), --lr-schedule cosine fits any number"
        )


def _first(split, count):
    return split if count is None else Split(split.images[:count], split.labels[:count])


def _size(dataset):
    channels, height, width = dataset.image_shape
    return f"{height}x{width} pixels, {channels} channel{'s' if channels > 1 else ''}, {len(dataset.classes)} classes"
