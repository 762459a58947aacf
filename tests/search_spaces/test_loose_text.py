"""The texts that people hold: each is read as the architecture that it means, or refused because it could mean another."""

import io

import numpy as np
import pytest

from errors import UserError
from search_spaces import macro, micro, recurrent
from search_spaces.files import SPACES, parse

MACRO = macro.MacroSpace(12).random(np.random.default_rng(3))
ROWS = [[*map(int, layer)] for layer in np.split(np.array(MACRO.to_text().split(), int), np.cumsum(range(1, 12)))]
MICRO = micro.PUBLISHED["enas"]
CELLS = [MICRO.to_numbers()[0].tolist(), MICRO.to_numbers()[1].tolist()]
ARC, OLD_ARC = recurrent.PUBLISHED["enas"], recurrent.PUBLISHED["enas-old"]
LINE = MACRO.to_text()


def words(numbers):
    return " ".join(map(str, numbers))


SCRIPT = "\n".join(
    ["#!/bin/bash", 'export PYTHONPATH="$(pwd)"', f'fixed_arc="{words(ROWS[0])}"']
    + [f'fixed_arc="$fixed_arc {words(row)}"  # layer {number}' for number, row in enumerate(ROWS[1:], 1)]
    + ["python main.py \\", '  --data_format="NCHW" \\', '  --child_fixed_arc="${fixed_arc}" \\', "  --num_epochs=3 \\"]
)
BLOCK = "\n".join(f"[{words(row)}]" for row in ROWS)
READ = {
    "commas": (LINE.replace(" ", ", "), MACRO),
    "commas-without-blanks": (LINE.replace(" ", ","), MACRO),
    "a-comma-at-the-end": (LINE.replace(" ", ", ") + ",", MACRO),
    "semicolons": ("; ".join(words(row) for row in ROWS), MACRO),
    "bars": (" | ".join(words(row) for row in ROWS), MACRO),
    "lines": ("\n".join(words(row) for row in ROWS), MACRO),
    "windows-lines-and-mark": ("\ufeff" + "\r\n".join(words(row) for row in ROWS), MACRO),
    "old-macintosh-lines": ("\r".join(words(row) for row in ROWS), MACRO),
    "tabs": (LINE.replace(" ", "\t"), MACRO),
    "brackets": (f"[{LINE}]", MACRO),
    "a-list": (str(sum(ROWS, [])), MACRO),
    "a-list-of-lists": (str(ROWS), MACRO),
    "a-list-of-texts": (str([words(row) for row in ROWS]), MACRO),
    "tuples": (str(tuple(map(tuple, ROWS))), MACRO),
    "an-assigned-list": (f"arch = {ROWS}", MACRO),
    "an-assigned-list-over-lines": ("fixed_arc = [\n" + ",\n".join(map(str, ROWS)) + ",\n]\n", MACRO),
    "double-quotes": (f'"{LINE}"', MACRO),
    "single-quotes": (f"'{LINE}'\n", MACRO),
    "rows-that-a-search-prints": (BLOCK, MACRO),
    "and-their-accuracy": (f"{BLOCK}\nval_acc=0.8125\n{'-' * 80}\n", MACRO),
    "accuracy-first": (f"val_acc = 0.8125\n{BLOCK}", MACRO),
    "accuracy-in-percent": (f"{LINE}\nvalidation accuracy: 81.25 %", MACRO),
    "a-comment-before": (f"# macro, 24 layers, about 96.1 %\n{LINE}", MACRO),
    "a-comment-behind": (f"{LINE}  # found 1 May", MACRO),
    "a-script": (SCRIPT, MACRO),
    "a-script-with-braces": (SCRIPT.replace("$fixed_arc ", "${fixed_arc} "), MACRO),
    "one-line-of-a-script": (f'--child_fixed_arc="{LINE}" \\', MACRO),
    "a-script-with-+=": (f'fixed_arc="{words(ROWS[0])}"\n' + "\n".join(f'fixed_arc+=" {words(r)}"' for r in ROWS[1:]), MACRO),
    "quotes-over-lines": ('fixed_arc="' + "\n".join(words(row) for row in ROWS) + '"\nsomething else', MACRO),
    "cells-in-lines": ("\n".join(words(cell) for cell in CELLS), MICRO),
    "cells-that-a-search-prints": ("\n".join(f"[{words(cell)}]" for cell in CELLS) + "\nval_acc=0.75", MICRO),
    "cells-as-arrays-are-printed": (str(MICRO.to_numbers()), MICRO),
    "cells-as-lists": (str(CELLS), MICRO),
    "cells-node-by-node": (str(MICRO.to_numbers().reshape(2, 5, 4).tolist()), MICRO),
    "cells-pair-by-pair": (str(MICRO.to_numbers().reshape(2, 10, 2).tolist()), MICRO),
    "cells-in-a-script": (f'fixed_arc="{words(CELLS[0])}"\nfixed_arc="$fixed_arc {words(CELLS[1])}"', MICRO),
    "an-arc-as-pairs": (str(ARC.to_numbers().reshape(-1, 2).tolist()), ARC),
    "an-old-arc-as-pairs": ("[0, (0, 0), (1, 1)]", recurrent.RecurrentArchitecture.from_text("0 0 0 1 1")),
    "an-old-arc-in-a-script": (f'fixed_arc="{OLD_ARC.to_text()}"', OLD_ARC),
}


@pytest.mark.parametrize("name", READ)
def test_what_people_hold_is_read(name):
    text, architecture = READ[name]
    assert parse(text.encode(), ".txt", architecture.space) == architecture
    assert parse(text.encode(), "", architecture.space) == architecture
    if name != "an-old-arc-as-pairs":  # so short a row could be cells too
        assert parse(text.encode(), ".txt") == architecture


