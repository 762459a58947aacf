"""Command lines to print: as they stand they work in any folder, whatever environment is active."""

import os
import pathlib
import shlex
import sys

import args
from command_line import SCRIPTS
from datasets.text_files import listed
from errors import UserError
from file_names import CONFIG
from reporting.run_files import read_run
from runs.found_architecture import OWN

HOME = pathlib.Path(__file__).resolve().parents[1]
PATHS = ("recommended_arch", "monitor_path", "monitor_save_path", "data_dir", "initial_weights")
# What a search and the retraining of what it found have in common: data, machine, sizes. How each trains is its own affair.
SHARED = (
    "preset", "context", "device_id", "type_config", "cpu_kernels", "cpu_precision", "cpu_threads", "processes", "seed",
    "dataset", "image_size", "coarse", "flip", "split_seed", "output_filter",
    "additional_filters_on_retrain", "num_cells", "hidden_size",
)  # fmt: skip


def script_command(script, *words):
    """Line for a shell that runs `script` (its name without .py) of this project with `words`, in the Python that runs now."""
    return shlex.join([sys.executable, str(HOME / f"{script}.py"), *map(str, words)])


def again_command(config):
    """Line for a shell that gives the command with the options `config` again, in this folder and without --restart."""
    several = ["--recommended-arch", *config.architectures] if config.architectures else []
    left_out = ("restart", "recommended_arch") if several else ("restart",)
    given = [(name, value) for name, value in config.given.items() if name not in left_out]
    words = [f"--{name.replace('_', '-')}={value}" for name, value in given] + several
    return f"cd {shlex.quote(os.getcwd())} && {script_command(_script(config.space, config.job), *words)}"


def retrain_command(config, run_folder):
    """Line for a shell that retrains what a search with the options `config` has found, out of its run directory."""
    return script_command(_script(config.space, "retrain"), *retrain_words(config, run_folder))


def retrain_words(config, run_folder):
    """The options of that retraining as a list of words: of those given to the search what concerns both or retraining alone."""
    wanted = {name: value for name, value in config.given.items() if name in SHARED or not hasattr(config, name)}
    paths = {name: getattr(config, name) for name in ("data_dir",) if getattr(config, name, None) is not None}
    wanted |= paths | {"recommended_arch": os.path.join(run_folder, OWN), "monitor_path": run_folder}
    return [f"--{name.replace('_', '-')}={_absolute(name, value)}" for name, value in wanted.items()]


def retraining_options(config):
    """The `Config` of that retraining."""
    return args.parse(config.space, args.RETRAIN, retrain_words(config, config.monitor_path))


def retraining_of(path):
    """The options (list of words) of the retraining of an architecture file that is a run's own copy; None for another file.

    That is the retraining which the search in its folder proposes, or the one that is there.
    """
    folder, name = os.path.split(os.path.abspath(path))
    if name != OWN or not os.path.exists(os.path.join(folder, CONFIG)):
        return None
    run = read_run(folder)
    script, words = f"{_script(run.space, run.kind)}.py", shlex.split(run.command)
    place = next((place for place, word in enumerate(words) if os.path.basename(word) == script), len(words))
    try:
        config = args.parse(run.space, run.kind, words[place + 1 :])
    except UserError:  # the run is of a version with other options
        return None
    return words[place + 1 :] if run.kind == args.RETRAIN else retrain_words(config, folder)


def _script(space, job):
    return f"{SCRIPTS.get(space, space)}_{job}"


def _absolute(name, value):
    if name not in PATHS or value is None:
        return value
    several = listed(value) if name == "data_dir" else []
    return ",".join(map(os.path.abspath, several)) if several else os.path.abspath(value)
