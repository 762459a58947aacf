"""Pictures of architectures, as SVG or PNG.

Every space has a function that lays out the parts of an architecture: boxes, links between them and labels, in points
(1/72 inch), y downwards. `render` draws any such layout with matplotlib.
"""

import io
import os
from dataclasses import dataclass, field, replace

from errors import UserError
from files import atomic_write
from search_spaces.macro import reduction_layers
from search_spaces.micro import input_names, loose_ends
from search_spaces.operations import TABLE

SUFFIXES = (".svg", ".png")
PNG_DOTS_PER_INCH = 150
LARGEST_SIDE = 60_000  # dots; what a PNG may have

COLORS = {"tanh": "#b5d1f2", "relu": "#bfe3bf", "sigmoid": "#f6c48b"}  # operation or function -> fill
COLORS |= {operation.name: operation.color for operation in TABLE}
PLAIN = "#f4f4f4"
INK, FAINT = "#222222", "#8a8a8a"
LINK_COLORS = ("#1f5fa8", "#b3402a", "#2f7d3b", "#7a4aa0", "#a06a00", "#0b7f86", "#a83275", "#555555")

FONT = 9.0
MARGIN = 14.0
ROW = 30.0  # from one layer to the next
BOX_HEIGHT = 18.0
BOX_WIDTH = 106.0
CHARACTER = 0.72  # widest mean width of a character of these texts, in font sizes


@dataclass(frozen=True)
class Box:
    """A named rectangle; x and y are of its upper left corner. A bold one takes part in the output."""

    x: float
    y: float
    width: float
    text: str
    color: str = PLAIN
    height: float = BOX_HEIGHT
    bold: bool = False

    @property
    def middle(self):
        return self.y + self.height / 2

    @property
    def center(self):
        return self.x + self.width / 2

    @property
    def bottom(self):
        return self.y + self.height

    def edge(self, side):
        """x of the right (1) or left (-1) edge."""
        return self.x + self.width if side > 0 else self.x


@dataclass(frozen=True)
class Link:
    """An arrow from one point to another: straight, or with a `bulge` to the right (left if negative)."""

    start: tuple
    end: tuple
    bulge: float = 0.0
    color: str = FAINT
    dashed: bool = False


@dataclass(frozen=True)
class Label:
    """Text beside the boxes; `align` says which of its ends is at x."""

    x: float
    y: float
    text: str
    align: str = "left"
    size: float = FONT
    color: str = INK
    bold: bool = False


@dataclass(frozen=True)
class Rule:
    """A dashed horizontal line."""

    x: float
    end: float
    y: float


@dataclass
class Layout:
    """What a picture consists of."""

    boxes: list = field(default_factory=list)
    links: list = field(default_factory=list)
    labels: list = field(default_factory=list)
    rules: list = field(default_factory=list)
    frames: list = field(default_factory=list)  # boxes around other boxes

    def extent(self):
        """(left, top, right, bottom) of everything in it."""
        xs, ys = [], []
        for box in self.boxes + self.frames:
            xs += [box.x, box.x + box.width]
            ys += [box.y, box.bottom]
        for link in self.links:
            xs += [link.start[0], link.end[0], link.start[0] + link.bulge]
        for label in self.labels:
            left = label.x - text_width(label.text, label.size) * {"left": 0, "center": 0.5, "right": 1}[label.align]
            xs += [left, left + text_width(label.text, label.size)]
            ys += [label.y - label.size, label.y + label.size]
        return min(xs), min(ys), max(xs), max(ys)


def text_width(text, size=FONT):
    """Upper estimate of the width of a text in points."""
    return CHARACTER * size * len(text)


def layout(architecture):
    """The `Layout` of an architecture of any space: its parts side by side."""
    first, *others = _parts(architecture)
    for other in others:
        first = _beside(first, other, 3 * MARGIN)
    return first


def draw(architecture, path):
    """Write the picture of an architecture to an .svg or .png file. Raises UserError for another suffix or if it cannot."""
    kind = check_drawing_path(path)
    data = render(layout(architecture), kind)
    with atomic_write(path) as file:
        file.write(data)


