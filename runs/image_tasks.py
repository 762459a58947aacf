"""From options to the `ImageTask` of a search or a retraining."""

from datasets import load_images
from datasets.batches import Normalizer, Split, search_splits
from models import layers
from models.parameters import ParameterScope
from runs.commands import retraining_options
from runs.parallel import group
from training.image_task import ImageData, ImageTask, TrainingSettings
from training.optimizers import LearningRate


def search_task(config, space, log, dataset=None):
    """`ImageTask` of a search; the cost it tells is that of the network which retraining will train.

    dataset: an `ImageDataset` in place of the one that the options name.
    """
    dataset = dataset or load_images(config.dataset, config.data_dir, log)
    train, validation = search_splits(dataset, config.validation_size)
    train = _first(train, config.train_size)
    log(f"{dataset.name}: {len(train):,} training and {len(validation):,} validation images of {_size(dataset)}")
    statistics = layers.BATCH if config.eval_batch_stats else layers.RUNNING
    epochs = config.max_search_iter * config.epoch_per_search
    schedule = config.lr_schedule if config.lr_control_on_search else "constant"
    clip = config.grad_clip_value if config.with_grad_clip_on_search else None
    data = ImageData(train, validation, Normalizer.fit(train.images), dataset.pad, dataset.flip)
    network = space.shared_network(config, ParameterScope(config.seed), len(dataset.classes))
    final_network = space.final_network(retraining_options(config), ParameterScope(), len(dataset.classes))
    settings = _training_settings(config, epochs, schedule, clip)
    _say_cut_off(settings.learning_rate, "--max-search-iter times --epoch-per-search", log)
    return ImageTask(network, data, settings, statistics, final_network, group())


def retraining_task(config, space, log, dataset=None):
    """`ImageTask` of a retraining: all training images, measured on the test set with running statistics.

    dataset: an `ImageDataset` in place of the one that the options name.
    """
    dataset = dataset or load_images(config.dataset, config.data_dir, log)
    train = _first(Split(dataset.train_images, dataset.train_labels), config.train_size)
    test = Split(dataset.test_images, dataset.test_labels)
    log(f"{dataset.name}: {len(train):,} training and {len(test):,} test images of {_size(dataset)}")
    schedule = config.lr_schedule if config.lr_control_on_retrain else "constant"
    clip = config.grad_clip_value if config.with_grad_clip_on_retrain else None
    data = ImageData(train, test, Normalizer.fit(train.images), dataset.pad, dataset.flip, config.cutout, dataset.classes)
    network = space.final_network(config, ParameterScope(config.seed), len(dataset.classes))
    settings = _training_settings(config, config.epoch_on_retrain, schedule, clip)
    _say_cut_off(settings.learning_rate, "--epoch-on-retrain", log)
    return ImageTask(network, data, settings, layers.RUNNING, group=group())


def _training_settings(config, epochs, schedule, clip):
    rate = LearningRate(schedule, config.child_lr, config.child_lr_min, epochs, warmup=config.lr_warmup)
    return TrainingSettings(
        batch_size=config.batch_size,
        learning_rate=rate,
        epochs=epochs,
        weight_decay=config.weight_decay,
        decay_batch_norm=config.decay_batch_norm,
        clip=clip,
        auxiliary_weight=getattr(config, "auxiliary_weight", 0.0),
        seed=config.seed,
        patience=config.on_nan_after,
        scale_loss=config.type_config == "half",
        label_smoothing=config.label_smoothing,
        optimizer=config.child_optimizer,
        clip_norm=config.clip_norm,
        moves_idle=getattr(config, "update", "used") == "all",
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
