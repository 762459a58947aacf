import pytest

from errors import UserError
from experiments import record, summary

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
    return ORIGIN | {"measure": measure, "retrained": retrained, "searches": searches}


def published():
    curve = [[0, 0.2], [1, 0.5]]
    retrained = [
        {"arm": arm, "seed": seed, "retrained": 0.5 + 0.1 * seed - shift, "parameters": 1000 + seed, "held_out": curve}
        for arm, shift in (("published", 0), ("random", 0.2)) for seed in (0, 1)
    ]  # fmt: skip
    return ORIGIN | {"measure": "accuracy", "retrained": retrained}


def test_searches_in_a_table():
    rows = summary.searches_table({"macro": comparison(), "ptb": comparison("perplexity")}).splitlines()
    assert rows[2] == "| macro, % accuracy | ENAS | 30.0 | 67.5 ± 17.1 | +37.5 (± 31.8) | +12.5 (± 31.8) | - |"
    assert rows[3].endswith("| 55.0 ± 17.3 | +25.0 (± 0.0) | - | 1.00 (1.00, 1.00) |")
    assert rows[4] == "| macro, % accuracy | plain random | - | 30.0 ± 16.3 | - | -25.0 (± 0.0) | - |"
    assert rows[5] == "| ptb, perplexity | ENAS | 0.3 | 0.7 ± 0.2 | +0.4 (± 0.3) | +0.1 (± 0.3) | - |"
    assert rows[9].startswith("<sub>macro: 2026-01-02, commit abc, seeds 0 to 1, nnabla 1, a machine; ptb: ")


def test_published_architectures_in_a_table():
    rows = summary.published_table({"some": published()}).splitlines()
    assert rows[2] == "| some, % accuracy | published | 1,000 to 1,001 | 55.0 ± 7.1 | +20.0 (± 0.0) |"


def test_two_trainings_in_a_table():
    pairs = ((0.4, 0.5), (0.5, 0.6), (0.6, 0.64))
    retrained = [{"arm": "plain random", "seed": 100, "first": first, "retrained": again} for first, again in pairs]
    table = summary.again_table({"macro": ORIGIN | {"measure": "accuracy", "retrained": retrained}})
    assert table.splitlines()[2] == "| macro, 3, % accuracy | 50.0 ± 10.0 | 58.0 ± 7.2 | 2.4 | 1.00 (1.00) |"


def test_a_table_goes_between_its_marks_and_needs_them():
    begin, end = "<!-- macro: made by experiments.summary -->", "<!-- end of macro -->"
    page = summary.put_in(f"a\n{begin}\nold\n{end}\nb", "macro", r"new \1")
    assert page == f"a\n{begin}\nnew \\1\n{end}\nb"
    with pytest.raises(UserError, match="has no lines"):
        summary.put_in(page, "micro", "new")


def test_the_page_shows_what_the_results_say():
    page = summary.PAGE.read_text()
    for name, table in summary.tables().items():
        assert summary.put_in(page, name, table) == page


@pytest.mark.parametrize("name", sorted(str(path.relative_to(record.RESULTS))[:-5] for path in record.RESULTS.rglob("*.json")))
def test_every_result_tells_its_origin(name):
    result = record.read(name)
    assert len(result["commit"]) == 12
    assert {"nnabla", "numpy", "python"} <= result["versions"].keys() and result["machine"]


@pytest.mark.parametrize("name", [name for name in summary.results() if name != "first_code"])  # where nothing is compared
def test_every_comparison_has_several_seeds(name):
    result = record.read(name)
    assert result["settings"]
    assert len({item["seed"] for item in result["searches" if "searches" in result else "retrained"]}) >= 3