def check_drawing_path(path):
    """The kind of picture, "svg" or "png", that the suffix of `path` asks for. Raises UserError for another one."""
    suffix = os.path.splitext(os.fspath(path))[1].lower()
    if suffix not in SUFFIXES:
        raise UserError(f"a drawing is an .svg or a .png file, found {os.fspath(path)!r}; choose one of these suffixes")
    return suffix[1:]


def svgs(architecture):
    """The parts of the picture, that may stand below each other, as <svg> elements for an HTML page.

    Each asks for three quarters of its natural width at least, so that its texts stay legible on a phone.
    """
    return [_embedded(picture) for picture in _parts(architecture)]


def _embedded(picture):
    text = render(picture, "svg").decode()
    left, _, right, _ = picture.extent()
    natural = (right - left + 2 * MARGIN) * 4 / 3  # CSS pixels
    style = f'style="min-width:{0.75 * natural:.0f}px;max-width:{natural:.0f}px"'
    return text[text.index("<svg") :].replace("<svg", f"<svg {style}", 1)


# ---- macro: a column of layers, skip connections as arcs at its right ----------------------------------------------


def _macro_parts(architecture):
    """Stem, one row per layer, classifier; at the left what a layer adds, at the right an arc for each of it."""
    picture = Layout()
    boxes = [_row_box(picture, 0, "stem")]
    level = 0
    for number, operation in enumerate(architecture.operations):
        box = _row_box(picture, number + 1 + level, operation, COLORS[operation])
        picture.links.append(_down(boxes[-1], box))
        boxes.append(box)
        picture.labels.append(Label(-8, box.middle, f"{number}", "right", bold=True))
        if number in reduction_layers(architecture.num_layers):
            level += 1
            _rule_below(picture, box, "height and width halve")
    _add_skips(picture, boxes, architecture)
    last = _row_box(picture, len(boxes) + level, "classifier")
    picture.links.append(_down(boxes[-1], last))
    return [picture]


def _row_box(picture, row, text, color=PLAIN):
    box = Box(0, ROW * row, BOX_WIDTH, text, color)
    picture.boxes.append(box)
    return box


def _down(upper, lower):
    return Link((upper.center, upper.bottom), (lower.center, lower.y))


def _rule_below(picture, box, text):
    y = box.y + ROW + BOX_HEIGHT / 2
    picture.rules.append(Rule(0, BOX_WIDTH, y))
    picture.labels.append(Label(-8, y, text, "right", size=FONT - 1.5, color=FAINT))


def _add_skips(picture, boxes, architecture):
    names = ["stem", *(str(number) for number in range(architecture.num_layers))]
    for number, bits in enumerate(architecture.skips):
        sources = [position for position, bit in enumerate(bits) if bit]
        target = boxes[number + 1]
        for place, source in enumerate(sources):
            picture.links.append(_arc(boxes[source], target, 1, source, (place + 1) / (len(sources) + 1)))
        if sources:
            text = "+ " + " ".join(names[source] for source in sources)
            picture.labels.append(Label(-26, target.middle, text, "right", FONT - 1.5))


def _arc(source, target, side, color, height=0.5):
    """From the edge of one box to that of another below it, a share of whose height is above the end.

    color: a number for each source, or None for a faint dashed arc.
    """
    start = (source.edge(side), source.middle)
    end = (target.edge(side), target.y + height * target.height)
    bulge = side * (10 + 0.3 * (end[1] - start[1]))
    return Link(start, end, bulge, FAINT if color is None else LINK_COLORS[color % len(LINK_COLORS)], dashed=color is None)


# ---- micro: two cells; a node is two operations above the bar of their sum -------------------------------------------

HALF = 112.0  # width of an operation's box
GAP = 8.0  # between the two operations of a node
CELL_WIDTH = 2 * HALF + GAP
STEP = 10.0  # between an operation and the bar below it
NODE_ROW = 2 * BOX_HEIGHT + STEP + 16


def _micro_parts(architecture):
    """The normal cell and the reduction cell."""
    return [_layout_cell(architecture.normal, "normal cell"), _layout_cell(architecture.reduction, "reduction cell")]


