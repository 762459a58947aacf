"""From options to the `LanguageTask` of a search or a retraining."""

import dataclasses

from datasets.penn_treebank import batchify, load_text
from errors import UserError
from models.parameters import ParameterScope
from runs.commands import retraining_options
from runs.parallel import all_processes
from training.language_task import LanguageTask
from training.optimizers import DecayingRate
from training.work import Proposed


def search_task(config, space, log):
    """`LanguageTask` of a search; the cost it tells is that of the model which retraining will train."""
    retraining = retraining_options(config)
    task = _task(config, space, log, retraining)
    text = task.text
    trial_text = dataclasses.replace(text, valid=text.train)  # long enough for the mini-batches of a retraining
    task.proposed = Proposed(
        retraining.epoch_on_retrain, len(text.train), len(text.valid),
        lambda _: _model_task(retraining, space, trial_text, retraining),
    )  # fmt: skip
    batchify(task.text.valid, config.batch_size)  # as rewards need it: a text that is too short is refused here
    if config.update == "all":
        task.network.make_weights(space.encoding(config))
    return task


def retraining_task(config, space, log):
    """`LanguageTask` of a retraining: validated after each epoch, measured on the test part at the end."""
    return _task(config, space, log, config, averages_weights=config.average_weights)


def _task(config, space, log, final, **more):
    """`final`: the options of the retraining."""
    text = load_text(config.dataset, config.data_dir, log)
    text = dataclasses.replace(text, train=text.train[: config.train_size])
    for name, part in (("validation", text.valid), ("test", text.test)):
        if len(part) < 2:
            raise UserError(f"the {name} text of {text.name} has {len(part)} word, and none to predict; give a longer text")
    log(
        f"{text.name}: {len(text.train):,} training, {len(text.valid):,} validation and {len(text.test):,} test words, "
        f"{len(text.vocabulary):,} different ones"
    )
    task = _model_task(config, space, text, final, processes=all_processes(), **more)
    task.trainer.steps(0)  # a text without a segment is refused here, and so is one below
    task.evaluator.validation_rows()
    return task


def _model_task(config, space, text, final, **more):
    model = space.final_network(config, ParameterScope(config.seed), len(text.vocabulary))
    final_network = space.final_network(final, ParameterScope(), len(text.vocabulary))
    rates = config.child_lr, config.lr_decay, config.lr_decay_start, config.lr_decay_every, config.child_lr_min
    return LanguageTask(model, text, config, DecayingRate(*rates), final_network, **more)
