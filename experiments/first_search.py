"""Does the first search that a user runs learn? `--preset quick` against chance, judged by shared-weight accuracy.

    python -m experiments.first_search macro          25 minutes of one core
    python -m experiments.first_search micro          45

Handwritten digits, no download. Chance draws as many architectures as give it the held-out images that ENAS looks at, rewards
included. The same command goes on where it was stopped; then `python -m experiments.summary` makes the table.
"""

import os
import pathlib

import args
from errors import report_and_exit
from experiments import record
from experiments.commands import Command, run_all
from experiments.measures import derived_means
from reporting.run_files import read_run

SPACES = ("macro", "micro")
DERIVED_BY_CHANCE = 37  # architectures in an iteration: those of ENAS and its rewards, in validations
SEEDS = range(10, 20)  # the settings were chosen on seeds 0 and 1


def main():
    """Search with the controller and by chance, and record what both found."""
    options = _parse()
    folder = pathlib.Path(options.folder or f"tmp.first_{options.space}").absolute()
    origin, searches = record.origin(), _searches(options.space, options.seeds, folder)
    run_all(list(searches.values()), options.workers, print)
    runs = [_facts(arm, seed, read_run(command.run)) for (arm, seed), command in searches.items()]
    settings = {arm: command.options | {"seed": None, "recommended_arch": None} for (arm, _), command in searches.items()}
    result = origin | {"space": options.space, "measure": "accuracy", "settings": settings, "searches": runs}
    print(record.write(f"quick_{options.space}", result, options.results))


def _searches(space, seeds, folder):
    """Dict: (arm, seed) -> Command."""
    arms = {"ENAS": {}, "random": {"controller": "random", "num_derive": DERIVED_BY_CHANCE}}
    searches = {}
    for seed in seeds:
        for arm, options in arms.items():
            run = folder / f"{arm}-{seed}"
            place = {"seed": seed, "recommended_arch": str(run.with_suffix(".npy"))}
            searches[arm, seed] = Command(f"{space}_search", run, {"preset": "quick"} | options | place)
    return searches


def _facts(arm, seed, run):
    return {
        "arm": arm, "seed": seed, "best": max(row.quality for row in run.derived), "last": derived_means(run.derived)[-1],
        "entropy": [value for _, value in run.series.get("Controller-entropy", ())],
    }  # fmt: skip


def _parse():
    parser = args.Parser(description=__doc__.splitlines()[0])
    parser.add_argument("space", choices=SPACES)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS), metavar="N", help="10 to 19")
    parser.add_argument("--folder", metavar="DIR", help="for the runs (tmp.first_SPACE)")
    parser.add_argument("--results", metavar="DIR", default=record.RESULTS, help="for the result (experiments/results)")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="runs at a time, one thread each (all cores)")
    return parser.parse_args()


if __name__ == "__main__":
    report_and_exit(main, resumes=True)