def _layout_cell(cell, title):
    """Arcs at the left end in first operations, those at the right in second ones; dashed ones lead to the output."""
    picture, loose = Layout(), loose_ends(cell)
    names = input_names(len(cell) + 2)
    picture.labels.append(Label(CELL_WIDTH / 2, -20, title, "center", FONT + 3, bold=True))
    bars = [_bar(0, names[0], 0 in loose), _bar(BOX_HEIGHT + 12, names[1], 1 in loose)]
    top = bars[1].bottom + 16
    for number, node in enumerate(cell):
        bar = _bar(top + BOX_HEIGHT + STEP, f"{names[number + 2]}: sum", number + 2 in loose)
        for side, source, operation in ((-1, node.input_x, node.operation_x), (1, node.input_y, node.operation_y)):
            box = Box(0 if side < 0 else HALF + GAP, top, HALF, operation, COLORS[operation])
            picture.boxes.append(box)
            picture.links += [
                _arc(bars[source], box, side, source), Link((box.center, box.bottom), (box.center, bar.y)),
            ]  # fmt: skip
        bars.append(bar)
        top += NODE_ROW
    output = _bar(top + 4, "output: " + ("these side by side" if len(loose) > 1 else names[loose[0]]), True)
    picture.links += [_arc(bars[number], output, -1, None) for number in loose]
    picture.boxes += [*bars, output]
    return picture


def _bar(y, text, bold):
    return Box(0, y, CELL_WIDTH, text, bold=bold)


def _beside(left, right, gap):
    """One layout of two, side by side."""
    shift = left.extent()[2] - right.extent()[0] + gap
    return Layout(
        left.boxes + [replace(box, x=box.x + shift) for box in right.boxes],
        left.links + [_moved(link, shift) for link in right.links],
        left.labels + [replace(label, x=label.x + shift) for label in right.labels],
    )


def _moved(link, shift):
    (x, y), (end_x, end_y) = link.start, link.end
    return replace(link, start=(x + shift, y), end=(end_x + shift, end_y))


# ---- recurrent: a tree, for every node has one previous node ---------------------------------------------------------

NODE_WIDTH = 84.0
COLUMN = NODE_WIDTH + 14
LEVEL = 46.0


def _recurrent_parts(architecture):
    """Node 0 at the top, a column for every node that nobody reads, the output at the bottom."""
    columns, depths = _tree_places(architecture)
    functions = [architecture.first_function, *(function for _, function in architecture.nodes)]
    outputs = architecture.output_nodes()
    nodes = [
        Box(COLUMN * column, LEVEL * depth, NODE_WIDTH, f"{number}: {function}", COLORS[function], bold=number in outputs)
        for number, (column, depth, function) in enumerate(zip(columns, depths, functions, strict=True))
    ]
    links = [
        Link((nodes[previous].center, nodes[previous].bottom), (node.center, node.y), color=INK)
        for node, (previous, _) in zip(nodes[1:], architecture.nodes, strict=True)
    ]
    return _with_ends(nodes, links, architecture, max(columns), max(depths))


def _tree_places(architecture):
    """Column and depth of every node: leaves stand beside each other, a node above the middle of those that read it."""
    count = architecture.num_nodes + 1
    readers, depths = [[] for _ in range(count)], [0] * count
    for number, (previous, _) in enumerate(architecture.nodes, 1):
        readers[previous].append(number)
        depths[number] = depths[previous] + 1
    columns = [0.0] * count
    for column, leaf in enumerate(_leaves(readers)):
        columns[leaf] = float(column)
    for number in reversed(range(count)):
        if readers[number]:
            columns[number] = (columns[readers[number][0]] + columns[readers[number][-1]]) / 2
    return columns, depths


def _leaves(readers):
    """The nodes without readers, from left to right."""
    waiting = [0]
    while waiting:
        number = waiting.pop()
        if not readers[number]:
            yield number
        waiting += reversed(readers[number])


