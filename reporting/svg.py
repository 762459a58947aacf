"""Figures of matplotlib as SVG inside a page: small, the same bytes each time, in the page's font and colours, light or dark."""

import html
import io
import re

import numpy as np

# Colours in a figure, and the page's variables that take their place (see page.STYLE).
INK, FAINT, LINE, ACCENT, MARK, DOT = "#1d2329", "#66707a", "#dde2e7", "#1f5fa9", "#c2271a", "#7f93a8"
SERIES = ("#1f5fa8", "#c2571a", "#2f7d3b", "#7a4aa0", "#0b7f86", "#a83275", "#8a6d00", "#555555")
VARIABLES = {INK: "ink", FAINT: "faint", LINE: "line", ACCENT: "accent", MARK: "mark", DOT: "dot"}
VARIABLES |= {color: f"c{number}" for number, color in enumerate(SERIES)}

HEAT = (0.20, 0.52, 0.86)  # of the cells of a picture, on light paper as on dark

_UNWANTED = re.compile(r"<metadata>.*?</metadata>|<!--.*?-->|<style.*?</style>|<g/>| transform=\"rotate\(-0 [^\"]*\"", re.S)
_BLANKS = re.compile(r"\s*\n\s*")
_FONT = re.compile(r"font: (?:(\d+|bold) )?([\d.]+px)[^;\"]*")
_NUMBER = re.compile(r"(\d\.\d\d)\d+")


def new_figure(width, height):
    """(figure, axes) of matplotlib: a transparent picture of a size in points, y downwards, without an axis drawn."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG  # takes most of a second, and few runs of a script draw
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / 72, height / 72), dpi=72)
    FigureCanvasSVG(figure)
    figure.patch.set_visible(False)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    return figure, axes


def whole(figure, **more):
    """The figure as the text of an SVG file."""
    import matplotlib

    stream = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "enas", "font.family": "DejaVu Sans"}):
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None}, **more)
    return stream.getvalue().decode()


def inline(figure, label, extra="", attributes=""):
    """The figure as an <svg> element; `label` says what it shows, `extra` is SVG text on top of it.

    Parts with a gid "a b" become groups of the classes a and b. There are no identifiers, so that figures on a page do not mix.
    """
    text = whole(figure)
    text = _BLANKS.sub(" ", _UNWANTED.sub("", text[text.index("<svg") :]))
    text = re.sub(r' id="([^"]*)"', _class, text)
    text = _FONT.sub(lambda font: f"font-size: {font[2]}" + f"; font-weight: {font[1]}" * bool(font[1]), text)
    text = re.sub(r"#[0-9a-f]{6}", lambda color: _variable(color.group()), text)
    box = re.search('viewBox="[^"]*"', text).group()
    start = f'<svg {box} role="img" aria-label="{html.escape(label)}"{attributes} xmlns:xlink="http://www.w3.org/1999/xlink">'
    content = re.sub('"[^"]*"', lambda value: _NUMBER.sub(r"\1", value.group()), text[text.index(">") + 1 :])
    content = re.sub(r"M (\S+ \S+) L \1(?= |\")", r"M\1h0", content)  # dots
    return start + content.strip().removesuffix("</svg>") + extra + "</svg>"


def _class(identifier):
    name = identifier.group(1)
    return "" if re.fullmatch(r"[a-z0-9]+_\d+", name) else f' class="{name}"'


def _variable(color):
    return f"var(--{VARIABLES[color]})" if color in VARIABLES else color


def add_heat(axes, strengths, left, top, width, height, color=HEAT):
    """A picture of cells in a rectangle of `axes`: `strengths` are rows of 0 (nothing) to 1, NaN where there is no cell.

    color: of all cells, or an array (rows, columns, 3) of 0 to 1; it lies on the page's paper, light or dark.
    """
    strengths = np.asarray(strengths, float)
    cells = np.empty((*strengths.shape, 4))
    cells[..., :3] = color
    cells[..., 3] = np.where(np.isnan(strengths), 0, 0.06 + 0.94 * np.clip(strengths, 0, 1))
    place = (left, left + width, top + height, top)
    axes.imshow(cells, extent=place, interpolation="none", aspect="auto", clip_on=False, resample=False)
