"""From options to a finished run: what the search and the retraining scripts of every space have in common."""

import os
import pathlib

import numpy as np

import args
from datasets import load_images
from datasets.batches import Normalizer, Split, search_splits
from deployment.export import write_facts, write_nnp
from errors import UserError
from models import layers
from models.parameters import ParameterScope
from reporting.progress import Progress
from reporting.report import REPORT
from runs.commands import retrain_command, retrain_words, script_command
from runs.device import choose_context, choose_kernels
from runs.follower import go_back, open_run
from runs.found_architecture import OWN, FoundArchitecture
from runs.parallel import group
from runs.position import Position
from runs.run_directory import Finished, RunDirectory, run_folder
from runs.sampling import sample_only
from search_spaces.files import check_architecture_path, load_architecture, parse
from training.divergence import Diverged
from training.image_task import ImageData, ImageTask, TrainingSettings
from training.optimizers import LearningRate
from training.policies import LearnedPolicy, RandomPolicy
from training.precision import full_precision
from training.reinforce import Reinforce
from training.retrain import Retraining
from training.search import Search
from training.search_record import TABLE, origin


def run_search(config, space, make_controller, make_task):
    """Search as `config` says, with `make_controller(scope)` and `make_task(log)`; returns the exit status."""
    if config.sampling_only:
        return sample_only(config, make_controller) if group().is_first else 0
    check_architecture_path(config.recommended_arch)
    progress = _progress(config)
    device = _choose_device(config, progress.say)

    def make_search(run, task):
        progress.say(_heading(config, device))
        policy = make_policy(config, space, make_controller, run.rate_factor)
        return Search(config, policy, task, run, Position(run, progress, group()), progress.say, group())

    def result(run, search, best):
        return {"summary": _search_summary(config, run, search, best), "best": best, "status": int(best is None)}

    def repeat(result, folder):
        _write_missing_architecture(config, result.get("best"), folder, progress.say)

    return _complete(config, device, progress, make_task, make_search, result, repeat=repeat)


def _write_missing_architecture(config, best, folder, log):
    """Write what a finished search found, where its files have been removed since. `best`: as `Search.run` returned it."""
    if best and group().is_first:
        architecture, source = _parse(config, best), origin(config) | {"iteration": best["iteration"]}
        FoundArchitecture(folder, log).write_missing(config.recommended_arch, architecture, source)


def _parse(config, best):
    return parse(best["architecture"].encode(), ".txt", config.space)


def _progress(config):
    """Of a job of several processes the first one shows the progress; it begins with what is to be said of the options."""
    progress = Progress(config.quiet or not group().is_first, agree=group().agree)
    progress.say(*config.notes)
    return progress


def _choose_device(config, log):
    """Where to compute and with which kernels, as config.json shows it."""
    group().check_batch_size(config.batch_size)
    context = choose_context(config.context, group().device_id(config.device_id), config.type_config, log)
    group().use(context)
    threads = config.cpu_threads or (1 if group().size > 1 else None)
    return {"context": context, "kernels": choose_kernels(context, config.cpu_kernels, threads, log)}


def _complete(config, device, progress, make_task, make_loop, result, architecture=None, repeat=lambda *_: None):
    """Bring a run from where it stands to its end; returns the exit status.

    `make_loop(run, task)` gives a Search or a Retraining, `result(run, loop, what its run() returned)` what to record and to say,
    `repeat(result, folder)` does what is left to do when the run has been finished before.
    The run directory is opened when everything else is known to be right.
    """
    task = make_task(progress.say)
    try:
        run = open_run(group(), lambda: _open_run(config, device, progress, architecture))
    except Finished as finished:
        repeat(finished.result, finished.path)
        progress.say("this run is finished; --restart begins anew", *finished.result["summary"])
        return finished.result.get("status", 0)
    with run, np.errstate(all="ignore"):  # what is not finite is looked for where it counts
        loop, returned = _run_loop(config, run, progress, task, make_task, make_loop)
        outcome = group().announce(result(run, loop, returned) if group().is_first else None)
        run.finish(outcome)
    progress.say("", *outcome["summary"])
    return outcome.get("status", 0)


def _run_loop(config, run, progress, task, make_task, make_loop):
    """Run a loop; when its training diverges begin again at the last checkpoint, or stop, as --on-nan says."""
    while True:
        task.rate_factor = run.rate_factor
        loop = make_loop(run, task)
        run.report.update()
        try:
            return loop, loop.run()
        except Diverged as diverged:
            if config.on_nan == "stop":
                hint = "--on-nan back goes on from it with half the learning rates, --restart begins anew with what you choose"
                raise UserError(f"{diverged}; the last checkpoint in {run.path} is whole: {hint}") from diverged
            go_back(group(), run, str(diverged))
            task = make_task(progress.say)
        finally:
            progress.stop()


def make_policy(config, space, make_controller, rate_factor=1.0):
    """The learned or the random policy, as --controller says; `rate_factor` multiplies the controller's learning rate."""
    if config.controller == "random":
        return RandomPolicy(space, config.seed)
    entropy_weight, use_baseline = config.entropy_weight, config.use_variance_reduction
    rate = config.control_lr * rate_factor
    with full_precision():
        controller = make_controller(ParameterScope(config.seed))
        reinforce = Reinforce(controller, rate, config.baseline_decay, entropy_weight, use_baseline, group())
    return LearnedPolicy(controller, reinforce, config.seed)


