"""A search space of one's own: an encoding, a controller, networks, options and an entry, and nothing in training/.

The cells of NAS-Bench-201 are one that the table of spaces does not know.
"""

import dataclasses
import sys

import pytest

import args
from deployment import final_cost
from errors import report_and_exit
from experiments.nas_bench_201.controller import ChainController
from experiments.nas_bench_201.network import CellNetwork
from experiments.nas_bench_201.space import Cell, CellSpace
from reporting.run_files import read_run
from runs import image_tasks
from runs.jobs import script
from search_spaces.files import load_architecture
from spaces import SPACES, Space

NAME = Cell.space


def network(options, scope, num_classes):
    return CellNetwork(scope, num_classes, options.output_filter, cells=1)


CELLS = Space(
    name=NAME, encoding=lambda options: CellSpace(), controller=ChainController, shared_network=network, final_network=network,
    tasks=image_tasks,
    final_cost=final_cost.image_network,
)  # fmt: skip
COMMON = "-c cpu --preset quick --cpu-threads 1 --train-size 64 -b 16 --output-filter 4 -m run --recommended-arch cell.json"


@pytest.fixture(autouse=True)
def options(monkeypatch):
    """The options of both image spaces, with the defaults of the micro one."""
    groups = {
        group: [_shared_with_cells(option) if {"macro", "micro"} <= set(option.spaces) else option for option in options]
        for group, options in args.OPTIONS.items()
    }
    monkeypatch.setattr(args, "OPTIONS", groups)


def _shared_with_cells(option):
    default = option.default
    if isinstance(default, dict):
        default = {_like_micro(wanted): value for wanted, value in default.items()} | default
    return dataclasses.replace(option, spaces=(*option.spaces, NAME), default=default)


def _like_micro(wanted):
    if isinstance(wanted, tuple):
        return tuple(NAME if name == "micro" else name for name in wanted)
    return NAME if wanted == "micro" else wanted


def run(job, options, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["cells.py", "--quiet", *COMMON.split(), *options.split()])
    with pytest.raises(SystemExit) as end:
        report_and_exit(script(CELLS, job))
    assert end.value.code == 0


def test_it_is_searched_and_what_was_found_is_retrained(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert NAME not in SPACES
    search = "-i 2 -e 1 -C 2 --controller-steps 2 --num-derive 2 --validation-size 100"
    run("search", search, monkeypatch)
    found, searched = load_architecture(tmp_path / "cell.json"), read_run(tmp_path / "run")
    assert isinstance(found, Cell) and searched.best().architecture == found.to_text()
    assert len(searched.derived) == 4 and (tmp_path / "run" / "controller_params.h5").exists()
    assert found.describe().splitlines()[0] in (tmp_path / "run" / "report.html").read_text()
    run("retrain", "-r 1 -f 0", monkeypatch)
    retrained = read_run(tmp_path / "run" / "retrain")
    assert retrained.options["architecture"] == found.to_text() and len(retrained.series["Test-accuracy"]) == 1
