import io

import pytest
from PIL import Image

from errors import UserError
from experiments import record, summary
from experiments.figures import draw_comparison, draw_published

ORIGIN = {"date": "2026-01-02", "commit": "abc", "versions": {"nnabla": "1"}, "machine": "a machine"}


def comparison(measure="accuracy"):
    """Two seeds of ENAS and chance, two architectures each."""
    values = {"ENAS": ((0.5, 0.6), (0.7, 0.9)), "random": ((0.4, 0.5), (0.5, 0.8)), "plain random": ((0.1, 0.3), (0.3, 0.5))}
    retrained = [
        {"arm": arm, "seed": seed, "architecture": f"{arm} {seed} {number}", "shared": value / 2, "retrained": value}
        for arm, seeds in values.items() for seed, pair in enumerate(seeds) for number, value in enumerate(pair)
    ]  # fmt: skip
    derived = [[0, 0.1], [0, 0.2], [1, 0.2], [1, 0.4]]
    searches = [{"arm": arm, "seed": seed, "derived": derived} for arm in ("ENAS", "random") for seed in (0, 1)]
    return ORIGIN | {"measure": measure, "retrained": retrained, "searches": searches, "settings": settings()}


def settings(**arms):
    return {"common": {"batch_size": 5}, "retrain": {}, "cut_lines": {}, "arms": arms}


def published():
    curve = [[0, 0.2], [1, 0.5]]
    retrained = [
        {"arm": arm, "seed": seed, "retrained": 0.5 + 0.1 * seed - shift, "parameters": 1000 + seed, "held_out": curve}
        for arm, shift in (("published", 0), ("random", 0.2)) for seed in (0, 1)
    ]  # fmt: skip
    return ORIGIN | {"measure": "accuracy", "retrained": retrained}


def test_a_comparison_in_a_table():
    rows = summary.comparison_table(comparison()).splitlines()
    assert rows[2] == "| ENAS | 30.0 | 33.8 | 67.5 ± 17.1 | 90.0 | +37.5 (± 31.8) | +12.5 (± 31.8) |"
    assert rows[4] == "| plain random | - | 15.0 | 30.0 ± 16.3 | 50.0 | - | -25.0 (± 0.0) |"
    assert "random and plain random 1.00 (1.00, 1.00)" in rows[6]
    assert rows[8].startswith("<sub>2026-01-02, commit abc, seeds 0 to 1, ")


def test_the_best_perplexity_is_the_lowest():
    assert "| ENAS | 0.3 | 0.3 | 0.7 ± 0.2 | 0.5 |" in summary.comparison_table(comparison("perplexity"))


def test_published_architectures_in_a_table():
    assert "| published | 1,000 to 1,001 | 50.0, 60.0 | 55.0 ± 7.1 | +20.0 (± 0.0) |" in summary.published_table(published())


def causes():
    """One changed search for two seeds, of which nothing was retrained."""
    derived = {0: [[0, 0.1], [1, 0.5], [1, 0.7]], 1: [[0, 0.1], [1, 0.6], [1, 0.6]]}
    searches = [{"arm": "hurry", "seed": seed, "derived": rows, "entropy": [3.0, 2.0 - seed]} for seed, rows in derived.items()]
    return ORIGIN | {"measure": "accuracy", "searches": searches, "retrained": [], "settings": settings(hurry={})}


def test_what_was_changed_stands_beside_what_was_not():
    rows = summary.causes_table(causes(), comparison()).splitlines()
    assert rows[2] == "| ENAS | 30.0 | - | 0.0 (± 0.0) | - | 67.5 ± 17.1 | +37.5 (± 31.8) |"
    assert rows[4] == "| hurry | 60.0 | +30.0 (± 0.0) | +30.0 (± 0.0) | 3.00, 1.50 | - | - |"
    assert "seeds 0 to 1" in rows[6] and rows[7].startswith("ENAS and random: <sub>2026-01-02, commit abc")


def test_what_is_judged_in_another_way_is_not_subtracted():
    result = causes()
    result["settings"] = settings(hurry={"eval_batch_stats": False})
    assert summary.causes_table(result, comparison()).splitlines()[4] == "| hurry | 60.0 | - | - | 3.00, 1.50 | - | - |"


def test_searches_of_other_sizes_or_seeds_are_not_compared():
    result, base = causes(), comparison()
    result["settings"]["common"]["batch_size"] = 6
    with pytest.raises(UserError, match=r"differ in their settings \(common\)"):
        summary.causes_table(result, base)
    base["searches"] = base["searches"][::2]
    with pytest.raises(UserError, match="have the seeds"):
        summary.causes_table(causes(), base)


def test_what_was_changed_and_retrained():
    result = causes()
    result["retrained"] = [{"arm": "hurry", "seed": seed, "retrained": 0.9, "shared": 0.6} for seed in (0, 1)]
    assert summary.causes_table(result, comparison()).splitlines()[4].endswith("| 90.0 ± 0.0 | +60.0 (± 127.1) |")


def test_two_trainings_in_a_table():
    pairs = ((0.4, 0.5), (0.5, 0.6), (0.6, 0.64))
    retrained = [{"arm": "plain random", "seed": 100, "first": first, "retrained": again} for first, again in pairs]
    table = summary.again_table(ORIGIN | {"measure": "accuracy", "retrained": retrained})
    assert table.splitlines()[2] == "| 3 | 50.0 ± 10.0 | 58.0 ± 7.2 | 2.4 | 1.00 (1.00) |"


def test_a_table_goes_between_its_marks_and_needs_them():
    begin, end = "<!-- macro: made by experiments.summary -->", "<!-- end of macro -->"
    page = summary.put_in(f"a\n{begin}\nold\n{end}\nb", "macro", r"new \1")
    assert page == f"a\n{begin}\nnew \\1\n{end}\nb"
    with pytest.raises(UserError, match="has no lines"):
        summary.put_in(page, "micro", "new")


@pytest.mark.parametrize("draw, result", [(draw_comparison, comparison()), (draw_published, published())])
def test_figures_are_pictures_and_the_same_every_time(draw, result):
    files = io.BytesIO(), io.BytesIO()
    for file in files:
        draw(result, file)
    assert files[0].getvalue() == files[1].getvalue() and Image.open(files[0]).size[0] > 500


def test_the_page_shows_what_the_results_say():
    page = summary.PAGE.read_text()
    for name, table in summary.tables().items():
        assert summary.put_in(page, name, table) == page


@pytest.mark.parametrize("name", sorted(path.stem for path in record.RESULTS.glob("*.json")))
def test_every_result_tells_its_origin(name):
    result = record.read(name)
    assert len(result["commit"]) == 12
    assert {"nnabla", "numpy", "python"} <= result["versions"].keys() and result["machine"]


@pytest.mark.parametrize("name", [name for name in summary.results() if name != "first_code"])  # which compares nothing
def test_every_comparison_has_several_seeds(name):
    result = record.read(name)
    assert result["settings"]
    assert len({item["seed"] for item in result["searches" if "searches" in result else "retrained"]}) >= 3
