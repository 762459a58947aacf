"""Where NNabla computes."""

import functools

import nnabla as nn
from nnabla.ext_utils import get_extension_context

import kernels
from errors import UserError
from models import layers
from runs import cuda_libraries
from runs.cuda_libraries import PACKAGE
from runs.cuda_probe import probe
from runs.thread_trial import ThreadTrial


def choose_context(name, device_id, type_config, log):
    """Set NNabla's default context and return its name, "cpu" or "cudnn".

    `name` None takes cudnn where it works and else the CPU, with a line saying so. Raises UserError when cudnn was asked for and
    cannot be had, and for half precision on the CPU.
    """
    if name == "cpu":
        return _use_cpu(type_config)
    if not cuda_libraries.installed():
        return _without_gpu(name, type_config, f"the package {PACKAGE} is not installed", f" ({cuda_libraries.ADVICE})", log)
    found = probe(device_id, type_config)
    if found.reason:
        return _without_gpu(name, type_config, found.reason, "", log)
    if found.remark:
        log(found.remark)
    cuda_libraries.load()
    nn.set_default_context(get_extension_context("cudnn", device_id=device_id, type_config=type_config))
    return "cudnn"


def _without_gpu(name, type_config, reason, advice, log):
    if name is not None:
        raise UserError(f"--context cudnn does not work here: {reason}{advice}; fix that or use --context cpu")
    log(f"running on the CPU because {reason}")
    return _use_cpu(type_config)


def choose_kernels(context, name, threads, log, precision="float"):
    """Have all image networks from now on use the CPU kernels `name`, with `precision`; returns what they are, in words.

    Where they cannot run NNabla's own do, and `log` gets a line saying why. On a GPU there is no choice.
    """
    chosen = kernels.choose(name if context == "cpu" else "nnabla", threads, log=log, precision=precision)
    layers.use(chosen)
    return chosen.description


def try_threads(task, threads):
    """Have the task's training steps find by trial how many threads they run on, unless the user or the system says.

    threads: what the user says, or None. Returns a function that tells whether the number is found.
    Beside another busy program as many threads as cores can be slower than one (benchmarks/RESULTS.md).
    """
    chosen = layers.kernels_in_use()
    if threads or not kernels.threads_are_free() or chosen.threads == 1:
        return lambda: True

    def use(count):
        chosen.use_threads(count)
        task.forget_graphs()  # a graph keeps the number that it was built with

    trainer, trial = task.trainer, ThreadTrial((chosen.threads, 1), use)
    trainer.train_step = functools.partial(trial.run, trainer.train_step)
    return lambda: trial.decided


def _use_cpu(type_config):
    if type_config != "float":
        raise UserError(f"--type-config {type_config} needs a GPU; found the CPU, which computes in float only")
    nn.set_default_context(get_extension_context("cpu"))
    return "cpu"
