import re
import statistics
import xml.etree.ElementTree

import pytest

from reporting import charts, svg
from reporting.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Line, chart
from reporting.page import STYLE


def svg_of(text):
    root = xml.etree.ElementTree.fromstring(re.search("<svg.*?</svg>", text, re.S).group())
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def numbers(path):
    """Points of the path of an element."""
    return [tuple(map(float, pair)) for pair in re.findall(r"([\d.-]+) ([\d.-]+)", path.get("d"))]


def places(path):
    """Points of the path of dots."""
    return [tuple(map(float, pair)) for pair in re.findall(r"M([\d.-]+) ([\d.-]+)h0", path.get("d"))]


def curve(text, number=0):
    return numbers(svg_of(text).findall(".//g[@class='curve']/path")[number])


def labels(text):
    """Dict of the numbers at the axes: text -> (x, y)."""
    return {"".join(t.itertext()): (float(t.get("x")), float(t.get("y"))) for t in svg_of(text).iter("text")}


def test_points_stand_where_their_numbers_are():
    points = curve(chart("loss", [Line("training", [(0, 2.0), (5, 0.5), (10, 1.25)])], "epoch"))
    assert [x for x, _ in points] == [LEFT, (LEFT + WIDTH - RIGHT) / 2, WIDTH - RIGHT]
    high, low, middle = (y for _, y in points)
    assert TOP < high < low < HEIGHT - BOTTOM and middle == pytest.approx((high + low) / 2, abs=0.1)


def test_ticks_are_round_and_beside_their_lines():
    text = chart("accuracy", [Line("a", [(0, 0.5), (100, 0.9)])], "epoch")
    lines = [numbers(path)[0][1] for path in svg_of(text).findall(".//g[@class='grid']/path")]
    shown = labels(text)
    assert list(shown) == ["0.5", "0.6", "0.7", "0.8", "0.9", "0", "20", "40", "60", "80", "100", "epoch"]
    heights = [shown[name][1] for name in ("0.5", "0.6", "0.7", "0.8", "0.9")]
    shift = statistics.fmean(y - line for y, line in zip(heights, lines, strict=True))
    assert 2 < shift < 6 and heights == pytest.approx([line + shift for line in lines], abs=0.1)  # the baseline of a text


def test_a_curve_agrees_with_the_ticks():
    text = chart("accuracy", [Line("a", [(0, 0.5), (40, 0.6), (100, 0.9)])], "epoch")
    lines = [numbers(path)[0][1] for path in svg_of(text).findall(".//g[@class='grid']/path")]
    assert [y for _, y in curve(text)] == pytest.approx([lines[0], lines[1], lines[4]], abs=0.02)


def test_a_logarithmic_axis_gives_equal_ratios_equal_steps():
    points = curve(chart("perplexity", [Line("a", [(0, 1000), (1, 100), (2, 10)])], "epoch", logarithmic=True))
    first, second, third = (y for _, y in points)
    assert second - first == pytest.approx(third - second, abs=0.11)


def test_dots_bands_and_marks_are_drawn():
    line = Line("mean", [(1, 2.0), (2, 3.0)], band=((1, 1.0, 2.5), (2, 2.5, 4.0)))
    dots, mark = [(1, 2.0), (2, 2.5)], (2, 3.0, "best & <last>")
    text = chart("reward", [line], "iteration", dots, "one of <them>", mark)
    root = svg_of(text)
    dots = places(root.find(".//g[@class='dots']/path"))
    assert len(dots) == 2 and dots[0] == curve(text)[0]
    band = dict.fromkeys(numbers(root.find(".//g[@class='band']/path")))
    (x, low), (end, high) = curve(text)
    step = low - high  # of 1
    corners = [(x, low - step / 2), (end, high - step), (end, high + step / 2), (x, low + step)]
    assert list(band) == [pytest.approx(corner, abs=0.02) for corner in corners]
    assert "".join(root.find(".//g[@class='mark']").itertext()).strip() == "best & <last>"
    assert "one of &lt;them&gt;" in text[: text.index("<svg")]


def test_no_dot_is_lost_among_many():
    dots = [(x, y) for x in range(40) for y in range(30)]
    root = svg_of(chart("a", [], "parameters", dots, "one"))
    assert len(set(places(root.find(".//g[@class='dots']/path")))) == 1200


def test_a_level_is_within_the_picture_and_named():
    text = chart("entropy", [Line("a", [(11, 2.0), (19, 1.5)])], "iteration", level=(7.0, "uniform"))
    assert {"uniform", "6", "2"} <= set(labels(text))
    assert TOP < labels(text)["uniform"][1] < labels(text)["6"][1] < curve(text)[0][1]


