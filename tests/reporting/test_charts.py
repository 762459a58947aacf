import re
import xml.etree.ElementTree

import pytest

from reporting.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Line, chart


def svg(text):
    return xml.etree.ElementTree.fromstring(re.search("<svg.*</svg>", text).group())


def curve(text):
    return [tuple(map(float, point.split(","))) for point in svg(text).find("polyline").get("points").split()]


def test_points_stand_where_their_numbers_are():
    text = chart("loss", [Line("training", [(0, 2.0), (5, 0.0), (10, 1.0)])], "epoch")
    points = curve(text)
    assert [x for x, _ in points] == [LEFT, (LEFT + WIDTH - RIGHT) / 2, WIDTH - RIGHT]
    high, low, middle = (y for _, y in points)
    assert TOP < high < low < HEIGHT - BOTTOM and middle == pytest.approx((high + low) / 2, abs=0.1)


def test_the_frame_gives_the_numbers_back():
    """The page's script reads numbers off the places of the points; see page.SCRIPT."""
    points = [(1, 0.91), (2, 0.955), (7, 0.93)]
    text = chart("accuracy", [Line("a", points)], "epoch")
    x0, x1, left, right, y0, y1, bottom, top = map(float, svg(text).get("data-frame").split())
    for (x, y), (place, height) in zip(points, curve(text), strict=True):
        assert x0 + (place - left) / (right - left) * (x1 - x0) == pytest.approx(x, abs=0.01)
        assert y0 + (height - bottom) / (top - bottom) * (y1 - y0) == pytest.approx(y, abs=3e-4)


def test_ticks_are_round_and_beside_their_lines():
    root = svg(chart("accuracy", [Line("a", [(0, 0.5), (100, 0.9)])], "epoch"))
    grid = root.find("g")
    heights = [float(re.search(r"M\S+ ([\d.]+)H", path.get("d")).group(1)) for path in grid.findall("path")]
    texts = [text for text in grid.findall("text") if text.get("class") == "y"]
    assert [text.text for text in texts] == ["0.5", "0.6", "0.7", "0.8", "0.9"]
    assert [float(text.get("y")) - 4 for text in texts] == pytest.approx(heights, abs=0.11)
    assert [text.text for text in grid.findall("text") if text.get("class") is None] == ["0", "20", "40", "60", "80", "100"]


def test_a_logarithmic_axis_gives_equal_ratios_equal_steps():
    points = curve(chart("perplexity", [Line("a", [(0, 1000), (1, 100), (2, 10)])], "epoch", logarithmic=True))
    first, second, third = (y for _, y in points)
    assert second - first == pytest.approx(third - second, abs=0.11)


def test_dots_bands_and_marks_are_drawn():
    line = Line("mean", [(1, 2.0), (2, 3.0)], band=((1, 1.0, 2.5), (2, 2.5, 4.0)))
    text = chart("reward", [line], "iteration", dots=[(1, 2.0), (2, 2.5)], mark=(2, 3.0, "best & <last>"))
    root = svg(text)
    assert root.find("path[@class='dots']").get("d").count("M") == 2
    assert len(root.find("polygon").get("points").split()) == 4
    assert root.find("g[@class='mark']/text").text == "best & <last>"


@pytest.mark.parametrize("value", [0.0, 0.5, -3.0, 1e-9, 1e12])
def test_a_constant_and_a_single_point_can_be_drawn(value):
    for points in ([(3, value)], [(3, value), (4, value)]):
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in curve(chart("a", [Line("a", points)], "epoch")))


def test_nothing_to_show_is_no_chart():
    assert chart("a", [Line("a", [])], "epoch") == ""
    assert chart("a", [], "epoch") == ""


def test_a_legend_stands_where_there_is_a_choice():
    one, two = Line("first", [(0, 1)]), Line("second", [(0, 2)])
    assert "<i " not in chart("a", [one], "epoch")
    assert chart("a", [one, two], "epoch").count("<i ") == 2
    assert chart("a", [one], "epoch", legend=True).count("<i ") == 1


@pytest.mark.parametrize("bad", [float("inf"), float("nan")])
def test_what_is_not_finite_is_left_out(bad):
    line = Line("a", [(0, 300.0), (1, bad), (2, 200.0)], ((0, 250.0, 350.0), (1, 200.0, bad)))
    text = chart("perplexity", [line], "iteration", dots=[(0, bad), (1, 400.0)], mark=(1, bad, "best"), logarithmic=True)
    assert len(curve(text)) == 2 and "nan" not in text and "inf" not in text.replace("info", "")
    assert chart("perplexity", [Line("a", [(0, bad)])], "iteration", logarithmic=True) == ""
