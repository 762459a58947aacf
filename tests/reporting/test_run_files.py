import json
import re

import pytest

from errors import UserError
from reporting.comparison import comparison
from reporting.run_files import read_run
from tests.reporting.fake_runs import HEADER, retraining, search


def test_a_search_is_read_as_it_was_written(tmp_path):
    rows = search(tmp_path / "run", seed=4)
    run = read_run(tmp_path / "run")
    assert (run.space, run.kind, run.measure, run.done, run.rounds) == ("macro", "search", "accuracy", 3, 310)
    assert [(row.iteration, f"{row.quality:.6g}", row.architecture) for row in run.derived] == [(r[0], r[1], r[5]) for r in rows]
    assert [index for index, _ in run.series["Validation-accuracy"]] == [0, 1, 2]
    assert run.options["seed"] == 4
    assert run.best().architecture == [row[5] for row in rows if row[4] == "yes"][-1]


def test_the_ranking_of_perplexities_begins_with_the_lowest(tmp_path):
    search(tmp_path / "run", "recurrent")
    qualities = [row.quality for row in read_run(tmp_path / "run").ranking()]
    assert qualities == sorted(qualities)


def test_an_architecture_that_was_derived_twice_counts_with_its_best(tmp_path):
    search(tmp_path / "run")
    table = tmp_path / "run" / "architectures.csv"
    lines = table.read_text().splitlines()
    text = lines[1].rpartition(",")[2]
    table.write_text("\n".join([*lines, f"3,0.999,1,1,no,{text}", f"3,0.001,1,1,no,{text}", ""]))
    ranking = read_run(tmp_path / "run").ranking()
    assert ranking[0].quality == 0.999 and [row.architecture for row in ranking].count(text) == 1


def test_lines_that_are_cut_or_not_finite_are_passed_over(tmp_path):
    search(tmp_path / "run", iterations=2)
    path = tmp_path / "run" / "Training-loss.series.txt"
    path.write_text("0 1.5\n1 nan\n2 inf\n3 0.5\n4 0.")
    assert read_run(tmp_path / "run").series["Training-loss"] == [(0, 1.5), (3, 0.5)]


def test_a_retraining_tells_what_it_is_measured_on(tmp_path):
    retraining(tmp_path / "image", "0 0 1 0 1 1")
    retraining(tmp_path / "text", "0 0", "recurrent")
    assert read_run(tmp_path / "image").held_out()[0] == "Test accuracy"
    assert read_run(tmp_path / "text").held_out()[0] == "Validation perplexity"
    assert read_run(tmp_path / "image").done == 3


@pytest.mark.parametrize("config", ["", "{", "[]", "{}", '{"job": 3}', '{"job": "macro_search", "options": 5, "finished": null}'])
def test_what_is_no_run_is_refused_in_one_line(tmp_path, config):
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(UserError, match="monitor-path"):
        read_run(tmp_path)


def test_a_missing_folder_and_a_damaged_table_are_refused(tmp_path):
    with pytest.raises(UserError, match="no run in"):
        read_run(tmp_path / "nothing")
    search(tmp_path / "run")
    (tmp_path / "run" / "architectures.csv").write_text("iteration,accuracy\nx,y\n")
    with pytest.raises(UserError, match="not those of a run"):
        read_run(tmp_path / "run")
    retraining(tmp_path / "retrain", "0 0 1 0 1 1", evaluation={"parameters": 1})
    (tmp_path / "retrain" / "evaluation.json").write_text(json.dumps({"parameters": 1})[:-1])
    with pytest.raises(UserError, match="damaged"):
        read_run(tmp_path / "retrain")


@pytest.mark.parametrize("space", ["macro", "recurrent"])
def test_a_table_that_was_cut_off_anywhere_shows_its_complete_lines(tmp_path, space):
    search(tmp_path / "run", space, iterations=1, derived=2)
    table = tmp_path / "run" / "architectures.csv"
    whole = table.read_bytes()
    rows = read_run(tmp_path / "run").derived
    header, first, second = (match.end() for match in re.finditer(b"\n", whole))
    for end in (0, 6, header - 1, header, header + 1, first - 4, first - 1, first, second - 9, second - 1):
        table.write_bytes(whole[:end])
        assert read_run(tmp_path / "run").derived == rows[: int(end >= first)], end


def test_a_run_with_a_table_cut_off_in_its_first_line_can_be_compared(tmp_path):
    search(tmp_path / "run")
    (tmp_path / "run" / "architectures.csv").write_text("iterat")
    assert "comparison of 1 run" in comparison([tmp_path / "run"], tmp_path / "page.html")


def test_what_the_search_refused_is_in_no_ranking(tmp_path):
    search(tmp_path / "run", options=["--max-parameters", "100", "--max-macs", "1000"])
    rows = ["1,0.9,101,1000,no,0", "1,0.5,100,1000,yes,1", "2,0.8,100,1001,no,2", "2,0.4,99,999,no,3"]
    (tmp_path / "run" / "architectures.csv").write_text("\n".join([",".join(HEADER), *rows, ""]))
    run = read_run(tmp_path / "run")
    assert [row.quality for row in run.ranking()] == [0.5, 0.4] and run.ranking()[0] == run.best()
    assert len(run.derived) == 4