REFUSED = {
    "two-blocks-of-a-log": (f"{BLOCK}\nval_acc=0.5\n{BLOCK}\nval_acc=0.6\n", ["2 architectures", "keep one"]),
    "ten-small-blocks": ("[0]\n[0 0]\n[0 0 0]\nval_acc=0.1\n" * 10, ["10 architectures"]),
    "two-variables": (f'fixed_arc="{LINE}"\nother_arc="0 0 0 0 0 0"', ["fixed_arc, other_arc", "different"]),
    "numbers-outside-of-the-variable": (f'fixed_arc="{LINE}"\n0 1 0\n', ["beside", "'0 1 0'"]),
    "a-variable-that-is-not-set": ('fixed_arc="$fixed_arc 3 0"', ["$fixed_arc", "not set before"]),
    "no-variable-in-single-quotes": ("fixed_arc='0'\nfixed_arc='$fixed_arc 1 0'", ["'$fixed_arc'"]),
    "glued-by-the-shell": ('fixed_arc="1"\nfixed_arc+="0 0 0 0 0 0"', ["no space reads it"]),
    "operations-then-skips": ("[[1, 2, 0], [], [0], [1, 0]]", ["rows of 3, 1, 2"]),
    "rows-of-another-length": ("[[1], [4, 0], [2, 1], [0, 4, 0, 1, 1]]", ["rows of 1, 2, 2, 5"]),
    "cells-of-two-sizes": (f"[{CELLS[0] + CELLS[1][:8]}, {CELLS[1][8:]}]", ["rows of 28, 12"]),
    "an-open-bracket": (f"[{LINE}", ["a ] is missing", "cut off"]),
    "a-bracket-too-many": (f"{LINE}]", ["a ] closes no bracket"]),
    "brackets-of-two-kinds": (f"[{LINE})", ["a ) closes no bracket"]),
    "an-open-quote": (f'"{LINE}', ['a " is not closed']),
    "a-number-missing": ("1, 4, , 0, 2, 1", ["missing at a comma"]),
    "a-comma-first": (", 1, 0", ["missing at a comma"]),
    "a-comma-after-a-bracket": ("[,1]", ["missing at a comma"]),
    "a-minus": ("[1, -4, 0]", ["number 2 is '-4'"]),
    "floats": ("1.0, 4.0, 0.0", ["number 1 is '1.0'"]),
    "an-array-of-a-shell": (f"array({CELLS[0]})", ["number 1 is 'array'"]),
    "a-name": ("conv3x3, sepconv3x3", ["number 1 is 'conv3x3'"]),
    "a-dict": ("{0: 1}", ["number 1 is '{0:'"]),
    "a-search-log-of-ours": (f"iteration 1/6: accuracy 20.1 %: {LINE}", ["number 1 is 'iteration'"]),
    "comments-alone": ("# 0 1 0\n", ["no numbers"]),
    "brackets-alone": ("[[], []]", ["no numbers"]),
    "an-empty-variable": ('fixed_arc=""', ["no numbers"]),
    "accuracy-alone": ("val_acc=0.8125", ["no numbers"]),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("space", [None, *SPACES])
def test_what_could_mean_two_things_is_refused(name, space):
    text, expected = REFUSED[name]
    with pytest.raises(UserError) as caught:
        parse(text.encode(), ".txt", space)
    if space is None or "no space reads it" not in expected:
        assert all(word in str(caught.value) for word in expected), str(caught.value)


def test_a_cell_alone_is_told(tmp_path):
    with pytest.raises(UserError, match="20 numbers found, as for one cell of 5 nodes alone; expected 8 B"):
        parse(words(CELLS[0]).encode(), ".txt", "micro")


def npz(**arrays):
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


@pytest.mark.parametrize("make", [np.savez, np.savez_compressed])
def test_an_archive_of_one_array_is_read(make):
    stream = io.BytesIO()
    make(stream, arch=MACRO.to_numbers())
    assert parse(stream.getvalue(), ".npz") == MACRO


@pytest.mark.parametrize("data, message", [
    (npz(a=np.zeros(6, int), b=np.zeros(6, int)), "2 arrays"),
    (npz(a=np.zeros(6, int))[:-30], "damaged .npz"),
    (b"PK\x03\x04" + bytes(60), "damaged .npz"),
    (npz(a=np.zeros(200_000, int)), "larger than"),
])
def test_other_archives_are_refused(data, message):
    with pytest.raises(UserError, match=message):
        parse(data, ".npz")


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


@pytest.mark.parametrize("dtype", ["f2", "<f4", ">f8", "u1", "<i8"])
@pytest.mark.parametrize("shape", [(78,), (1, 78), (78, 1)])
def test_rows_and_columns_of_whole_numbers_are_read(dtype, shape):
    data = npy(MACRO.to_numbers().astype(dtype).reshape(shape))
    assert parse(data, ".npy") == parse(data, ".npy", "macro") == MACRO


@pytest.mark.parametrize("name", ["reduce", "reduction"])
def test_two_lists_in_json_are_cells(name):
    document = f'{{"normal": {CELLS[0]}, "{name}": {CELLS[1]}}}'.encode()
    assert parse(document, ".json") == parse(document, "", "micro") == MICRO
    with pytest.raises(UserError, match="this is a micro architecture; expected a macro"):
        parse(document, ".json", "macro")
    for wrong in (f'{{"normal": {CELLS[0]}, "{name}": [1]}}', f'{{"normal": [true], "{name}": [0]}}'):
        with pytest.raises(UserError, match="lists of equally many whole numbers"):
            parse(wrong.encode(), ".json")
