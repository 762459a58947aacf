"""What is an evening's search worth? Networks that it found on CIFAR-10, trained whole, beside others of the same cost.

    python -m experiments.evening macro --data-dir CIFAR        of two cores 20 minutes a search, 2 hours a training
    python -m experiments.evening micro --data-dir CIFAR --only ENAS-0 published-0

Two networks found by ENAS, two by chance with at least as many images judged, the published one, a plain residual network, and
the first of ENAS trained once more with another seed; all with `--preset evening`, the searched ones within its bound, the others
with filters that bring them as near to its multiply-adds as even numbers do. One run at a time, on all cores. The same command
goes on where it was stopped. What has been trained to its end is recorded in `results/evening_SPACE/`, a file for each network,
and is not trained again, also where the folder of the runs is gone.
"""

import contextlib
import json
import os
import pathlib
import time

import args
from errors import UserError, report_and_exit
from experiments import record
from experiments.commands import Command, run_all
from files import atomic_write
from reporting.comparison import final_quality
from reporting.run_files import read_run

# Filters that bring the networks that nobody searched to the cost of those that were.
FILTERS = {"macro": {"published": 16, "residual": 28}, "micro": {"published": 24, "residual": 32}}
# Chance derives so many architectures an iteration. ENAS judges 10 of them in each on 5,000 images, and its rewards look
# at 20 x 10 mini-batches of 64 in each second one, which is as much as 1.3 more in each.
DERIVED_BY_CHANCE = 12
SETTINGS = {"preset": "evening"}
# What says most comes first.
NAMES = ("ENAS-0", "published-0", "random-0", "residual-0", "ENAS-1", "random-1", "ENAS-0-again")


def main():
    """Search, train and record, one after the other."""
    options = _parse()
    folder = pathlib.Path(options.folder or f"tmp.evening_{options.space}").absolute()
    unknown = set(options.only) - set(NAMES)
    if unknown:
        raise UserError(f"--only names {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    hours = Hours(folder)
    for name in options.only or NAMES:
        if any(result["name"] == name for result in recorded(options.space, options.results)):
            print(f"{name} is recorded in {options.results}; its file deleted, it is trained anew")
            continue
        origin, commands = record.origin(), _commands(name, options, folder)
        for command in commands:
            with hours.counting(command.run.name):
                run_all([command], 1, print)
        result = origin | {"space": options.space, "measure": "accuracy", "settings": SETTINGS} | _result(name, commands, hours)
        print(record.write(f"evening_{options.space}/{name}", result, options.results))


def recorded(space, folder=record.RESULTS):
    """The results of `space` that there are, in the order of `NAMES`."""
    paths = [pathlib.Path(folder) / f"evening_{space}" / f"{name}.json" for name in NAMES]
    return [json.loads(path.read_text()) for path in paths if path.exists()]


def _parse():
    parser = args.Parser(description=__doc__.splitlines()[0])
    parser.add_argument("space", choices=tuple(FILTERS))
    parser.add_argument("--data-dir", required=True, metavar="DIR", help="CIFAR-10")
    parser.add_argument("--only", nargs="+", default=(), metavar="NAME", help="of ENAS-0, random-0 and so on, one by one (all)")
    parser.add_argument("--folder", metavar="DIR", help="for the runs (tmp.evening_SPACE)")
    parser.add_argument("--results", metavar="DIR", default=record.RESULTS, help="for the result (experiments/results)")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="of each run (one for each core)")
    return parser.parse_args()


def _commands(name, options, folder):
    """The commands, the last of which trains the network `name`; one before it searches."""
    space, (arm, number, *again) = options.space, name.split("-")
    common = SETTINGS | {
        "cpu_threads": None, "processes": options.processes, "data_dir": pathlib.Path(options.data_dir).absolute(),
    }  # fmt: skip

    def training(changes, seed=int(number), script=f"{space}_retrain"):
        keep = {"seed": seed, "model_save_interval": 10**9}
        return Command(script, folder / f"training-{name}", common | keep | changes)

    if arm in FILTERS[space]:
        changes = {"output_filter": FILTERS[space][arm], "additional_filters_on_retrain": 0}
        if arm == "residual":
            return [training(changes, script="experiments.residual")]
        return [training(changes | {"recommended_arch": f"enas-{space}"})]
    if again:
        return [training({"recommended_arch": _found_before(f"{arm}-{number}", options)}, seed=int(number) + 1)]
    found = folder / f"search-{name}.npy"
    chance = {"controller": "random", "num_derive": DERIVED_BY_CHANCE} if arm == "random" else {}
    search = common | chance | {"seed": int(number), "recommended_arch": found}
    return [Command(f"{space}_search", found.with_suffix(""), search), training({"recommended_arch": found})]


def _found_before(name, options):
    """The architecture of the network `name`, which has been recorded. Raises UserError."""
    for result in recorded(options.space, options.results):
        if result["name"] == name:
            return result["architecture"]
    raise UserError(f"{name} has not been trained yet; train it with --only {name} before it is trained again")


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


def _result(name, commands, hours):
    run, searches = read_run(commands[-1].run), [hours[command.run.name] for command in commands[:-1]]
    return {
        "name": name, "seed": run.options["seed"], "architecture": run.architecture,
        "parameters": run.evaluation["parameters"], "multiply_adds": run.evaluation["multiply_adds"],
        "search_hours": searches[0] if searches else None, "training_hours": hours[commands[-1].run.name],
        "accuracy": final_quality(run), "curve": [value for _, value in run.held_out()[1]],
    }  # fmt: skip


if __name__ == "__main__":
    report_and_exit(main, resumes=True)
