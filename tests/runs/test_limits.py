"""--max-parameters and --max-macs: what a search may keep."""

import csv
from types import SimpleNamespace

import pytest

from deployment.complexity import Cost
from runs import search_job
from search_spaces.files import load_architecture
from tests import toys
from training.search_record import SearchRecord


def search(folder, capsys, **changes):
    """(best, rows of the table, what was printed) of a search of the toy space: parameters are the sum of the numbers."""
    folder.mkdir()
    config = toys.configured(max_search_iter=3, num_derive=4, recommended_arch=str(folder / "arch.npy"), **changes)
    with toys.open_run(folder) as run:
        run.report = toys.ToyReport(run.path)
        best = toys.make_search(config, run, quiet=False).run()
        with open(run.path / "architectures.csv") as file:
            rows = list(csv.DictReader(file))
    return best, rows, capsys.readouterr().out


def test_the_best_of_those_that_are_small_enough_is_kept(tmp_path, capsys):
    best, rows, _ = search(tmp_path / "all", capsys)
    limit = int([row for row in rows if row["kept"] == "yes"][-1]["parameters"]) - 1  # so that the best is too large
    best, rows, _ = search(tmp_path / "some", capsys, max_parameters=limit)
    small = [row for row in rows if int(row["parameters"]) <= limit]
    assert len(rows) == 12 and 0 < len(small) < len(rows)
    expected = max(small, key=lambda row: float(row["accuracy"]))
    assert best["architecture"] == expected["architecture"]
    assert expected != max(rows, key=lambda row: float(row["accuracy"]))
    assert [row for row in rows if row["kept"] == "yes"][-1] == expected
    assert all(int(row["parameters"]) <= limit for row in rows if row["kept"] == "yes")
    assert load_architecture(tmp_path / "some" / "arch.npy").to_text() == best["architecture"]


@pytest.mark.parametrize("limit", [{"max_parameters": 0}, {"max_macs": 6}])
def test_when_nothing_is_small_enough_nothing_is_kept_and_the_search_goes_on(tmp_path, capsys, limit):
    best, rows, printed = search(tmp_path / "run", capsys, **limit)
    assert best is None and len(rows) == 12 and {row["kept"] for row in rows} == {"no"}
    assert printed.count("no derived architecture is within --max-parameters and --max-macs; none kept so far") == 3
    assert not list(tmp_path.rglob("arch.npy")) and not list(tmp_path.rglob("Validation-accuracy.series.txt"))
    (summary,) = search_job.search_summary(None, SimpleNamespace(path=tmp_path), None, None)
    assert "no derived architecture was within --max-parameters and --max-macs" in summary


def test_the_last_small_enough_one_stays_when_the_last_iteration_has_none(tmp_path, capsys):
    _, rows, _ = search(tmp_path / "all", capsys)
    least = min(rows, key=lambda row: (int(row["parameters"]), -float(row["accuracy"])))
    best, _, _ = search(tmp_path / "run", capsys, select_strategy="last", max_parameters=int(least["parameters"]))
    assert best["architecture"] == least["architecture"]


@pytest.mark.parametrize("limits, allowed", [((10, 20), [True, False, False]), ((None, None), [True, True, True])])
def test_both_limits_hold(limits, allowed):
    config = toys.configured(max_parameters=limits[0], max_macs=limits[1])
    record = SearchRecord(config, None, toys.ToyTask(), None, print)
    assert [record._allows(Cost(*cost)) for cost in ((10, 20), (11, 20), (10, 21))] == allowed
