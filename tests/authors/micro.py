"""The authors' micro child networks (MicroChild): where each of our parameters stands in them."""

import math
import re

from tests.authors.translate import Translator

_CELL, _NODE = r"cell_(\d+)", r"cell_(\d+)/node_(\d+)/([xy])"
_COMMON = [
    ("fc", "fc"),
    ("stem", "stem_conv"),
    ("auxiliary/conv1x1", "aux_head/proj"),
    ("auxiliary/map", "aux_head/avg_pool"),
    ("auxiliary/fc", "aux_head/fc"),
    (rf"{_CELL}/calibrate/before", r"layer_\1/calibrate/pool_x"),
    (rf"{_CELL}/calibrate/last", r"layer_\1/calibrate/pool_y"),
]


def final_translator():
    """For the final network."""
    return Translator(
        [
            *_COMMON,
            (rf"{_CELL}/base", r"layer_\1/layer_base"),
            (rf"{_NODE}/identity", r"layer_\1/cell_\2/\3_conv"),
            (rf"{_NODE}/sepconv\dx\d/stack_(\d)", r"layer_\1/cell_\2/\3_conv/sep_conv_\4"),
            (rf"{_CELL}/output/from_(\d+)", r"layer_\1/final_combine/calibrate_\2"),
        ]
    )


def search_translator():
    """For the search network (shared weights), after `split_rows`."""
    return Translator(
        [
            *_COMMON,
            (rf"{_CELL}/reduction", r"layer_\1"),
            (
                rf"{_NODE}/input_(\d+)/sepconv(\dx\d)/stack_(\d)",
                r"layer_\1/cell_\2/\3/conv_\5/stack_\6/row_\4",
            ),
            (rf"{_CELL}/output/from_(\d+)", r"layer_\1/final_conv/row_\2"),
            (rf"{_CELL}/output", r"layer_\1/final_conv"),
        ]
    )


def split_rows(arrays):
    """The arrays, with those that have a row per input or node as one array per row, `.../row_3/...`, in the shape of a layer."""
    return type(arrays)((row_name, row) for name, array in arrays.items() for row_name, row in _rows(name, array))


def _rows(name, array):
    match = re.fullmatch(r"(.*/(?:conv_(?P<kernel>\d)x\d/stack_\d|final_conv))/(?P<leaf>.*):0", name)
    if not match or (match["kernel"] is None and match["leaf"] != "w"):
        return [(name, array)]
    return [(f"{match[1]}/row_{number}/{match['leaf']}:0", _as_layer(row, match)) for number, row in enumerate(array)]


def _as_layer(row, match):
    if match["leaf"] == "w_depth":
        kernel = int(match["kernel"])
        return row.reshape(kernel, kernel, -1, 1)
    if match["leaf"] in ("w_point", "w"):  # square: as many channels in as out
        filters = math.isqrt(row.size)
        return row.reshape(1, 1, filters, filters)
    return row
