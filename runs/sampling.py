"""--sampling-only: architectures drawn from the controller of a finished search, into files of their own."""

import itertools
import os
from types import SimpleNamespace

import args
from errors import UserError
from file_names import CONTROLLER
from models.example_controller import ExampleController, is_example
from models.parameters import ParameterScope, load_parameters
from moot_options import SAMPLED, SAMPLING
from runs.device import choose_context
from runs.run_config import read_options, run_folder
from search_spaces.files import save_architecture
from search_spaces.operations import names_of
from training.randomness import generator


def searched_options(config):
    """`config` with the options of the search in --monitor-path, or in its folder `search`.

    Raises UserError when there is none, or when the command asks for another controller than the search had. Where there is the
    controller of NNabla's example and no search of ours, the options are the example's.
    """
    if is_example(_parameters(config)):
        return _options_of_the_example(config)
    found = read_options(config.monitor_path, f"{config.space}_search")
    try:
        revised = args.revised(config, {name: value for name, value in found.items() if name not in SAMPLING})
    except UserError as error:
        raise UserError(f"the options of the search in {config.monitor_path} are damaged: {error}; search again") from error
    for name in SAMPLED:
        searched = getattr(revised, "lstm_size" if name == "state_size" else name, None)
        if name in config.given and config.given[name] != searched:
            asked = f"--{name.replace('_', '-')} is {config.given[name]}"
            raise UserError(f"{asked}, but the search in {config.monitor_path} had {searched}; leave the option out")
    return revised


def _options_of_the_example(config):
    """Its preset and what the command says; the controller's sizes are those of its file."""
    found = ExampleController(_parameters(config), len(names_of(config.space)))
    sizes = {"lstm_size": found.lstm_size, "lstm_layers": found.lstm_layers, "num_ops": found.num_ops}
    for name, size in sizes.items():
        if config.given.get(name, size) != size:
            asked = f"--{name.replace('_', '-')} is {config.given[name]}"
            raise UserError(f"{asked}, but {_parameters(config)} has {size}; leave the option out")
    example = args.parse(config.space, args.SEARCH, ["--preset", "nnabla-example"])
    values = example.options() | sizes | {name: value for name, value in config.given.items() if hasattr(example, name)}
    revised = args.revised(config, values)
    if len(revised.operations) != found.num_ops:
        asked = f"--ops names {len(revised.operations)} operations"
        raise UserError(f"{asked}, but the controller in {_parameters(config)} chooses among {found.num_ops}; name as many")
    return revised


def _parameters(config):
    return run_folder(config.monitor_path, f"{config.space}_search") / CONTROLLER


def sample(space, config, first=0):
    """List of --num-sampling architectures drawn from the controller of a finished search, number `first` and those after it.

    Number k is drawn from (seed, k). `config` is what `searched_options` gives. Needs no data set. Raises UserError where there
    is no controller.
    """
    path = _parameters(config)
    if not path.exists():
        raise UserError(f"no {path} to sample from; give the --monitor-path of a search with --controller lstm")
    choose_context("cpu", config.device_id, "float", print)
    controller = _controller(path, space, config)
    noise = controller.draw_noise(lambda row: generator(config.seed, "sampling", first + row), config.num_sampling)
    return controller.sample(noise).architectures


def sample_to_files(space, config):
    """`sample` into files; returns the exit status.

    The numbers go on after those whose file is in this folder already, so that another call gives other architectures and none
    is lost.
    """
    print(*config.notes, sep="\n", end="\n" * bool(config.notes))
    first = next(number for number in itertools.count() if not os.path.lexists(_name(config, number)))
    for number, architecture in enumerate(sample(space, config, first), first):
        if os.path.lexists(_name(config, number)):
            raise UserError(f"{_name(config, number)} exists already; move it, or sample in another folder")
        save_architecture(_name(config, number), architecture)
        print(f"{_name(config, number)}: {' '.join(map(str, architecture.to_numbers().ravel()))}")
    return 0


def _controller(path, space, config):
    """The controller with the parameters in the file `path`."""
    if not is_example(path):
        controller = space.make_controller(config, ParameterScope(config.seed))
        load_parameters(path, controller.parameters())
        return controller
    example = ExampleController(path, config.num_ops)
    options = SimpleNamespace(**vars(config), operations=config.operations, biased=True)
    controller = space.make_controller(options, ParameterScope(config.seed))
    missing = example.fill(controller.parameters())
    print(f"{path} is from NNabla's example, which never saved its start vectors: drawing them from --seed")
    if "embedding" in missing:
        print("it lacks the operation embeddings too, so samples are hardly better than chance")
    return controller


def _name(config, number):
    return f"sampled_{config.space}_arch_{number}.npy"
