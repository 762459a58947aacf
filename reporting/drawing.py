"""Pictures of architectures, as files and inside pages: `render` draws any layout (see `reporting.layouts`) with matplotlib."""

import io
import os

from errors import UserError
from files import atomic_write
from reporting import svg
from reporting.layouts import BOX_INK, CELL, FAINT, FONT, INK, MARGIN, layout, parts

SUFFIXES = (".svg", ".png")
PNG_DOTS_PER_INCH = 150
LARGEST_SIDE = 60_000  # dots; what a PNG may have


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

    Each asks for a part of its natural width at least, so that its texts stay legible on a phone.
    """
    return [_embedded(picture, f"{architecture.space} architecture") for picture in parts(architecture)]


def _embedded(picture, label):
    left, _, right, _ = picture.extent()
    natural = (right - left + 2 * MARGIN) * 4 / 3  # CSS pixels
    width = f' class="picture" style="min-width:{picture.least_scale * natural:.0f}px;max-width:{natural:.0f}px"'
    rules = "".join(
        f".picture:has(.b{number}:hover) .arc:not(.s{number},.t{number}){{opacity:.12}}" for number in range(picture.hovered)
    )
    return svg.inline(_figure(picture), label, f"<style>{rules}</style>" if rules else "", width)


# ---- drawing a layout -----------------------------------------------------------------------------------------------


def render(picture, kind):
    """The bytes of a layout as "svg" or "png". The same layout gives the same bytes."""
    figure = _figure(picture)
    if kind == "svg":
        return svg.whole(figure, facecolor="white", edgecolor="none").encode()
    import matplotlib

    stream = io.BytesIO()
    dots = min(PNG_DOTS_PER_INCH, LARGEST_SIDE / max(figure.get_size_inches()))
    with matplotlib.rc_context({"font.family": "DejaVu Sans"}):
        figure.savefig(stream, format="png", dpi=dots, metadata={"Software": None}, facecolor="white")
    return stream.getvalue()


def _figure(picture):
    left, top, right, bottom = picture.extent()
    left, top, right, bottom = left - MARGIN, top - MARGIN, right + MARGIN, bottom + MARGIN
    figure, axes = svg.new_figure(right - left, bottom - top)
    axes.set(xlim=(left, right), ylim=(bottom, top))
    for frame in picture.frames:
        axes.add_patch(_box_patch(frame, edgecolor=FAINT, linestyle=(0, (3, 3)), linewidth=0.8))
    for rule in picture.rules:
        axes.plot((rule.x, rule.end), (rule.y, rule.y), color=INK, linewidth=2.2, solid_capstyle="butt", clip_on=False)
    for color in sorted({cell.color for cell in picture.cells}, key=str):
        axes.add_patch(_cells_patch([cell for cell in picture.cells if cell.color == color], color))
    for link in picture.links:
        axes.add_patch(_link_patch(link))
    for box in picture.boxes:
        _add_box(axes, box)
    for label in picture.labels:
        axes.text(
            label.x, label.y, label.text, size=label.size, ha=label.align, va="center_baseline", color=label.color,
            weight="bold" if label.bold else "normal",
        )  # fmt: skip
    return figure


def _add_box(axes, box):
    gid = box.name or None
    axes.add_patch(_box_patch(box, edgecolor=BOX_INK, linewidth=1.6 if box.bold else 0.7, gid=gid))
    weight = "bold" if box.bold else "normal"
    axes.text(
        box.center, box.middle, box.text, size=FONT, ha="center", va="center_baseline", weight=weight, color=BOX_INK, gid=gid
    )  # fmt: skip


def _cells_patch(cells, color):
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    square = Path.unit_rectangle()
    paths = [Path(square.vertices * CELL + (cell.x, cell.y), square.codes) for cell in cells]
    edge = {"facecolor": "none", "edgecolor": svg.LINE} if color is None else {"facecolor": color, "edgecolor": color}
    return PathPatch(Path.make_compound_path(*paths), linewidth=0.8, clip_on=False, **edge)


def _box_patch(box, **style):
    from matplotlib.patches import FancyBboxPatch

    shape = "round,pad=0,rounding_size=3"
    return FancyBboxPatch((box.x, box.y), box.width, box.height, shape, facecolor=box.color, zorder=2, clip_on=False, **style)


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
        color=link.color, linewidth=0.9, linestyle=(0, (4, 3)) if link.dashed else "solid", zorder=1, clip_on=False,
        gid=link.name or None,
    )  # fmt: skip
