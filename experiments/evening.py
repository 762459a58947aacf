"""What is an evening's search worth? Networks that it found, trained whole, beside others of the same cost.

    python -m experiments.evening macro --data-dir CIFAR        of two cores 20 minutes a search, 2 hours a training
    python -m experiments.evening micro --data-dir CIFAR --only ENAS-0 published-0
    python -m experiments.evening recurrent --data-dir PTB

Of images two networks found by ENAS, two by chance with at least as many images judged, the published one, a plain residual
network, and the first of ENAS trained once more with another seed; all with `--preset evening`, the searched ones within its
bound, the others with filters that bring them as near to its multiply-adds as even numbers do. Of cells for the Penn Treebank the
published one, a chain of tanh nodes, one found by ENAS and one by chance, all with as many nodes and units. One run at a time, on
all cores. The same command goes on where it was stopped. What has been trained to its end is recorded in
`results/evening_SPACE/`, a file for each network, and is not trained again, also where the folder of the runs is gone.
`--epochs 8` trains all with a schedule of so many epochs and records them in `results/evening_SPACE_8_epochs/`: the whole
comparison in a fourth of the time. What one of the two has found is not searched again for the other.
"""

import contextlib
import json
import os
import pathlib
import time

import args
from command_line import SCRIPTS
from errors import UserError, report_and_exit
from experiments import record
from experiments.commands import Command, run_all
from files import atomic_write
from reporting.comparison import final_quality
from reporting.run_files import read_run

TANH_CHAIN = "0 0 1 0 2 0 3 0 4 0 5 0 6 0 7 0"
# What nobody searched, with options that bring it to the cost of what was: so many filters, as many nodes.
OTHERS = {
    "macro": {"published": {"recommended_arch": "enas-macro", "output_filter": 26}, "residual": {"output_filter": 40}},
    "micro": {"published": {"recommended_arch": "enas-micro", "output_filter": 24}, "residual": {"output_filter": 32}},
    "recurrent": {"published": {"recommended_arch": "enas-rnn"}, "chain": {"recommended_arch": TANH_CHAIN}},
}
# Chance derives so many architectures an iteration. ENAS judges 10 of them in each on 5,000 images, and its rewards look
# at 20 x 10 mini-batches of 64 in each second one, which is as much as 1.3 more in each; of text on 73,760 words, and its
# rewards at 20 x 10 segments of 64 x 35 in two iterations of three, which is as much as 4.1 more in each.
DERIVED_BY_CHANCE = {"macro": 12, "micro": 12, "recurrent": 15}
SETTINGS = {"preset": "evening"}
# What says most comes first.
_IMAGES = ("ENAS-0", "published-0", "random-0", "residual-0", "ENAS-1", "random-1", "ENAS-0-again")
NAMES = {"macro": _IMAGES, "micro": _IMAGES, "recurrent": ("published-0", "ENAS-0", "chain-0", "random-0")}


def main():
    """Search, train and record, one after the other."""
    options = _parse()
    folder = pathlib.Path(options.folder or f"tmp.evening_{options.space}").absolute()
    names = NAMES[options.space]
    unknown = set(options.only) - set(names)
    if unknown:
        raise UserError(f"--only names {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    hours, kind = Hours(folder), kind_of(options.space, options.epochs)
    settings = SETTINGS | _schedule(options)
    for name in options.only or names:
        if any(result["name"] == name for result in recorded(kind, options.results)):
            print(f"{name} is recorded in {options.results}; its file deleted, it is trained anew")
            continue
        origin, commands = record.origin(), _commands(name, options, folder)
        for command in commands:
            with hours.counting(command.run.name):
                run_all([command], 1, print)
        before = _found(name, options)
        result = origin | {"space": options.space, "settings": settings}
        result |= _result(name, commands, hours, before and before["search_hours"])
        print(record.write(f"{kind}/{name}", result, options.results))


def kind_of(space, epochs=None):
    """Name of the results of `space` with the preset's epochs of retraining, or with so many."""
    return f"evening_{space}" + (f"_{epochs}_epochs" if epochs else "")


def kinds(folder=record.RESULTS):
    """The names of `kind_of` under which there are results."""
    return sorted(path.name for path in pathlib.Path(folder).glob("evening_*") if path.is_dir())


def recorded(kind, folder=record.RESULTS):
    """The results of that name that there are, in the order of `NAMES`."""
    paths = [pathlib.Path(folder) / kind / f"{name}.json" for name in NAMES[kind.split("_")[1]]]
    return [json.loads(path.read_text()) for path in paths if path.exists()]


def _parse():
    parser = args.Parser(description=__doc__.splitlines()[0])
    parser.add_argument("space", choices=tuple(OTHERS))
    parser.add_argument("--data-dir", required=True, metavar="DIR", help="CIFAR-10 or the Penn Treebank")
    parser.add_argument("--only", nargs="+", default=(), metavar="NAME", help="of ENAS-0, random-0 and so on, one by one (all)")
    parser.add_argument("--epochs", type=int, metavar="N", help="of each training (what the preset says)")
    parser.add_argument("--folder", metavar="DIR", help="for the runs (tmp.evening_SPACE)")
    parser.add_argument("--results", metavar="DIR", default=record.RESULTS, help="for the result (experiments/results)")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="of each run (one for each core)")
    return parser.parse_args()


