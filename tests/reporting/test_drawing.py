import functools
import itertools
import xml.etree.ElementTree

import numpy as np
import pytest
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.font_manager import FontProperties
from PIL import Image

from errors import UserError
from reporting.drawing import draw, svgs
from reporting.layouts import FONT, Label, layout, text_width
from search_spaces import macro, micro, recurrent

RNG = np.random.default_rng
ARCHITECTURES = {
    "published macro": macro.PUBLISHED["enas"],
    "dense macro": macro.MacroArchitecture(("conv3x3",) * 24, tuple((1,) * layer for layer in range(24))),
    "small macro": macro.MacroSpace(3).random(RNG(0)),
    "published micro": micro.PUBLISHED["enas"],
    "large micro": micro.MicroSpace(12).random(RNG(1)),
    "small micro": micro.MicroSpace(1).random(RNG(1)),
    "published recurrent": recurrent.PUBLISHED["enas"],
    "old recurrent": recurrent.PUBLISHED["enas-old"],
    "large recurrent": recurrent.RecurrentSpace(12).random(RNG(3)),
    "small recurrent": recurrent.RecurrentSpace(1).random(RNG(3)),
}
every_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=ARCHITECTURES.keys())


def overlap(a, b):
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def area(item):
    if isinstance(item, Label):
        width = text_width(item.text, item.size)
        left = item.x - width * {"left": 0, "center": 0.5, "right": 1}[item.align]
        return left, item.y - item.size / 2, left + width, item.y + item.size / 2
    return item.x, item.y, item.x + item.width, item.bottom


@functools.cache
def real_width(text, size, bold):
    properties = FontProperties(size=size, weight="bold" if bold else "normal")
    return RendererAgg(10, 10, 72).get_text_width_height_descent(text, properties, False)[0]


@every_architecture
def test_no_box_and_no_label_lies_on_another(architecture):
    picture = layout(architecture)
    for one, other in itertools.combinations([*picture.boxes, *picture.labels], 2):
        assert not overlap(area(one), area(other)), (one, other)


@every_architecture
def test_texts_fit_into_their_boxes_and_into_their_estimated_width(architecture):
    picture = layout(architecture)
    for box in picture.boxes:
        assert real_width(box.text, FONT, box.bold) < box.width - 4, box
    for label in picture.labels:
        assert real_width(label.text, label.size, label.bold) < text_width(label.text, label.size), label


@every_architecture
def test_everything_is_inside_the_picture(architecture):
    picture = layout(architecture)
    left, top, right, bottom = picture.extent()
    for item in [*picture.boxes, *picture.labels, *picture.frames]:
        x, y, end_x, end_y = area(item)
        assert left <= x and end_x <= right and top <= y and end_y <= bottom, item
    for link in picture.links:
        assert left <= min(link.start[0], link.start[0] + link.bulge)
        assert max(link.start[0], link.start[0] + link.bulge) <= right


@every_architecture
def test_straight_links_go_through_no_box(architecture):
    picture = layout(architecture)
    for link in picture.links:
        if link.bulge:
            continue
        for share in np.linspace(0.02, 0.98, 49):
            x, y = (1 - share) * np.array(link.start) + share * np.array(link.end)
            inside = [box for box in picture.boxes if box.x < x < box.x + box.width and box.y < y < box.bottom]
            assert not inside, (link, inside)


def test_a_macro_picture_has_an_arc_for_every_skip_connection():
    architecture = macro.PUBLISHED["enas"]
    arcs = [link for link in layout(architecture).links if link.bulge]
    assert len(arcs) == sum(sum(bits) for bits in architecture.skips)
    boxes = layout(architecture).boxes
    stem_arcs = [arc for arc in arcs if arc.start[1] == boxes[0].middle]
    assert len(stem_arcs) == sum(bits[0] for bits in architecture.skips[1:])


def test_a_macro_picture_has_the_two_halvings_between_the_right_layers():
    picture = layout(macro.MacroSpace(12).random(RNG(0)))
    layers = [box for box in picture.boxes if box.text not in ("stem", "classifier")]
    for rule, before in zip(picture.rules, (3, 7), strict=True):
        assert layers[before].bottom < rule.y < layers[before + 1].y


def test_a_micro_picture_leads_each_operation_to_what_it_reads():
    cell = micro.PUBLISHED["enas"].reduction
    picture = layout(micro.MicroArchitecture(cell, cell))
    sources = {"cell before previous": 0, "previous cell": 1} | {f"node {k}: sum": k + 2 for k in range(5)}
    heights = {box.middle: sources[box.text] for box in picture.boxes if box.text in sources}
    of_one_cell = [link for link in picture.links if link.bulge and not link.dashed][:10]
    assert [heights[arc.start[1]] for arc in of_one_cell] == [number for node in cell for number in (node.input_x, node.input_y)]


def test_the_output_of_a_cell_is_led_from_its_loose_ends():
    architecture = micro.PUBLISHED["enas"]
    dashed = [link for link in layout(architecture).links if link.dashed]
    assert len(dashed) == len(micro.loose_ends(architecture.normal)) + len(micro.loose_ends(architecture.reduction))
    old = recurrent.PUBLISHED["enas-old"]
    assert len([link for link in layout(old).links if link.dashed]) == len(old.output_nodes())


@every_architecture
def test_the_svg_is_valid_and_holds_the_texts(architecture):
    roots = [xml.etree.ElementTree.fromstring(svg) for svg in svgs(architecture)]
    assert all(root.tag.endswith("svg") for root in roots)
    texts = {"".join(item.itertext()).strip() for root in roots for item in root.iter() if item.tag.endswith("text")}
    picture = layout(architecture)
    assert {item.text for item in [*picture.boxes, *picture.labels]} <= texts


def test_files_hold_the_picture_and_are_the_same_each_time(tmp_path):
    for name in ("a.svg", "b.svg", "c.png"):
        draw(recurrent.PUBLISHED["enas"], tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.svg", "b.svg", "c.png"]
    with Image.open(tmp_path / "c.png") as image:
        assert image.format == "PNG" and min(image.size) > 300


def test_a_chain_of_a_thousand_nodes_is_drawn():
    chain = recurrent.RecurrentArchitecture(tuple((number, "tanh") for number in range(1000)))
    assert len(layout(chain).boxes) == 1004


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(UserError, match="found .*pdf"):
        draw(recurrent.PUBLISHED["enas"], tmp_path / "a.pdf")
    assert not list(tmp_path.iterdir())
