"""Line charts as inline SVG: small, sharp at any size, readable in the page by moving over them (see page.SCRIPT)."""

import dataclasses
import html
import math
from dataclasses import dataclass

COLORS = ("#1f5fa8", "#c2571a", "#2f7d3b", "#7a4aa0", "#0b7f86", "#a83275", "#8a6d00", "#555555")
WIDTH, HEIGHT = 380, 220
LEFT, RIGHT, TOP, BOTTOM = 50, 10, 10, 34


@dataclass(frozen=True)
class Line:
    """A curve: points (x, y) in order of x, and an optional band of (x, lowest, highest) around it."""

    name: str
    points: list
    band: tuple = ()
    color: str | None = None


def chart(title, lines, x_name, dots=(), mark=None, logarithmic=False, legend=False):
    """An HTML figure, or "" when there is nothing to show.

    dots: points (x, y) to show one by one. mark: (x, y, text) of a point to make much of. logarithmic: the y axis.
    legend: name a single line too. What is not finite (the perplexity of a bad architecture) is left out.
    """
    lines = [finite for line in lines if (finite := _finite(line)).points]
    dots = _finite_rows(dots)
    mark = mark if mark and math.isfinite(mark[1]) else None
    everything = [point for line in lines for point in line.points] + list(dots)
    if not everything:
        return ""
    heights = [y for _, y in everything] + [y for line in lines for _, *pair in line.band for y in pair]
    frame = _Frame([x for x, _ in everything], heights, logarithmic)
    colors = [line.color or COLORS[number % len(COLORS)] for number, line in enumerate(lines)]
    parts = [_grid(frame), _axis_name(x_name)]
    if dots:
        steps = "".join(f"M{frame.place(x, y)}h0" for x, y in dots)
        parts.append(f'<path class="dots" d="{steps}"/>')
    for line, color in zip(lines, colors, strict=True):
        parts.append(_curve(frame, line, color))
    if mark:
        parts.append(_mark(frame, *mark))
    names = "".join(
        f'<span><i style="background:{color}"></i>{html.escape(line.name)}</span>'
        for line, color in zip(lines, colors, strict=True)
        if len(lines) > 1 or dots or legend
    )
    return (
        f'<figure class="chart"><figcaption><b>{html.escape(title)}</b> <span class="legend">{names}</span></figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(title)}" {frame.attributes()}>'
        f'{"".join(parts)}</svg><output></output></figure>'
    )


def _finite(line):
    return dataclasses.replace(line, points=_finite_rows(line.points), band=tuple(_finite_rows(line.band)))


def _finite_rows(rows):
    return [row for row in rows if all(map(math.isfinite, row))]


class _Frame:
    """From numbers to places in the picture."""

    def __init__(self, xs, ys, logarithmic):
        self.logarithmic = logarithmic and min(ys) > 0
        self.x_ticks = [tick for tick in _ticks(min(xs), max(xs), 6) if tick == round(tick)]
        self.low_x, self.high_x = _wide(min(xs), max(xs))
        low, high = self._height(min(ys)), self._height(max(ys))
        room = (high - low) * 0.06
        self.low, self.high = _wide(low - room, high + room)
        self.y_ticks = self._logarithmic_ticks() if self.logarithmic else _ticks(self.low, self.high, 5)

    def x(self, value):
        return LEFT + (value - self.low_x) / (self.high_x - self.low_x) * (WIDTH - LEFT - RIGHT)

    def y(self, value):
        share = (self._height(value) - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    def place(self, x, y):
        return f"{self.x(x):.1f},{self.y(y):.1f}"

    def attributes(self):
        """What the page's script needs to get from places back to numbers."""
        numbers = (self.low_x, self.high_x, LEFT, WIDTH - RIGHT, self.low, self.high, HEIGHT - BOTTOM, TOP)
        return f'data-frame="{" ".join(f"{number:.7g}" for number in numbers)}" data-log="{int(self.logarithmic)}"'

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


def _grid(frame):
    texts = _tick_texts(frame.y_ticks)
    rows = "".join(
        f'<path d="M{LEFT} {frame.y(tick):.1f}H{WIDTH - RIGHT}"/>'
        f'<text x="{LEFT - 5}" y="{frame.y(tick) + 4:.1f}" class="y">{text}</text>'
        for tick, text in zip(frame.y_ticks, texts, strict=True)
    )
    columns = "".join(
        f'<text x="{frame.x(tick):.1f}" y="{HEIGHT - BOTTOM + 14}">{tick:g}</text>' for tick in frame.x_ticks
    )
    return f'<g class="grid">{rows}{columns}</g>'


def _tick_texts(ticks):
    """Ticks without digits that say nothing."""
    return [f"{round(tick, 10):.6g}" for tick in ticks]


def _axis_name(name):
    return f'<text class="axis" x="{WIDTH - RIGHT}" y="{HEIGHT - 4}">{html.escape(name)}</text>'


def _curve(frame, line, color):
    points = [frame.place(x, y) for x, y in line.points]
    band = ""
    if line.band:
        upper = [frame.place(x, high) for x, _, high in line.band]
        lower = [frame.place(x, low) for x, low, _ in reversed(line.band)]
        band = f'<polygon points="{" ".join(upper + lower)}" fill="{color}" opacity=".15"/>'
    curve = f'<polyline points="{" ".join(points)}" stroke="{color}" data-name="{html.escape(line.name)}"/>'
    only = f'<path d="M{points[0]}h0" stroke="{color}" class="only"/>' if len(points) == 1 else ""
    return band + curve + only


def _mark(frame, x, y, text):
    left, top = frame.x(x), frame.y(y)
    anchor, shift = ("end", -8) if left > WIDTH / 2 else ("start", 8)
    below = top < TOP + 16
    return (
        f'<g class="mark"><circle cx="{left:.1f}" cy="{top:.1f}" r="5"/>'
        f'<text x="{left + shift:.1f}" y="{top + (16 if below else -8):.1f}" style="text-anchor:{anchor}">'
        f"{html.escape(text)}</text></g>"
    )
