"""ENAS on NAS-Bench-201, where the true accuracy of every architecture is known.

    python -m experiments.nas_bench_201 look-ups --table TRUTH --tuning-table TUNING                   2 minutes of one core
    python -m experiments.nas_bench_201 search --table TRUTH --data-dir CIFAR                           6 to 9 minutes each
    python -m experiments.nas_bench_201 trial --tuning-table TUNING --data-dir CIFAR --changes "{'controller_start': 4}"
    python -m experiments.nas_bench_201 frozen --tuning-table TUNING --data-dir CIFAR                   10 minutes
    python -m experiments.nas_bench_201.summary                                                         tables and figure

TRUTH is a .csv or .csv.xz file with the columns ArchitectureString and CIFAR10TestAccuracy200Epochs, TUNING one with cellstr and
cifar10-val (12 epochs); docs/search.md says where both come from. The searches are made seed by seed, all arms of a seed before
the next one; each that is finished leaves a result, and the same command goes on where it was stopped. A trial is one search
with something changed, judged by TUNING; it prints what is measured and leaves no result.
"""

import argparse
import ast
import pathlib
import zlib

from datasets import ImageOptions, load_images
from errors import UserError, report_and_exit
from experiments import record
from experiments.nas_bench_201 import frozen, look_ups, search
from experiments.nas_bench_201.search import use_cpu
from experiments.nas_bench_201.settings import ARMS, COMMON, FIRST_SEED, options_of
from experiments.nas_bench_201.table import TRUTH, TUNING, read_table


def main():
    """Do the part of the experiment that the command line names."""
    options = _parse()
    {"look-ups": _look_ups, "search": _searches, "trial": _trial, "frozen": _frozen}[options.what](options)


def _truth(options):
    return read_table(_given(options.table, "--table, the true accuracies"), TRUTH)


def _tuning(options):
    return read_table(_given(options.tuning_table, "--tuning-table, the accuracies after 12 epochs"), TUNING)


def _given(path, what):
    if path is None:
        raise UserError(f"there is no {what}; give it, docs/search.md says where to get it")
    return path


def _look_ups(options):
    origin = record.origin()
    result = look_ups.compare(_tuning(options), _truth(options), range(options.seeds or 200), print)
    print(record.write("nas_bench_201_look_ups", origin | result, options.results))


def _frozen(options):
    origin, table = record.origin(), _tuning(options)
    use_cpu(print)
    result = frozen.explore(load_images(ImageOptions("cifar10", options.data_dir)), table, options.first_seed, print)
    print(record.write("nas_bench_201_frozen", origin | result, options.results))


def _searches(options):
    truth, dataset = _truth(options), load_images(ImageOptions("cifar10", options.data_dir))
    for seed in range(options.first_seed, options.first_seed + (options.seeds or 10)):
        for arm in options.arms:
            _one_search(options, arm, seed, dataset, truth)


def _trial(options):
    """One search, seed `--first-seed`, of the first arm named."""
    table, dataset = _tuning(options), load_images(ImageOptions("cifar10", options.data_dir))
    settings = options_of(options.arms[0], options.first_seed, {"cells": options.cells, **_changes(options.changes)})
    name = f"trial-{zlib.crc32(repr(sorted(settings.items())).encode()):08x}"  # the same one goes on
    result = search.run(settings, dataset, table, pathlib.Path(options.folder).absolute() / name, print)
    print("\n".join(map(str, result["iterations"])))


def _changes(text):
    """The dict that `--changes` gives. Raises UserError."""
    try:
        changes = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        changes = None
    if not isinstance(changes, dict) or changes.keys() - COMMON.keys():
        raise UserError(f"--changes {text} is no dict of settings such as {{'controller_start': 4}}; settings.py names them all")
    return changes


def _one_search(options, arm, seed, dataset, truth):
    name = f"{arm.replace(', ', '-').replace(' ', '_')}-{seed}" + (f"-{options.cells}_cells" if options.cells > 1 else "")
    if (pathlib.Path(options.results) / "nas_bench_201" / f"{name}.json").exists():
        return
    settings, origin = options_of(arm, seed, {"cells": options.cells}), record.origin()
    folder = pathlib.Path(options.folder).absolute() / name
    print(f"{arm}, seed {seed}: {folder}", flush=True)
    result = search.run(settings, dataset, truth, folder, print)
    result = origin | {"arm": arm, "seed": seed, "settings": settings} | result
    print(record.write(f"nas_bench_201/{name}", result, options.results), flush=True)


def _parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("look-ups", "search", "trial", "frozen"))
    parser.add_argument("--table", metavar="FILE", help="true accuracies")
    parser.add_argument("--tuning-table", metavar="FILE", help="accuracies after 12 epochs")
    parser.add_argument("--data-dir", metavar="DIR", help="folder of CIFAR-10")
    parser.add_argument("--arms", nargs="+", choices=tuple(ARMS), default=tuple(ARMS))
    parser.add_argument("--cells", type=int, default=1, metavar="N", help="in each stage of the network of the searches [1]")
    parser.add_argument("--changes", default="{}", metavar="DICT", help="settings of a trial that differ from its arm's")
    parser.add_argument("--seeds", type=int, metavar="N", help="how many [200 of look-ups, 10 of searches]")
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED, metavar="N", help="of the searches [%(default)s]")
    parser.add_argument("--folder", default="tmp.nas_bench_201", metavar="DIR", help="of the run directories")
    parser.add_argument("--results", default=record.RESULTS, metavar="DIR")
    return parser.parse_args()


if __name__ == "__main__":
    report_and_exit(main, resumes=True)
