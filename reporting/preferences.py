"""What a controller prefers, as pictures: operations over time for each layer or node, and where its inputs come from."""

import csv
import itertools
import math

import numpy as np

from file_names import PREFERENCES
from reporting import page, svg
from reporting.svg import FAINT
from search_spaces.decisions import SKIP

COLUMNS = 60  # of a picture over time; what lies between is averaged
ROW, CELL = 12.0, 14.0  # height of a row over time, side of a square of a matrix, in points
LEFT, WIDTH, FOOT = 62.0, 190.0, 16.0
LARGEST_MATRIX = 60  # rows


def preferences(run):
    """HTML: for each kind of decision pictures of how probable the controller made each option; "" where there is no record."""
    path = run.folder / PREFERENCES
    kinds = _read(path) if path.exists() else {}
    parts = [f"<h3>{page.escape(kind)}</h3>{_pictures(places)}" for kind, places in kinds.items()]
    if not parts:
        return ""
    scale = '<span class="scale"></span>'
    note = (
        f'<p><small>Marginal probability of each choice under the controller: 0 {scale} 1. One row per layer or '
        f'node. Data: <a href="{PREFERENCES}">{PREFERENCES}</a>.</small></p>'
    )
    return page.card(note, *parts)


def uniform_entropy(run):
    """What the curve of the controller's entropy would show for uniform choices, in nats; None where that is not known.

    The micro controller's entropy is that of its distributions, that of the others -p log p of what was drawn (see models).
    """
    path = run.folder / PREFERENCES
    kinds = _read(path) if path.exists() and run.space in ("macro", "micro", "recurrent") else {}
    if not kinds:
        return None
    widths = [len(options) for places in kinds.values() for options in places.values()]
    if run.space == "macro":  # of a skip connection the record has one of two options
        skips = sum(len(options) for options in kinds.get(SKIP, {}).values())
        widths = [len(options) for options in kinds["operation"].values()] + [2] * skips
    return sum(math.log(width) / (1 if run.space == "micro" else width) for width in widths)


def _read(path):
    """Dict: kind -> place -> option -> array (iterations,) of probabilities, of the complete lines."""
    with open(path, newline="") as file:
        header, *rows = list(csv.reader(line for line in file if line.endswith("\n"))) or [[]]
    values = np.array(rows, float)
    kinds = {}
    for column, name in enumerate(header[1:], 1):
        kind, place, option = name.split(" / ")
        if len(values):
            kinds.setdefault(kind, {}).setdefault(place, {})[option] = values[:, column]
    return kinds


def _pictures(places):
    """Over time where all places have the same options, else matrices of places and options at three times."""
    if len({tuple(options) for options in places.values()}) == 1:
        options = list(next(iter(places.values())))
        return _side_by_side(_over_time(places, option) for option in options)
    count = len(next(iter(next(iter(places.values())).values())))
    moments = sorted({0, (count - 1) // 2, count - 1})
    return _side_by_side(_matrix(places, moment) for moment in moments if len(places) <= LARGEST_MATRIX)


def _side_by_side(pictures):
    return f'<div class="panels">{"".join(pictures)}</div>'


def _panel(title, picture):
    return f'<figure class="panel"><figcaption>{page.escape(title)}</figcaption>{picture}</figure>'


# ---- over time ------------------------------------------------------------------------------------------------------


def _over_time(places, option):
    """A row for each place, iterations from left to right."""
    values = np.array([options[option] for options in places.values()])
    height = ROW * len(places)
    figure, axes = svg.new_figure(WIDTH, height + FOOT)
    svg.add_heat(axes, _binned(values), LEFT, 0, WIDTH - LEFT, height)
    _name_rows(axes, places, ROW)
    count = values.shape[1]
    axes.text(LEFT, height + FOOT - 4, "1", size=9, color=FAINT, ha="left", va="baseline")
    axes.text(WIDTH, height + FOOT - 4, f"iteration {count}", size=9, color=FAINT, ha="right", va="baseline")
    titles = (
        _title(0, ROW * number, WIDTH, ROW, f"{place}: {option} {row[-1]:.0%}, in iteration 1 {row[0]:.0%}")
        for number, (place, row) in enumerate(zip(places, values, strict=True))
    )
    return _panel(option, svg.inline(figure, option, f'<g class="strips">{"".join(titles)}</g>'))


def _binned(values):
    """Means over neighbouring iterations, so that at most `COLUMNS` are left; values (rows, iterations)."""
    count = values.shape[1]
    edges = np.linspace(0, count, min(count, COLUMNS) + 1).round().astype(int)
    return np.stack([values[:, start:end].mean(axis=1) for start, end in itertools.pairwise(edges)], axis=1)


def _name_rows(axes, places, step):
    size = min(9.0, step - 1)
    for number, place in enumerate(places):
        axes.text(LEFT - 4, step * (number + 0.5), place, size=size, color=FAINT, ha="right", va="center_baseline")


def _title(x, y, width, height, text):
    place = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"'
    return f"<rect {place}><title>{page.escape(text)}</title></rect>"


# ---- a matrix -------------------------------------------------------------------------------------------------------


def _matrix(places, moment):
    """A row for each place, a column for each option, after one iteration."""
    options = list(dict.fromkeys(option for row in places.values() for option in row))
    top = 5.0 * max(map(len, options)) + 8
    width, height = LEFT + CELL * len(options), CELL * len(places)
    values = np.array([[row[option][moment] if option in row else np.nan for option in options] for row in places.values()])
    figure, axes = svg.new_figure(max(width, WIDTH), top + height)
    axes.set(ylim=(height, -top))
    svg.add_heat(axes, values, LEFT, 0, CELL * len(options), height)
    _name_rows(axes, places, CELL)
    for column, option in enumerate(options):
        place = LEFT + CELL * (column + 0.5)
        axes.text(place, -4, option, size=9, color=FAINT, ha="center", va="bottom", rotation=90)
    titles = (
        _title(LEFT + CELL * column, top + CELL * row, CELL, CELL, f"{place}: {option} {values[row, column]:.0%}")
        for row, (place, mine) in enumerate(places.items()) for column, option in enumerate(options) if option in mine
    )  # fmt: skip
    title = f"after iteration {moment + 1}"
    return _panel(title, svg.inline(figure, title, f'<g class="strips">{"".join(titles)}</g>'))
