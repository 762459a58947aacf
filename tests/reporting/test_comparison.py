import json
import statistics
from urllib.parse import unquote

import pytest

from errors import UserError
from reporting.comparison import comparison, group_runs
from reporting.page import escape
from reporting.run_files import read_run
from tests.reporting.fake_runs import HEADER, retraining, search
from tests.reporting.test_charts import numbers, svg_of
from tests.reporting.test_report import Page, add_to_config, reported

RANDOM = ["--controller", "random"]


@pytest.fixture
def runs(tmp_path):
    """Three searches, two random ones; two of the first are retrained, one inside its folder, one elsewhere."""
    for seed in range(3):
        search(tmp_path / f"learned{seed}", seed=seed, level=0.6)
    for seed in range(2):
        search(tmp_path / f"random{seed}", seed=seed, options=RANDOM)
    for seed, folder, accuracy in ((0, tmp_path / "learned0" / "retrain", 0.91), (1, tmp_path / "elsewhere", 0.95)):
        text = read_run(tmp_path / f"learned{seed}").best().architecture
        retraining(folder, text, finished={"summary": [], "accuracy": accuracy})
    return tmp_path


def tick_lines(chart):
    return svg_of(chart).findall(".//g[@class='grid']/path")


def tick_texts(chart):
    return ["".join(text.itertext()) for text in svg_of(chart).iter("text")][: len(tick_lines(chart))]


def add_to_options(folder, **options):
    """To those in a config.json; None takes one away."""
    document = json.loads((folder / "config.json").read_text())
    changed = document["options"] | options
    add_to_config(folder, options={name: value for name, value in changed.items() if name not in options or value is not None})


def compared(folder, *names):
    path = folder / "comparison.html"
    path.write_text(comparison([folder / name for name in names], path))
    return Page(path)


def test_runs_that_differ_in_the_seed_alone_are_a_group(runs):
    names = ("learned0", "random1", "learned1", "random0", "learned2")
    groups = group_runs([read_run(runs / name) for name in names])
    assert [group.name for group in groups] == ["controller lstm", "controller random"]
    members = [[run.folder.name for run in group.runs] for group in groups]
    assert members == [["learned0", "learned1", "learned2"], ["random1", "random0"]]


def test_a_group_is_named_by_as_few_options_as_possible(runs):
    search(runs / "other", options=["--preset", "quick", *RANDOM])
    groups = group_runs([read_run(runs / name) for name in ("learned0", "random0", "other")])
    names = [group.name for group in groups]
    assert names == ["controller lstm, preset enas", "controller random, preset enas", "controller random, preset quick"]


def test_the_page_holds_means_and_spreads_of_groups(runs):
    page = compared(runs, "learned0", "learned1", "learned2", "random0", "random1", "elsewhere")
    found = [100 * read_run(runs / f"learned{seed}").best().quality for seed in range(3)]
    assert f"{statistics.fmean(found):.2f} % ± {statistics.stdev(found):.2f} %" in page.cells
    assert f"{max(found):.2f} %" in page.cells
    assert "93.00 % ± 2.83 %" in page.cells and "95.00 %" in page.cells  # of the two retrainings
    assert "comparison of 5 runs" in page.texts


def test_what_another_final_network_reaches_stands_alone(runs):
    text = read_run(runs / "learned0").best().architecture
    retraining(runs / "shared", text, options=["--final-network", "shared"], finished={"summary": [], "accuracy": 0.31})
    groups = group_runs([read_run(runs / name) for name in ("learned0", "elsewhere", "shared")])
    assert [[run.folder.name for run in group.retrainings] for group in groups] == [[], ["elsewhere"], ["shared"]]


def test_a_foreign_architecture_in_the_folder_of_a_search_is_not_its_own(runs):
    """Two searches wrote one architecture file; the retraining of the second's lies in the folder of the first."""
    text = read_run(runs / "random0").best().architecture
    retraining(runs / "learned2" / "retrain", text, finished={"summary": [], "accuracy": 0.4})
    names = ("learned2", "random0", "learned2/retrain")
    groups = group_runs([read_run(runs / name) for name in names])
    assert [[run.folder.name for run in group.retrainings] for group in groups] == [[], ["retrain"]]
    alone = group_runs([read_run(runs / name) for name in ("learned2", "learned2/retrain")])
    assert [len(group.retrainings) for group in alone] == [0, 1]


