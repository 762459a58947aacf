"""Are the published architectures better than chance? They are retrained at reduced width beside random ones of their size.

    python -m experiments.published macro --data-dir DIR          about 8 minutes of one core
    python -m experiments.published micro --data-dir DIR          about 8
    python -m experiments.published recurrent --data-dir DIR      about 20

For every seed the published architecture and a random one, drawn from that seed, whose parameters are within a tenth of its;
recurrent also a chain of tanh nodes. The same command goes on where it was stopped.
"""

import pathlib

import numpy as np

import args
from datasets import IMAGE_SOURCES, ImageOptions
from deployment.complexity import image_network_cost
from errors import report_and_exit
from experiments import record
from experiments.commands import run_all
from experiments.search_or_chance import parse_options, prepare_data, retraining
from experiments.settings import REFERENCES
from models.parameters import ParameterScope
from reporting.comparison import final_quality
from reporting.run_files import read_run
from search_spaces import macro, micro, recurrent
from spaces import SPACES

TOLERANCE = 0.1  # of the published architecture's parameters
PUBLISHED = {"macro": macro.PUBLISHED["enas"], "micro": micro.PUBLISHED["enas"], "recurrent": recurrent.PUBLISHED["enas"]}


def main():
    """Retrain the published architecture and random ones, and record what they reach."""
    options = parse_options(__doc__, REFERENCES)
    reference, folder = REFERENCES[options.name], pathlib.Path(options.folder or f"tmp.published_{options.name}").absolute()
    origin, data = record.origin(), prepare_data(options.data_dir, reference.cut_lines, folder)
    chosen = _architectures(reference, options.seeds)
    commands = {key: retraining(reference, text, key[1], folder / _name(*key), data) for key, text in chosen.items()}
    run_all(list(commands.values()), options.workers, print)
    runs = {key: read_run(command.run) for key, command in commands.items()}
    print(record.write(f"published_{options.name}", _result(origin, reference, runs), options.results))


def _name(arm, seed):
    return f"{arm.replace(' ', '-')}-{seed}"


def _architectures(reference, seeds):
    """Dict: (arm, seed) -> authors' string."""
    published = PUBLISHED[reference.space]
    texts = {"published": published.to_text(), **reference.others}
    chosen = {}
    for seed in range(seeds):
        chosen |= {(arm, seed): text for arm, text in texts.items()}
        chosen["random", seed] = random_of_size(reference, published, seed).to_text()
    return chosen


def random_of_size(reference, published, seed):
    """The first architecture drawn from `seed` that has about as many parameters as the published one."""
    space, rng = _space(published), np.random.default_rng(seed)
    if reference.space == "recurrent":
        return space.random(rng)  # all have the same number
    wanted = _parameters(reference, published)
    while True:
        architecture = space.random(rng)
        if abs(_parameters(reference, architecture) - wanted) <= TOLERANCE * wanted:
            return architecture


def _space(architecture):
    if architecture.space == "macro":
        return macro.MacroSpace(architecture.num_layers)
    return {"micro": micro.MicroSpace, "recurrent": recurrent.RecurrentSpace}[architecture.space](architecture.num_nodes)


def _parameters(reference, architecture):
    words = [f"--{name.replace('_', '-')}={value}" for name, value in reference.retrain.items()]
    options = args.parse(reference.space, args.RETRAIN, words)
    shape, num_classes = IMAGE_SOURCES[options.dataset].sizes(ImageOptions.of(options))
    network = SPACES[reference.space].final_network(options, ParameterScope(), num_classes)
    return image_network_cost(network, architecture, shape).parameters


def _result(origin, reference, runs):
    retrained = [
        {
            "arm": arm, "seed": seed, "architecture": run.options["architecture"], "retrained": final_quality(run),
            "parameters": run.evaluation["parameters"], "held_out": run.held_out()[1],
        }
        for (arm, seed), run in runs.items()
    ]  # fmt: skip
    measure = next(iter(runs.values())).measure
    settings = {"retrain": reference.retrain, "cut_lines": reference.cut_lines}
    return origin | {"space": reference.space, "measure": measure, "settings": settings, "retrained": retrained}


if __name__ == "__main__":
    report_and_exit(main, resumes=True)
