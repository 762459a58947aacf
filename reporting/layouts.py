"""Where the parts of an architecture stand in its picture: boxes, links between them and labels, in points, y downwards.

Every space has a function that lays out its architectures; `reporting.drawing` draws any such layout.
"""

import math
from dataclasses import dataclass, field, replace

from reporting import svg
from search_spaces.macro import reduction_layers
from search_spaces.micro import input_names, loose_ends
from search_spaces.operations import TABLE

COLORS = {"tanh": "#b5d1f2", "relu": "#bfe3bf", "sigmoid": "#f6c48b"}  # operation or function -> fill
COLORS |= {operation.name: operation.color for operation in TABLE}
PLAIN = "#f4f4f4"
BOX_INK = "#222222"  # on the boxes, which are light on a dark page too
INK, FAINT, LINK_COLORS = svg.INK, svg.FAINT, svg.SERIES

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
    name: str = ""  # class of its element on a page

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
    name: str = ""  # classes of its element on a page


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


@dataclass(frozen=True)
class Cell:
    """A square of a matrix: filled, or a faint outline."""

    x: float
    y: float
    color: str | None = None


@dataclass
class Layout:
    """What a picture consists of."""

    boxes: list = field(default_factory=list)
    links: list = field(default_factory=list)
    labels: list = field(default_factory=list)
    rules: list = field(default_factory=list)
    frames: list = field(default_factory=list)  # boxes around other boxes
    cells: list = field(default_factory=list)
    hovered: int = 0  # boxes "b0", "b1", ...: on a page the links "s0" from and "t0" to the one under the pointer stand out
    least_scale: float = 0.75  # of its natural size on a page

    def extent(self):
        """(left, top, right, bottom) of everything in it."""
        xs, ys = [], []
        for box in self.boxes + self.frames:
            xs += [box.x, box.x + box.width]
            ys += [box.y, box.bottom]
        for cell in self.cells:
            xs += [cell.x, cell.x + CELL]
            ys += [cell.y, cell.y + CELL]
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
    first, *others = parts(architecture)
    for other in others:
        first = _beside(first, other, 3 * MARGIN)
    return first


def _beside(left, right, gap):
    """One layout of two, side by side."""
    shift = left.extent()[2] - right.extent()[0] + gap
    return Layout(
        left.boxes + [replace(box, x=box.x + shift) for box in right.boxes],
        left.links + [_moved(link, shift) for link in right.links],
        left.labels + [replace(label, x=label.x + shift) for label in right.labels],
        left.rules, left.frames, [replace(cell, x=cell.x + shift) for cell in right.cells],
    )  # fmt: skip


def _moved(link, shift):
    (x, y), (end_x, end_y) = link.start, link.end
    return replace(link, start=(x + shift, y), end=(end_x + shift, end_y))


# ---- macro: a column of layers, skip connections as arcs at its right ----------------------------------------------


def _macro_parts(architecture):
    """Stem, one row per layer, classifier; at the left what a layer adds, at the right an arc for each of it; the skip matrix."""
    picture = Layout(hovered=architecture.num_layers + 1)
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
    return [picture, _skip_matrix(architecture)]


def _row_box(picture, row, text, color=PLAIN):
    number = sum(box.text != "classifier" for box in picture.boxes)
    box = Box(0, ROW * row, BOX_WIDTH, text, color, name=f"b{number}")
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
            bulge = 10 + 0.3 * (target.y - boxes[source].y)
            picture.links.append(_arc(boxes[source], target, 1, source, bulge, (place + 1) / (len(sources) + 1)))
        if sources:
            text = "+ " + " ".join(names[source] for source in sources)
            picture.labels.append(Label(-26, target.middle, text, "right", FONT - 1.5))


CELL, CELL_STEP = 12.0, 15.0


def _skip_matrix(architecture):
    """A row for each layer, a column for each tensor that it could add: the arcs once more, where 24 layers have too many."""
    picture = Layout(least_scale=0.65)
    count = architecture.num_layers
    picture.labels.append(Label(0, -30, "skip connections: each row adds its marked columns", size=FONT, bold=True))
    for column, name in enumerate(("stem", *map(str, range(count - 2)))[: count - 1]):
        align = "right" if name == "stem" else "center"
        picture.labels.append(Label(_cell_place(column) + CELL / 2 + (8 if name == "stem" else 0), -8, name, align, FONT - 2))
    for layer, bits in enumerate(architecture.skips[1:], 1):
        y = CELL_STEP * (layer - 1)
        picture.labels.append(Label(_cell_place(0) - 6, y + CELL / 2, str(layer), "right", FONT - 2, bold=True))
        for column, bit in enumerate(bits):
            picture.cells.append(Cell(_cell_place(column), y, LINK_COLORS[column % len(LINK_COLORS)] if bit else None))
    return picture


def _cell_place(column):
    return 24 + CELL_STEP * column


def _arc(source, target, side, color, bulge, height=0.5):
    """From the edge of one box to that of another below it, a share of whose height is above the end.

    color: a number for each source, or None for a faint dashed arc. bulge: how far it leads from the boxes.
    """
    start = (source.edge(side), source.middle)
    end = (target.edge(side), target.y + height * target.height)
    name = f"arc s{source.name[1:]} t{target.name[1:]}" if source.name and target.name else ""
    shade = FAINT if color is None else LINK_COLORS[color % len(LINK_COLORS)]
    return Link(start, end, side * bulge, shade, dashed=color is None, name=name)


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
    picture, loose = Layout(least_scale=0.6), loose_ends(cell)
    names = input_names(len(cell) + 2)
    picture.labels.append(Label(CELL_WIDTH / 2, -20, title, "center", FONT + 3, bold=True))
    bars = [_bar(0, names[0], 0 in loose), _bar(BOX_HEIGHT + 12, names[1], 1 in loose)]
    top = bars[1].bottom + 16
    for number, node in enumerate(cell):
        bar = _bar(top + BOX_HEIGHT + STEP, f"{names[number + 2]}: sum", number + 2 in loose)
        for side, source, operation in ((-1, node.input_x, node.operation_x), (1, node.input_y, node.operation_y)):
            box = Box(0 if side < 0 else HALF + GAP, top, HALF, operation, COLORS[operation])
            picture.boxes.append(box)
            picture.links.append(_arc(bars[source], box, side, source, _narrow(bars[source], box)))
            picture.links.append(Link((box.center, box.bottom), (box.center, bar.y)))
        bars.append(bar)
        top += NODE_ROW
    output = _bar(top + 4, "output: " + ("concatenation" if len(loose) > 1 else names[loose[0]]), True)
    picture.links += [_arc(bars[number], output, -1, None, _narrow(bars[number], output)) for number in loose]
    picture.boxes += [*bars, output]
    return picture


def _narrow(upper, lower):
    """Bulge of an arc: long ones stay close, so that a cell fits a phone."""
    return 8 + 48 * (1 - math.exp(-(lower.y - upper.y) / 160))


def _bar(y, text, bold):
    return Box(0, y, CELL_WIDTH, text, bold=bold)


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


_OF_SPACE = {"macro": _macro_parts, "micro": _micro_parts, "recurrent": _recurrent_parts}


def parts(architecture):
    """The parts of the picture; of an architecture that nobody draws, what it says of itself."""
    if architecture.space in _OF_SPACE:
        return _OF_SPACE[architecture.space](architecture)
    lines = architecture.describe().splitlines()
    return [Layout(labels=[Label(0, ROW * row, line) for row, line in enumerate(lines)])]