def test_a_curve_is_the_mean_and_its_band_goes_from_the_lowest_to_the_highest(runs):
    compared(runs, "random0", "random1")
    chart = (runs / "comparison.html").read_text()
    chart = chart[chart.index("best of the iteration, %") :]
    ticks = {float(text): numbers(line)[0][1] for text, line in zip(tick_texts(chart), tick_lines(chart), strict=True)}
    (one, place), (other, further) = list(ticks.items())[:2]
    heights = [y for _, y in numbers(svg_of(chart).find(".//g[@class='curve']/path"))]
    band = [y for _, y in dict.fromkeys(numbers(svg_of(chart).find(".//g[@class='band']/path")))]
    curves = [dict(read_run(runs / f"random{seed}").series["Validation-accuracy"]) for seed in range(2)]
    for index in range(3):
        values = [100 * curve[index] for curve in curves]
        places = heights[index], band[index], band[-1 - index]
        shown = [one + (y - place) / (further - place) * (other - one) for y in places]
        assert shown == pytest.approx([statistics.fmean(values), max(values), min(values)], abs=0.02)


def test_best_so_far_passes_over_what_the_search_refused(tmp_path):
    """The last best architecture is too large, and so is all of the first iteration."""
    search(tmp_path / "run", options=["--max-parameters", "100"])
    rows = ["1,0.7,101,1,no,0", "2,0.5,100,1,yes,1", "3,0.9,101,1,no,2", "3,0.4,99,1,no,3"]
    (tmp_path / "run" / "architectures.csv").write_text("\n".join([",".join(HEADER), *rows, ""]))
    compared(tmp_path, "run")
    figure = next(part for part in (tmp_path / "comparison.html").read_text().split("<figure")[1:] if "best so far" in part)
    (_, before), (_, after) = numbers(svg_of(figure).find(".//g[@class='curve']/path"))
    assert before == after


def test_one_run_and_one_retraining_alone_can_be_shown(runs):
    assert "comparison of 1 run" in compared(runs, "random0").texts
    page = compared(runs, "elsewhere")
    assert "macro retrain" in page.cells and "95.00 %" in page.cells


def test_links_lead_from_the_page_to_the_reports(runs):
    (runs / "learned0" / "report.html").write_text("")
    page = compared(runs, "learned0")
    assert page.links == ["learned0/report.html", "learned0/retrain/report.html"]


def test_links_lead_to_folders_whose_names_are_not_those_of_addresses(tmp_path):
    name = "a b?c%20#3:"
    text = search(tmp_path / name, finished={"summary": []})[-1][5]
    retraining(tmp_path / name / "m#3", text)
    page = compared(tmp_path, name)
    assert [unquote(address) for address in page.links] == [f"{name}/report.html"]
    assert not set("?#: ") & set(page.links[0]) and str(tmp_path / name) in page.texts
    (address, _) = reported(tmp_path / name).links[:2]
    assert address == "m%233/report.html"
    assert reported(tmp_path / name / "m#3").links == ["../report.html"]


IMAGE = "<img src=x onerror=alert(1)>"


@pytest.mark.parametrize("name", ["seed", "max_search_iter", "dataset"])
def test_a_foreign_config_adds_nothing_to_pages(tmp_path, name):
    search(tmp_path / "run")
    add_to_options(tmp_path / "run", **{name: IMAGE})
    compared(tmp_path, "run")
    reported(tmp_path / "run")
    for page in ("comparison.html", "run/report.html"):
        assert "<img" not in (tmp_path / page).read_text() and escape(IMAGE) in (tmp_path / page).read_text()


def test_a_foreign_table_adds_nothing_to_a_page(tmp_path):
    rows = search(tmp_path / "run")
    table = tmp_path / "run" / "architectures.csv"
    table.write_text(f"{table.read_text()}3,0.1,1,1,no,{IMAGE}\n")
    compared(tmp_path, "run")
    page = reported(tmp_path / "run")
    assert IMAGE in page.cells and len(rows) < len(page.cells)
    assert "<img" not in (tmp_path / "run" / "report.html").read_text()