def _with_ends(nodes, links, architecture, last_column, deepest):
    """The picture with the two inputs above node 0 and the output below everything."""
    first, right = nodes[0], COLUMN * last_column + NODE_WIDTH
    outputs = [nodes[number] for number in architecture.output_nodes()]
    inputs = [
        Box(first.center + offset - NODE_WIDTH / 2, -LEVEL, NODE_WIDTH, text)
        for offset, text in ((-COLUMN / 2, "word"), (COLUMN / 2, "last state"))
    ]
    width = max(right, 3 * COLUMN)
    output = Box((right - width) / 2, LEVEL * (deepest + 1) + 4, width, "output and next state: mean of these", bold=True)
    ends = [Link((box.center, box.bottom), (first.center, first.y), color=INK) for box in inputs]
    frames = []
    if architecture.output == "all":
        frames = [Box(-9, LEVEL - 10, right + 18, "", "none", LEVEL * (deepest - 1) + BOX_HEIGHT + 20)]
        ends.append(Link((right / 2, frames[0].bottom), (right / 2, output.y), dashed=True))
    else:
        ends += [Link((box.center, box.bottom), (box.center, output.y), dashed=True) for box in outputs]
    return [Layout([*inputs, *nodes, output], [*links, *ends], frames=frames)]


_PARTS = {"macro": _macro_parts, "micro": _micro_parts, "recurrent": _recurrent_parts}


def _parts(architecture):
    """The parts of the picture; of an architecture that nobody draws, what it says of itself."""
    if architecture.space in _PARTS:
        return _PARTS[architecture.space](architecture)
    lines = architecture.describe().splitlines()
    return [Layout(labels=[Label(0, ROW * row, line) for row, line in enumerate(lines)])]


# ---- drawing a layout -----------------------------------------------------------------------------------------------


def render(picture, kind):
    """The bytes of a layout as "svg" or "png". The same layout gives the same bytes."""
    import matplotlib  # takes most of a second, and few runs of a script draw

    style = {"svg.fonttype": "none", "svg.hashsalt": "enas", "font.family": "DejaVu Sans"}
    with matplotlib.rc_context(style):
        figure = _figure(picture)
        stream = io.BytesIO()
        dots = min(PNG_DOTS_PER_INCH, LARGEST_SIDE / max(figure.get_size_inches()))
        metadata = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
        figure.savefig(stream, format=kind, dpi=dots, metadata=metadata, facecolor="white")
    return stream.getvalue()


def _figure(picture):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    left, top, right, bottom = picture.extent()
    left, top, right, bottom = left - MARGIN, top - MARGIN, right + MARGIN, bottom + MARGIN
    figure = Figure(figsize=((right - left) / 72, (bottom - top) / 72))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(left, right), ylim=(bottom, top))
    axes.axis("off")
    for frame in picture.frames:
        axes.add_patch(_box_patch(frame, edgecolor=FAINT, linestyle=(0, (3, 3)), linewidth=0.8))
    for rule in picture.rules:
        axes.plot((rule.x, rule.end), (rule.y, rule.y), color=INK, linewidth=2.2, solid_capstyle="butt")
    for link in picture.links:
        axes.add_patch(_link_patch(link))
    for box in picture.boxes:
        axes.add_patch(_box_patch(box, edgecolor=INK, linewidth=1.6 if box.bold else 0.7))
        weight = "bold" if box.bold else "normal"
        axes.text(box.center, box.middle, box.text, size=FONT, ha="center", va="center_baseline", weight=weight, color=INK)
    for label in picture.labels:
        axes.text(
            label.x, label.y, label.text, size=label.size, ha=label.align, va="center_baseline", color=label.color,
            weight="bold" if label.bold else "normal",
        )  # fmt: skip
    return figure


def _box_patch(box, **style):
    from matplotlib.patches import FancyBboxPatch

    shape = "round,pad=0,rounding_size=3"
    return FancyBboxPatch((box.x, box.y), box.width, box.height, shape, facecolor=box.color, zorder=2, **style)


def _link_patch(link):
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    (x, y), (end_x, end_y) = link.start, link.end
    if link.bulge:  # a cubic whose farthest point is `bulge` away
        handle = 4 / 3 * link.bulge
        path = Path([(x, y), (x + handle, y), (end_x + handle, end_y), (end_x, end_y)], [1, 4, 4, 4])
    else:
        path = Path([(x, y), (end_x, end_y)])
    return FancyArrowPatch(
        path=path, arrowstyle="-|>,head_length=3.2,head_width=1.7", mutation_scale=1, shrinkA=0, shrinkB=0,
        color=link.color, linewidth=0.9, linestyle=(0, (4, 3)) if link.dashed else "solid", zorder=1,
    )  # fmt: skip
