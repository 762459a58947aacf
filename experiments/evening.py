"""What is an evening's search worth? Networks that it found on CIFAR-10, trained whole, beside others of the same cost.

    python -m experiments.evening macro --data-dir CIFAR        of two cores 20 minutes a search, 2 hours a training
    python -m experiments.evening micro --data-dir CIFAR --only ENAS-0 published-0

Two networks found by ENAS, two by chance with at least as many images judged, the published one, a plain residual network, and
the first of ENAS trained once more with another seed; all with `--preset evening`, the searched ones within its bound, the others
with filters that bring them as near to its multiply-adds as even numbers do. One run at a time, on all cores. The same command
goes on where it was stopped; only what has been trained to its end is recorded.
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

# Filters that bring the networks that nobody searched to the cost of those that were: (published, residual).
FILTERS = {"macro": (14, 28), "micro": (24, 32)}
# Chance derives so many architectures an iteration. ENAS judges 10 of them in each on 5,000 images, and its rewards look
# at 20 x 10 mini-batches of 64 in each second one, which is as much as 1.3 more in each.
DERIVED_BY_CHANCE = 12
SETTINGS = {"preset": "evening"}


def main():
    """Search, train and record, one after the other."""
    options = _parse()
    folder = pathlib.Path(options.folder or f"tmp.evening_{options.space}").absolute()
    steps = _steps(options, folder)
    unknown = set(options.only) - set(steps)
    if unknown:
        raise UserError(f"--only names {', '.join(sorted(unknown))}; there are {', '.join(steps)}")
    origin, hours = record.origin(), Hours(folder)
    for name in options.only or steps:
        for command in steps[name]:
            with hours.counting(command.run.name):
                run_all([command], 1, print)
        print(record.write(f"evening_{options.space}", origin | _result(options.space, steps, hours), options.results))


def _parse():
    parser = args.Parser(description=__doc__.splitlines()[0])
    parser.add_argument("space", choices=tuple(FILTERS))
    parser.add_argument("--data-dir", required=True, metavar="DIR", help="CIFAR-10")
    parser.add_argument("--only", nargs="+", default=(), metavar="NAME", help="of ENAS-0, random-0 and so on, one by one (all)")
    parser.add_argument("--folder", metavar="DIR", help="for the runs (tmp.evening_SPACE)")
    parser.add_argument("--results", metavar="DIR", default=record.RESULTS, help="for the result (experiments/results)")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="of each run (one for each core)")
    return parser.parse_args()


def _steps(options, folder):
    """Dict: name -> commands, the last of which trains; one before it searches. What says most comes first."""
    space, filters = options.space, FILTERS[options.space]
    common = SETTINGS | {
        "cpu_threads": None, "processes": options.processes, "data_dir": pathlib.Path(options.data_dir).absolute(),
    }  # fmt: skip

    def searched(arm, seed, changes):
        found = folder / f"search-{arm}-{seed}.npy"
        search = Command(f"{space}_search", found.with_suffix(""), common | changes | {"seed": seed, "recommended_arch": found})
        return [search, training(f"{arm}-{seed}", seed, {"recommended_arch": found})]

    def training(name, seed, changes, script=f"{space}_retrain"):
        keep = {"seed": seed, "model_save_interval": 10**9}
        return Command(script, folder / f"training-{name}", common | keep | changes)

    chance = {"controller": "random", "num_derive": DERIVED_BY_CHANCE}
    published, residual = ({"output_filter": count, "additional_filters_on_retrain": 0} for count in filters)
    first = folder / "search-ENAS-0.npy"
    return {
        "ENAS-0": searched("ENAS", 0, {}),
        "published-0": [training("published-0", 0, published | {"recommended_arch": f"enas-{space}"})],
        "random-0": searched("random", 0, chance),
        "residual-0": [training("residual-0", 0, residual, "experiments.residual")],
        "ENAS-1": searched("ENAS", 1, {}),
        "random-1": searched("random", 1, chance),
        "ENAS-0-again": [training("ENAS-0-again", 1, {"recommended_arch": first})],
    }


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


def _result(space, steps, hours):
    trained = []
    for name, commands in steps.items():
        run = _finished(commands[-1])
        if run:
            searches = [hours[command.run.name] for command in commands[:-1]]
            trained.append({
                "name": name, "seed": run.options["seed"], "architecture": run.architecture,
                "parameters": run.evaluation["parameters"], "multiply_adds": run.evaluation["multiply_adds"],
                "search_hours": searches[0] if searches else None, "training_hours": hours[commands[-1].run.name],
                "accuracy": final_quality(run),
                "curve": [value for _, value in run.held_out()[1]],
            })  # fmt: skip
    return {"space": space, "measure": "accuracy", "settings": SETTINGS, "trained": trained}


def _finished(command):
    """The run of a command if it has come to its end."""
    with contextlib.suppress(UserError):
        run = read_run(command.run)
        return run if run.finished else None
    return None


if __name__ == "__main__":
    report_and_exit(main)