def test_a_config_without_some_options(tmp_path):
    search(tmp_path / "run")
    add_to_options(tmp_path / "run", seed=None)
    compared(tmp_path, "run")
    add_to_options(tmp_path / "run", max_search_iter=None)
    with pytest.raises(UserError, match="config.json lacks the option max_search_iter"):
        compared(tmp_path, "run")
    retraining(tmp_path / "retraining", "0 0 1 0 1 1")
    add_to_options(tmp_path / "retraining", architecture=None)
    with pytest.raises(UserError, match="lacks the option architecture"):
        compared(tmp_path, "retraining")


def with_data(folder, name, sha256, seed=0):
    search(folder, options=["--dataset", "folder", "--data-dir", name, "--seed", str(seed)])
    add_to_config(folder, data={"dataset": "folder", "sha256": sha256})


def test_the_same_data_under_two_names_are_one_data_set(tmp_path):
    for seed, name in enumerate(("mine", "/elsewhere/theirs")):
        with_data(tmp_path / str(seed), name, "5" * 64, seed)
    (group,) = group_runs([read_run(tmp_path / str(seed)) for seed in range(2)])
    assert len(group.searches) == 2 and group.options["dataset"] == "folder in mine"


def test_different_data_of_one_name_are_two_data_sets(tmp_path):
    for seed in range(3):
        with_data(tmp_path / str(seed), "mine", str(seed // 2) * 64, seed)
    groups = group_runs([read_run(tmp_path / str(seed)) for seed in range(3)])
    assert [len(group.searches) for group in groups] == [2, 1]
    names = [f"folder in mine (SHA-256 {12 * mark})" for mark in "01"]
    assert [group.options["dataset"] for group in groups] == names and len({group.name for group in groups}) == 2
    texts = compared(tmp_path, "0", "1", "2").texts
    assert all(f"data set {name}" in texts for name in names)


def test_data_of_earlier_versions_are_told_apart_by_where_they_lay(tmp_path):
    homes = ("/home/a b", "/home/c", "/home/c/d/..")
    for seed, home in enumerate(homes):
        search(tmp_path / str(seed), options=["--dataset", "folder", "--data-dir", "mine", "--seed", str(seed)])
        add_to_config(tmp_path / str(seed), command=f"cd '{home}' && python macro_search.py")
    groups = group_runs([read_run(tmp_path / str(seed)) for seed in range(3)])
    names = [("folder in mine (/home/a b/mine)", 1), ("folder in mine (/home/c/mine)", 2)]
    assert [(group.options["dataset"], len(group.searches)) for group in groups] == names


def test_runs_with_different_measures_are_refused(runs):
    search(runs / "words", "recurrent")
    with pytest.raises(UserError, match="perplexity"):
        compared(runs, "learned0", "words")


def test_different_data_sets_have_charts_of_their_own(runs):
    search(runs / "digits", options=["--dataset", "digits"])
    page = compared(runs, "learned0", "learned1", "digits")
    assert page.texts.count("accuracy: best so far, %") == 2
    assert "data set cifar10" in page.texts and "data set digits" in page.texts
    source = (runs / "comparison.html").read_text()
    charts = [part.split("</figure>")[0] for part in source.split("<figure")[1:]]
    assert [chart.count('class="curve"') for chart in charts if "accuracy: best so far, %" in chart] == [1, 1]
    assert "data set cifar10" not in compared(runs, "learned0", "learned1", "random0").texts


def test_texts_in_different_folders_are_different_data_sets(runs):
    for name in ("a", "b", "b again"):
        search(runs / name, "recurrent", options=["--data-dir", name[0]], seed=len(name))
    page = compared(runs, "a", "b", "b again")
    assert "data set ptb in a" in page.texts and "data set ptb in b" in page.texts
    assert [len(group.runs) for group in group_runs([read_run(runs / name) for name in ("a", "b", "b again")])] == [1, 2]
