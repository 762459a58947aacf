"""Charts for a page, drawn by matplotlib: lines, bands, dots. A pointer shows the values below it (see page.SCRIPT)."""

import dataclasses
import functools
import html
import math
from dataclasses import dataclass

from reporting import svg
from reporting.svg import DOT, FAINT, LINE, MARK, SERIES

IN_PERCENT = ", %"  # at the end of a title: values have two decimals
WIDTH, HEIGHT = 380, 220
LEFT, RIGHT, TOP, BOTTOM = 50, 12, 10, 34
MOST_STRIPS = 160  # places of a chart with values to show: nobody points at more of them
KEPT_DRAWN = 64  # charts whose data may not have changed by the next time


@dataclass(frozen=True)
class Line:
    """A curve: points (x, y) in order of x, and an optional band of (x, lowest, highest) around it."""

    name: str
    points: tuple
    band: tuple = ()
    color: str | None = None
    stepped: bool = False


def chart(
    title, lines, x_name, dots=(), dots_name="", mark=None, logarithmic=False, legend=False, least=None, level=None, whole_x=True
):  # fmt: skip
    """An HTML figure, or "" when there is nothing to show.

    dots: points (x, y) to show one by one, called `dots_name`. mark: (x, y, text) of a point to make much of. logarithmic: the y
    axis. legend: name a single line too. least: a y that the axis shows. level: (y, text) of a dashed line over the whole width.
    whole_x: only whole numbers stand at the x axis. What is not finite (the perplexity of a bad architecture) is left out.
    """
    lines = tuple(finite for line in lines if (finite := _finite(line)).points)
    dots = _finite_rows(dots)
    if not lines and not dots:
        return ""
    mark = mark if mark and math.isfinite(mark[1]) else None
    return _drawn(title, lines, x_name, dots, dots_name, mark, logarithmic, legend, least, level, whole_x)


@functools.lru_cache(KEPT_DRAWN)
def _drawn(title, lines, x_name, dots, dots_name, mark, logarithmic, legend, least, level, whole_x):
    everything = [point for line in lines for point in line.points] + list(dots)
    heights = [y for _, y in everything] + [y for line in lines for _, *pair in line.band for y in pair]
    heights += [y for y in (least, level and level[0]) if y is not None]
    in_percent = title.endswith(IN_PERCENT)
    frame = _Frame([x for x, _ in everything], heights, logarithmic, whole_x, 100 if in_percent else math.inf)
    colors = [line.color or SERIES[number % len(SERIES)] for number, line in enumerate(lines)]
    figure, axes = svg.new_figure(WIDTH, HEIGHT)
    _draw_grid(axes, frame, x_name)
    if level:
        _draw_level(axes, frame, *level)
    if dots:
        _draw_dots(axes, frame, dots)
    for line, color in zip(lines, colors, strict=True):
        _draw_line(axes, frame, line, color)
    if mark:
        _draw_mark(axes, frame, *mark)
    text = _percentage if in_percent else number
    names = _legend(lines, colors, dots_name if dots else "", legend, text)
    picture = svg.inline(figure, title, _strips(frame, lines, x_name, text))
    return (
        f'<figure class="chart"><figcaption><b>{html.escape(title)}</b> <span class="legend">{names}</span></figcaption>'
        f"{picture}<output></output></figure>"
    )


def _legend(lines, colors, dots_name, asked, text):
    """Names where there is a choice, and the last value of every line; `text` writes a value."""
    named = len(lines) > 1 or dots_name or asked
    shown = [
        f'<span><i style="background:{_css(color)}"></i>{html.escape(line.name)} <b>{text(line.points[-1][1])}</b></span>'
        if named else f"<span>last <b>{text(line.points[-1][1])}</b></span>"
        for line, color in zip(lines, colors, strict=True)
    ]  # fmt: skip
    if dots_name:
        shown.insert(0, f'<span><i class="dot"></i>{html.escape(dots_name)}</span>')
    return "".join(shown)


def _css(color):
    return f"var(--{svg.VARIABLES[color]})" if color in svg.VARIABLES else color


def number(value):
    """Four digits, those that say something."""
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def _percentage(value):
    """As `wording.percent` rounds it; the unit stands in the title."""
    return f"{value:.2f}"


def _finite(line):
    return dataclasses.replace(line, points=_finite_rows(line.points), band=_finite_rows(line.band))


def _finite_rows(rows):
    return tuple(tuple(row) for row in rows if all(map(math.isfinite, row)))


