"""From options to the `ImageTask` of a search or a retraining."""

import args
from datasets import ImageOptions, load_images
from datasets.batches import Augmentation, Normalizer
from datasets.record import ImageRecord
from datasets.splits import Split, retraining_splits, search_splits
from models import layers
from models.parameters import ParameterScope
from runs.commands import retraining_options
from runs.parallel import all_processes
from training.image_task import ImageData, ImageTask
from training.optimizers import LearningRate
from training.work import Proposed

TRIAL_SIZE, TRIAL_BATCHES = 4_000_000_000, 4  # multiply-adds of a mini-batch, and how many there are

ROTATION = 0.25  # radians, of the example's augmentation
VALIDATION_SHARE = 5  # one training image in so many validates at most, unless the user says how many


def search_task(config, space, log, dataset=None):
    """`ImageTask` of a search; the cost it tells is that of the network which retraining will train.

    dataset: an `ImageDataset` in place of the one that the options name.
    """
    dataset = dataset or load_images(ImageOptions.of(config), log)
    train, validation = search_splits(dataset, _validation_size(config, dataset))
    train = train.first(config.train_size)
    log(f"{dataset.name}: {len(train):,} training and {len(validation):,} validation images of {_size(dataset)}")
    statistics = layers.BATCH if config.eval_batch_stats else layers.RUNNING
    test = Split(dataset.test_images, dataset.test_labels)
    record = ImageRecord(dataset, {"training": train, "validation": validation, "test": test})
    data = ImageData(train, validation, Normalizer.fit(train.images), _augmentation(config, dataset), record=record)
    network = space.shared_network(config, ParameterScope(config.seed), len(dataset.classes))
    retraining = retraining_options(config)
    final_network = space.final_network(retraining, ParameterScope(), len(dataset.classes))
    learning_rate = _learning_rate(config, config.lr_control_on_search)
    _say_cut_off(learning_rate, "--max-search-iter times --epoch-per-search", log)
    task = ImageTask(network, data, config, learning_rate, statistics, final_network, all_processes())
    trained = len(retraining_splits(dataset)[0].first(retraining.train_size))
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
    dataset = dataset or load_images(ImageOptions.of(config), log)
    train, test = retraining_splits(dataset)
    train = train.first(config.train_size)
    log(f"{dataset.name}: {len(train):,} training and {len(test):,} test images of {_size(dataset)}")
    augmentation = _augmentation(config, dataset, config.cutout)
    record = ImageRecord(dataset, {"training": train, "test": test})
    data = ImageData(train, test, Normalizer.fit(train.images), augmentation, dataset.classes, record)
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


def _validation_size(config, dataset):
    """Images that validate: --validation-size, which no preset makes more than a fifth of the training images."""
    most = max(1, len(dataset.train_labels) // VALIDATION_SHARE)
    return config.validation_size if "validation_size" in config.given else min(config.validation_size, most)


def _size(dataset):
    channels, height, width = dataset.image_shape
    classes = f"{len(dataset.classes):,} class{'es' if len(dataset.classes) > 1 else ''}"
    return f"{height}x{width} pixels, {channels} channel{'s' if channels > 1 else ''}, {classes}"