def _schedule(options):
    """The options of `options.epochs` epochs of retraining: text's rate falls as far as the preset's, from half-time as there."""
    if not options.epochs:
        return {}
    length = {"epoch_on_retrain": options.epochs}
    if options.space not in args.TEXT:
        return length
    usual = args.parse(options.space, args.RETRAIN, [f"--preset={SETTINGS['preset']}"])
    falling = usual.epoch_on_retrain - usual.lr_decay_start
    start = options.epochs // 2
    return length | {"lr_decay_start": start, "lr_decay": round(usual.lr_decay ** (falling / (options.epochs - start)), 4)}


def _commands(name, options, folder):
    """The commands, the last of which trains the network `name`; one before it searches."""
    space, (arm, number, *again) = options.space, name.split("-")
    common = SETTINGS | {
        "cpu_threads": None, "processes": options.processes, "data_dir": pathlib.Path(options.data_dir).absolute(),
    }  # fmt: skip

    def training(changes, seed=int(number), script=f"{SCRIPTS[space]}_retrain"):
        keep = {"seed": seed, "model_save_interval": 10**9}
        place = folder / "-".join(["training", name, *([f"{options.epochs}-epochs"] if options.epochs else [])])
        return Command(script, place, common | keep | _schedule(options) | changes)

    if arm in OTHERS[space]:
        changes = OTHERS[space][arm] | ({} if space in args.TEXT else {"additional_filters_on_retrain": 0})
        return [training(changes, script="experiments.residual" if arm == "residual" else f"{SCRIPTS[space]}_retrain")]
    first = f"{arm}-{number}"
    before = _found(first, options)
    if again and not before:
        raise UserError(f"{first} has not been trained yet; train it with --only {first} before it is trained again")
    if before:
        return [training({"recommended_arch": before["architecture"]}, seed=int(number) + bool(again))]
    found = folder / f"search-{name}.npy"
    chance = {"controller": "random", "num_derive": DERIVED_BY_CHANCE[space]} if arm == "random" else {}
    search = common | chance | {"seed": int(number), "recommended_arch": found}
    return [Command(f"{SCRIPTS[space]}_search", found.with_suffix(""), search), training({"recommended_arch": found})]


def _found(name, options):
    """A result of the network `name` with this or another number of epochs, or None."""
    searched = [kind for kind in kinds(options.results) if kind.split("_")[1] == options.space]
    results = [result for kind in searched for result in recorded(kind, options.results) if result["name"] == name]
    return results[0] if results else None


class Hours:
    """How long each run has worked, in all its sittings; kept in the folder of the runs."""

    def __init__(self, folder):
        self._path = folder / "hours.json"
        self._of = json.loads(self._path.read_text()) if self._path.exists() else {}

    def __getitem__(self, run):
        return round(self._of.get(run, 0.0), 4)

    @contextlib.contextmanager
    def counting(self, run):
        """Inside, `run` works, and whatever ends that has its time counted."""
        start = time.monotonic()
        try:
            yield
        finally:
            self._of[run] = self._of.get(run, 0.0) + (time.monotonic() - start) / 3600
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(self._path, "w") as file:
                json.dump(self._of, file)


def _result(name, commands, hours, hours_before):
    """hours_before: of the search, if it has been recorded before."""
    run, searches = read_run(commands[-1].run), [hours[command.run.name] for command in commands[:-1]]
    return {
        "name": name, "seed": run.options["seed"], "architecture": run.architecture,
        "parameters": run.evaluation["parameters"], "multiply_adds": run.evaluation["multiply_adds"],
        "search_hours": searches[0] if searches else hours_before, "training_hours": hours[commands[-1].run.name],
        "measure": run.measure, run.measure: final_quality(run), "curve": [value for _, value in run.held_out()[1]],
    }  # fmt: skip


if __name__ == "__main__":
    report_and_exit(main, resumes=True)