def run_retraining(config, make_task):
    """Retrain the architecture in --recommended-arch. `make_task(architecture, log)` gives its task."""
    progress = _progress(config)
    architecture = load_architecture(config.recommended_arch, config.space, progress.say)
    _check_sizes(config, architecture)
    _check_folder(config.monitor_save_path)
    device = _choose_device(config, progress.say)

    def make_retraining(run, task):
        progress.say(_heading(config, device), architecture.describe(), _cost_line(task, architecture))
        save_path = pathlib.Path(config.monitor_save_path or run.path)
        facts = task.export_facts(architecture, config.options())
        if group().is_first:
            _make_folder(save_path)
            run.architecture_files.write_own(architecture)
            if facts:
                write_facts(save_path, facts)
        return Retraining(config, architecture, task, run, Position(run, progress, group()), progress.say, group())

    def result(run, retraining, quality):
        task = retraining.task
        summary = [
            f"test {task.describe(quality)} after {config.epoch_on_retrain} epochs",
            f"weights: {retraining.last_weights()}",
            f"curves: {run.path}",
            f"report: {run.path / REPORT}",
        ]
        facts = task.export_facts(architecture, config.options())
        if facts:
            path = retraining.save_path / "model.nnp"
            write_nnp(path, task.network, task.weights(), facts)
            predict = script_command("deploy", "predict", path.absolute())
            summary.append(f"network for pictures: {path}; tell what is in one: {predict} PICTURE")
        return {"summary": summary, task.measure_name: task.measure(quality)}

    def task_of_architecture(log):
        return make_task(architecture, log)

    return _complete(config, device, progress, task_of_architecture, make_retraining, result, architecture)


def _check_sizes(config, architecture):
    """--num-layers and --num-nodes repeat what the architecture says, or are wrong."""
    sizes = {"macro": ("num_layers", 0), "micro": ("num_nodes", 2), "recurrent": ("num_nodes", 0)}
    name, inputs = sizes[config.space]
    asked, found = getattr(config, name), getattr(architecture, name) + inputs
    if asked not in (None, found):
        raise UserError(
            f"--{name.replace('_', '-')} is {asked}, but {config.recommended_arch} has {found}; leave the option out"
        )


def _check_folder(path):
    """Raises UserError if the folder cannot be made or written in, before anything is."""
    place = pathlib.Path(path or ".").absolute()
    while not os.path.lexists(place):
        place = place.parent
    if not (place.is_dir() and os.access(place, os.W_OK | os.X_OK)):
        reason = "cannot be written in" if place.is_dir() else "is no folder"
        raise UserError(f"cannot write the weights in {path}: {place} {reason}; choose another --monitor-save-path")


def _make_folder(path):
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {path}: {error.strerror}; choose another --monitor-save-path") from error


def _open_run(config, device, progress, architecture=None):
    options = config.options() | device
    if architecture is not None:
        options["architecture"] = architecture.to_text()
    job = f"{config.space}_{config.job}"
    what_next = retrain_command(config, run_folder(config.monitor_path, job)) if config.job == args.SEARCH else None
    return RunDirectory(
        config.monitor_path, job, options, config.restart, progress.say, args.FREE, 60 * config.checkpoint_interval, what_next,
        group(), args.defaults(config),
    )  # fmt: skip


def _heading(config, device):
    schedule = f", schedule {config.schedule}" if config.job == args.SEARCH else ""
    processes = f", {group().size} processes" if group().size > 1 else ""
    computing = f"{device['context']} ({device['kernels']}){processes}"
    return f"{config.space} {config.job}: preset {config.preset}, {computing}, seed {config.seed}{schedule}"


def _cost_line(task, architecture):
    return f"{task.cost(architecture)} for one example"


def _search_summary(config, run, search, best):
    """Lines for the end of a search: result, architecture, files, what to type next."""
    if best is None:
        return [f"no derived architecture was within --max-parameters and --max-macs; the sizes are in {run.path / TABLE}"]
    return [
        f"best {search.task.describe(best['quality'])} with the shared weights, in iteration {best['iteration'] + 1}. "
        "It ranks architectures; what one is worth shows when it is trained alone:",
        f"    {retrain_command(config, run.path)}",
        _parse(config, best).describe(),
        f"architecture: {os.path.abspath(config.recommended_arch)}, {run.path / OWN}",
        f"curves, {'controller, ' if search.policy.learns else ''}table of all derived architectures: {run.path}",
        f"report: {run.path / REPORT}",
    ]


def retraining_options(config):
    """The options of the retraining that a search proposes."""
    return args.parse(config.space, args.RETRAIN, retrain_words(config, config.monitor_path))


def image_search_task(config, make_network, make_final_network, log, dataset=None):
    """`ImageTask` of a search: `make_network(scope, num_classes)` gives the shared network.

    `make_final_network(options, scope, num_classes)` gives the one that retraining will train, of which the cost is told.
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
    network = make_network(ParameterScope(config.seed), len(dataset.classes))
    final_network = make_final_network(retraining_options(config), ParameterScope(), len(dataset.classes))
    settings = _training_settings(config, epochs, schedule, clip)
    _say_cut_off(settings.learning_rate, "--max-search-iter times --epoch-per-search", log)
    return ImageTask(network, data, settings, statistics, final_network, group())


def image_retraining_task(config, make_final_network, log, dataset=None):
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
    network = make_final_network(config, ParameterScope(config.seed), len(dataset.classes))
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