class _Frame:
    """From numbers to places in the picture; no height above `most` is named."""

    def __init__(self, xs, ys, logarithmic, whole_x, most):
        self.logarithmic = logarithmic and min(ys) > 0
        ticks = _ticks(min(xs), max(xs), 6 if whole_x else 4)
        self.x_ticks = [tick for tick in ticks if not whole_x or tick == round(tick)]
        self.low_x, self.high_x = _wide(min(xs), max(xs))
        low, high = self._height(min(ys)), self._height(max(ys))
        room = (high - low) * 0.06
        self.low, self.high = _wide(low if min(ys) == 0 else low - room, high + room)
        ticks = self._logarithmic_ticks() if self.logarithmic else _ticks(self.low, self.high, 5)
        self.y_ticks = [tick for tick in ticks if tick <= most]

    def x(self, value):
        return LEFT + (value - self.low_x) / (self.high_x - self.low_x) * (WIDTH - LEFT - RIGHT)

    def y(self, value):
        share = (self._height(value) - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    def columns(self, rows):
        """[xs, ys, ...] in the picture of rows (x, y, ...)."""
        return [list(map(self.x if not column else self.y, values)) for column, values in enumerate(zip(*rows, strict=True))]

    def _height(self, value):
        return math.log10(value) if self.logarithmic else value

    def _logarithmic_ticks(self):
        powers = range(math.floor(self.low), math.ceil(self.high) + 1)
        ticks = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
        return [tick for tick in ticks if self.low <= math.log10(tick) <= self.high]


def _wide(low, high):
    if high > low:
        return low, high
    return low - (abs(low) / 10 or 0.5), high + (abs(high) / 10 or 0.5)


def _ticks(low, high, count):
    from matplotlib.ticker import MaxNLocator  # slow to import

    low, high = _wide(low, high)
    margin = (high - low) * 1e-6
    ticks = MaxNLocator(count, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    return [float(tick) for tick in ticks if low - margin <= tick <= high + margin]


def _draw_grid(axes, frame, x_name):
    for tick in frame.y_ticks:
        axes.plot((LEFT, WIDTH - RIGHT), 2 * (frame.y(tick),), color=LINE, linewidth=1, clip_on=False, gid="grid")
        axes.text(LEFT - 6, frame.y(tick), _tick_text(tick), size=11, color=FAINT, ha="right", va="center_baseline")
    for tick in frame.x_ticks:
        axes.text(frame.x(tick), HEIGHT - BOTTOM + 14, _tick_text(tick), size=11, color=FAINT, ha="center", va="baseline")
    axes.text(WIDTH - RIGHT, HEIGHT - 3, x_name, size=11, color=FAINT, ha="right", va="baseline")


def _tick_text(tick):
    """A tick without digits that say nothing; a large count with its unit."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e4)):
        if abs(tick) >= size:
            return f"{tick / (1e3 if unit == 'k' else size):.6g} {unit}"
    return f"{round(tick, 10):.6g}"


def _draw_level(axes, frame, y, text):
    axes.plot((LEFT, WIDTH - RIGHT), 2 * (frame.y(y),), color=FAINT, linewidth=1, linestyle=(0, (4, 3)), clip_on=False)
    axes.text(WIDTH - RIGHT, frame.y(y) + 12, text, size=11, color=FAINT, ha="right", va="baseline")


def _draw_dots(axes, frame, dots):
    """All as one path of lines without a length: a tenth of the bytes that a circle for each takes."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    vertices = [(frame.x(x), frame.y(y)) for x, y in dots for _ in range(2)]
    path = Path(vertices, [Path.MOVETO, Path.LINETO] * len(dots))
    path.should_simplify = False  # it would drop lines without a length
    style = {"edgecolor": DOT, "facecolor": "none", "linewidth": 4.5, "capstyle": "round", "alpha": 0.6}
    axes.add_patch(PathPatch(path, **style, clip_on=False, gid="dots"))


def _draw_line(axes, frame, line, color):
    from matplotlib.patches import Polygon

    if line.band:
        xs, lows, highs = frame.columns(line.band)
        corners = [*zip(xs, highs, strict=True), *reversed([*zip(xs, lows, strict=True)])]
        axes.add_patch(Polygon(corners, facecolor=color, alpha=0.15, linewidth=0, clip_on=False, gid="band"))
    xs, ys = frame.columns(line.points)
    style = "steps-post" if line.stepped else "default"
    axes.plot(xs, ys, color=color, linewidth=1.7, solid_capstyle="round", drawstyle=style, clip_on=False, gid="curve")
    if len(xs) == 1:
        axes.plot(xs * 2, ys * 2, color=color, linewidth=5, solid_capstyle="round", clip_on=False)


def _draw_mark(axes, frame, x, y, text):
    from matplotlib.patches import Circle

    left, top = frame.x(x), frame.y(y)
    anchor, shift = ("right", -8) if left > WIDTH / 2 else ("left", 8)
    below = top < TOP + 16
    axes.add_patch(Circle((left, top), 5, facecolor="none", edgecolor=MARK, linewidth=2, clip_on=False))
    height = top + (17 if below else -8)
    axes.text(left + shift, height, text, size=11, weight="bold", color=MARK, ha=anchor, va="baseline", gid="mark")


def _strips(frame, lines, x_name, text):
    """Over each x a strip that says what the lines have there, to the pointer and to the page's script."""
    values = {}
    for line in lines:
        for x, y in line.points:
            values.setdefault(x, []).append(f"{line.name} {text(y)}")
    xs = sorted(values)
    xs = xs[:: math.ceil(len(xs) / MOST_STRIPS) or 1]
    edges = [LEFT - 6, *((frame.x(a) + frame.x(b)) / 2 for a, b in zip(xs, xs[1:], strict=False)), WIDTH - RIGHT + 6]
    strips = (
        f'<rect x="{left:.1f}" y="{TOP}" width="{right - left:.1f}" height="{HEIGHT - TOP - BOTTOM}">'
        f"<title>{x_name} {number(x)}: {html.escape(', '.join(values[x]))}</title></rect>"
        for x, left, right in zip(xs, edges, edges[1:], strict=False)
    )
    return f'<g class="strips">{"".join(strips)}</g>'
