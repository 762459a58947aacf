"""Does the search beat chance? Searches that differ in how they choose, at the same budget, and what they find retrained.

    python -m experiments.search_or_chance macro --data-dir DIR          about 50 minutes of one core
    python -m experiments.search_or_chance micro --data-dir DIR          about 55
    python -m experiments.search_or_chance recurrent --data-dir DIR      about 30

    python -m experiments.search_or_chance SPACE_long --data-dir DIR     a longer search, 60 to 75
    python -m experiments.search_or_chance SPACE_causes --data-dir DIR   ENAS with changes, 20 to 30

The arms: ENAS; architectures drawn by chance, judged with weights that they share. Of each search the five best derived
architectures are retrained, and five that chance drew first, however bad: "plain random". Of the changed ones (settings.py)
some are.
DIR holds CIFAR-10, or the text files of the Penn Treebank. The same command goes on where it was stopped. Then
`python -m experiments.summary` makes the tables.
"""

import hashlib
import os
import pathlib
import re

import args
from datasets.penn_treebank import cut_text
from errors import UserError, report_and_exit
from experiments import record
from experiments.commands import Command, run_all
from experiments.measures import PLAIN
from experiments.settings import COMPARISONS, PICKED, SEEDS
from reporting.comparison import final_quality
from reporting.run_files import read_run
from search_spaces.files import parse, save_architecture


def main():
    """Search with the controller and by chance, retrain what was found, and record it."""
    options = parse_options(__doc__, COMPARISONS)
    comparison, folder = COMPARISONS[options.name], pathlib.Path(options.folder or f"tmp.{options.name}_experiment").absolute()
    origin, data = record.origin(), prepare_data(options.data_dir, comparison.cut_lines, folder)
    searches = _searches(comparison, options.seeds, folder, data)
    run_all(list(searches.values()), options.workers, print)
    runs = {key: read_run(command.run) for key, command in searches.items()}
    picks = pick(runs, comparison)
    retrainings = _retrainings(comparison, picks, folder, data)
    run_all(list(retrainings.values()), options.workers, print)
    qualities = {key: final_quality(read_run(command.run)) for key, command in retrainings.items()}
    print(record.write(options.name, _result(origin, comparison, runs, picks, qualities), options.results))


def parse_options(text, names=(), seeds=True):
    """The command line of a script whose experiments have these names, if it has several; `seeds`: it may be told how many."""
    parser = args.Parser(description=text.splitlines()[0])
    if names:
        parser.add_argument("name", choices=tuple(names))
    parser.add_argument("--data-dir", required=True, metavar="DIR", help="CIFAR-10, or ptb.{train,valid,test}.txt, plain or .xz")
    parser.add_argument("--folder", metavar="DIR", help="for the runs (tmp.* by the name)")
    parser.add_argument("--results", metavar="DIR", default=record.RESULTS, help="for the result (experiments/results)")
    if seeds:
        parser.add_argument("--seeds", type=int, default=SEEDS, help="how many (%(default)s)")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="runs at a time, one thread each (all cores)")
    options = parser.parse_args()
    if options.workers < 1 or seeds and options.seeds < 1:
        raise UserError("--workers and --seeds must be at least 1")
    return options


def prepare_data(data_dir, cut_lines, folder):
    """Absolute path of the data; a text is cut to its first lines first, in `folder`."""
    if not cut_lines:
        return pathlib.Path(data_dir).absolute()
    return cut_text(data_dir, cut_lines, folder / "text")


def _searches(comparison, seeds, folder, data):
    """Dict: (arm, seed) -> Command."""
    searches = {}
    for seed in range(comparison.first_seed, comparison.first_seed + seeds):
        for arm, options in comparison.arms.items():
            run = folder / f"{re.sub('[^A-Za-z0-9]+', '-', arm)}-{seed}"
            place = {"seed": seed, "data_dir": data, "recommended_arch": run.with_suffix(".npy")}
            searches[arm, seed] = Command(f"{comparison.script}_search", run, comparison.common | options | place)
    return searches


def pick(runs, comparison):
    """List of dicts: arm, seed, architecture and its quality with shared weights, of what is to be retrained.

    `runs`: dict (arm, seed) -> Run. The arm of chance gives its first architectures of the last iteration as well.
    """
    picks = []
    for (arm, seed), run in runs.items():
        if comparison.retrained is not None and arm not in comparison.retrained:
            continue
        chosen = [(arm, row) for row in run.ranking()[:PICKED]]
        if arm == comparison.chance:
            last = [row for row in run.derived if row.iteration == run.derived[-1].iteration]
            chosen += [(PLAIN, row) for row in last[:PICKED]]
        picks += [
            {"arm": name, "seed": seed, "architecture": row.architecture, "shared": row.quality, "parameters": row.parameters}
            for name, row in chosen
        ]
    return picks


def _retrainings(comparison, picks, folder, data):
    """Dict: (seed, architecture) -> Command; one that several arms found is retrained once."""
    retrainings = {}
    for seed, architecture in dict.fromkeys((item["seed"], item["architecture"]) for item in picks):
        name = hashlib.sha256(architecture.encode()).hexdigest()[:10]
        run = folder / f"retrained-{seed}-{name}"
        retrainings[seed, architecture] = retraining(comparison, architecture, seed, run, data)
    return retrainings


def retraining(comparison, architecture, seed, run, data):
    """Command that retrains an architecture (the authors' string)."""
    path = run.with_suffix(".txt")
    path.parent.mkdir(parents=True, exist_ok=True)
    save_architecture(path, parse(architecture.encode(), ".txt", comparison.space))
    place = {"seed": seed, "data_dir": data, "recommended_arch": path, "model_save_interval": 10**9}
    return Command(f"{comparison.script}_retrain", run, comparison.retrain | place)


def _result(origin, comparison, runs, picks, qualities):
    searches = [
        {"arm": arm, "seed": seed, "derived": [[row.iteration - 1, row.quality] for row in run.derived],
         "entropy": [value for _, value in run.series.get("Controller-entropy", ())]}
        for (arm, seed), run in runs.items()
    ]  # fmt: skip
    retrained = [item | {"retrained": qualities[item["seed"], item["architecture"]]} for item in picks]
    measure = next(iter(runs.values())).measure
    settings = {name: vars(comparison)[name] for name in ("common", "arms", "retrain", "cut_lines")}
    return origin | {"space": comparison.space, "measure": measure, "settings": settings} | {
        "searches": searches, "retrained": retrained,
    }  # fmt: skip


if __name__ == "__main__":
    report_and_exit(main, resumes=True)