def test_each_place_says_its_values():
    lines = [Line("a <b>", [(1, 2.0), (2, 3.0)]), Line("c", [(2, 0.123456)])]
    titles = [title.text for title in svg_of(chart("loss", lines, "epoch")).iter("title")]
    assert titles == ["epoch 1: a <b> 2", "epoch 2: a <b> 3, c 0.1235"]


def test_strips_cover_the_width_and_are_not_too_many():
    root = svg_of(chart("loss", [Line("a", [(x, x) for x in range(1000)])], "epoch"))
    strips = root.findall(".//g[@class='strips']/rect")
    ends = [(float(strip.get("x")), float(strip.get("width"))) for strip in strips]
    assert 100 < len(strips) <= 160
    assert all(x + width == pytest.approx(after, abs=0.11) for (x, width), (after, _) in zip(ends, ends[1:], strict=False))
    assert ends[0][0] < LEFT and sum(ends[-1]) > WIDTH - RIGHT


@pytest.mark.parametrize("value", [0.0, 0.5, -3.0, 1e-9, 1e12])
def test_a_constant_and_a_single_point_can_be_drawn(value):
    for points in ([(3, value)], [(3, value), (4, value)]):
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in curve(chart("a", [Line("a", points)], "epoch")))


def test_no_axis_goes_beyond_all():
    """One that names 110 % makes a reader wonder."""
    named = [float(text) for text in labels(chart("accuracy, %", [Line("a", [(1, 100.0), (2, 100.0)])], "")) if text]
    assert 100 in named and max(named) == 100


def test_nothing_to_show_is_no_chart():
    assert chart("a", [Line("a", [])], "epoch") == ""
    assert chart("a", [], "epoch") == ""


def test_a_legend_stands_where_there_is_a_choice_and_last_values_everywhere():
    one, two = Line("first", [(0, 9), (1, 1.25)]), Line("second", [(0, 2)])
    assert "<i " not in chart("a", [one], "epoch") and "last <b>1.25</b>" in chart("a", [one], "epoch")
    both = chart("a", [one, two], "epoch")
    assert both.count("<i ") == 2 and "first <b>1.25</b>" in both and "second <b>2</b>" in both
    assert chart("a", [one], "epoch", legend=True).count("<i ") == 1


def test_percentages_have_two_decimals_everywhere():
    page = chart("accuracy, %", [Line("first", [(0, 9), (1, 41.6)])], "epoch")
    assert "last <b>41.60</b>" in page and "first 41.60<" in page and "first 9.00<" in page


@pytest.mark.parametrize("bad", [float("inf"), float("nan")])
def test_what_is_not_finite_is_left_out(bad):
    line = Line("a", [(0, 300.0), (1, bad), (2, 200.0)], ((0, 250.0, 350.0), (1, 200.0, bad)))
    text = chart("perplexity", [line], "iteration", dots=[(0, bad), (1, 400.0)], mark=(1, bad, "best"), logarithmic=True)
    assert len(curve(text)) == 2 and "nan" not in text and "inf" not in text
    assert chart("perplexity", [Line("a", [(0, bad)])], "iteration", logarithmic=True) == ""


def test_the_same_chart_is_the_same_text_and_one_page_can_hold_many():
    lines = [Line("a", [(0, 1.0), (1, 2.0)], ((0, 0.5, 1.5), (1, 1.0, 2.5)))]
    first = chart("loss", lines, "epoch", dots=[(0, 1)], mark=(1, 2.0, "kept"))
    charts._drawn.cache_clear()
    assert chart("loss", lines, "epoch", dots=[(0, 1)], mark=(1, 2.0, "kept")) == first
    assert " id=" not in first and "url(#" not in first and "<style" not in first


def test_colours_are_those_of_the_page():
    """A colour that stays a number would be the same in light and dark."""
    lines = [Line("a", [(0, 1.0)]), Line("b", [(0, 2.0)])]
    text = chart("loss", lines, "epoch", dots=[(0, 1)], mark=(0, 2.0, "kept"), level=(3, "l"))
    assert re.findall("#[0-9a-f]{3,6}", text) == []
    used = set(re.findall(r"var\((--[a-z0-9]+)\)", text))
    light, dark = (set(re.findall(r"(--[a-z0-9]+):", part)) for part in STYLE.split("@media")[:2])
    assert used <= light == dark
    assert len(set(svg.VARIABLES.values())) == len(svg.VARIABLES)
