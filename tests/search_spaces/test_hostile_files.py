"""Files that are no architecture: each gives one line that names the file, what was found and what to do."""

import io
import json
import pickle
import struct

import numpy as np
import pytest

from errors import UserError
from search_spaces import macro, micro, recurrent
from search_spaces.files import MAX_BYTES, load_architecture

MACRO = macro.MacroSpace(12).random(np.random.default_rng(1))
MICRO = micro.PUBLISHED["enas"]
ARC = recurrent.PUBLISHED["enas"]


def npy(array, allow_pickle=False):
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=allow_pickle)
    return stream.getvalue()


def npy_with_header(header, body=b"", version=1):
    text = header.encode() + b"\n"
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + body


def npy_of_shape(shape, descr="<i8", body=bytes(48)):
    return npy_with_header(f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}}}", body)


def document(architecture, **changes):
    fields = {**architecture.to_json(), **changes}
    return json.dumps({name: value for name, value in fields.items() if value is not KeyError}).encode()


def layers(**first):
    rest = MACRO.to_json()["layers"][1:]
    return document(MACRO, layers=[{"operation": "conv3x3", "skips": [], **first}, *rest])


def second_layer(skips):
    entries = MACRO.to_json()["layers"]
    return document(MACRO, layers=[entries[0], {"operation": "conv3x3", "skips": skips}, *entries[2:]])


NUMBERS = MACRO.to_numbers()
ARC_NODES = ARC.to_json()["nodes"]
HOSTILE = [
    (".npy", b"", ["empty"]),
    (".npy", b"0 1 0", ["NumPy header", "numpy.save"]),
    (".npy", b"\x93NUMPY", ["NumPy header"]),
    (".npy", b"PK\x03\x04" + bytes(100), ["NumPy header"]),
    (".npy", pickle.dumps([1, 2, 3]), ["NumPy header"]),
    (".npy", npy(NUMBERS)[:-1], ["(78,)", "623 bytes", "damaged"]),
    (".npy", npy(NUMBERS) + b"0", ["(78,)", "625 bytes", "damaged"]),
    (".npy", npy(NUMBERS)[:40], ["NumPy header"]),
    (".npy", npy(np.array([1, None]), allow_pickle=True), ["object", "integers"]),
    (".npy", npy(NUMBERS + 0.5), ["float64", "whole numbers"]),
    (".npy", npy(np.full(78, np.nan)), ["float64", "nan", "whole numbers"]),
    (".npy", npy(np.full(78, 1e300)), ["float64", "1e+300", "whole numbers"]),
    (".npy", npy(np.full(78, -np.inf, np.float16)), ["float16", "-inf", "whole numbers"]),
    (".npy", npy(np.full(6, np.longdouble(2) ** 63)), ["whole numbers"]),
    (".npy", npy(NUMBERS.astype(bool)), ["bool", "integers"]),
    (".npy", npy(NUMBERS.astype(complex)), ["complex128"]),
    (".npy", npy(NUMBERS.astype(str)), ["<U21"]),
    (".npy", npy(NUMBERS.astype("m8[s]")), ["timedelta64"]),
    (".npy", npy(np.zeros(3, [("a", int)])), ["integers"]),
    (".npy", npy(np.zeros(0, int)), ["(0,)", "empty"]),
    (".npy", npy(np.array(5)), ["0 dimensions, ()", "one row of numbers"]),
    (".npy", npy(np.zeros((2, 2, 2), int)), ["3 dimensions, (2, 2, 2)", "one row", "two rows"]),
    (".npy", npy(NUMBERS.reshape(1, 1, 78)), ["3 dimensions, (1, 1, 78)"]),
    (".npy", npy(np.zeros((3, 26), int)), ["(3, 26)", "(2, 4 B)"]),
    (".npy", npy(np.zeros((2, 7), int)), ["(2, 7)", "(2, 4 B)"]),
    (".npy", npy(np.zeros(77, int)[:1]), ["no space reads it", "macro", "micro", "recurrent"]),
    (".npy", npy(np.where(np.arange(78) == 5, -1, NUMBERS)), ["no space reads it", "-1"]),
    (".npy", npy(np.full(6, 2**64 - 1, np.uint64)), ["18446744073709551615"]),
    (".npy", npy_of_shape("(1000000000000,)"), ["(1000000000000,)", "48 bytes", "damaged"]),
    (".npy", npy_of_shape("(2, 2305843009213693955)"), ["48 bytes", "damaged"]),  # 8 times it wraps to 48
    (".npy", npy_of_shape("(-6,)"), ["(-6,)", "damaged"]),
    (".npy", npy_of_shape("(" + "9" * 4000 + ",)"), ["(999", "damaged"]),
    (".npy", npy_of_shape("(" + "9" * 9000 + ",)"), ["NumPy header"]),
    (".npy", npy_of_shape("(6.0,)"), ["NumPy header"]),
    (".npy", npy_of_shape("{[]: 1}"), ["NumPy header"]),
    (".npy", npy_of_shape("(" * 3000), ["NumPy header"]),
    (".npy", npy_of_shape("(" + "-" * 9000 + "6,)"), ["NumPy header"]),
    (".npy", npy_of_shape("(6,)", descr="i8; import os"), ["NumPy header"]),
    (".npy", npy_of_shape("(6,)", descr="(2,3)i4"), ["integers"]),
    (".npy", npy_with_header("{}", version=9), ["NumPy header"]),
    (".npy", npy_with_header("7"), ["NumPy header"]),
    (".npy", npy_with_header(" " * 65000), ["NumPy header"]),
    (".npy", bytes(MAX_BYTES + 1), ["larger than"]),
    (".txt", b"", ["empty"]),
    (".txt", b" \n|", ["no numbers"]),
    (".txt", b"\xff\xfe0\x000", ["byte 0 is not UTF-8"]),
    (".txt", b"0 0 0 \x00", ["number 4 is"]),
    (".txt", "0 0 0 \N{SUPERSCRIPT TWO}".encode(), ["number 4 is"]),
    (".txt", b"0 0 0 -1", ["number 4 is '-1'", "whole numbers"]),
    (".txt", b"0 0 0 0.5", ["number 4 is '0.5'"]),
    (".txt", b"0 0 nan", ["number 3 is 'nan'"]),
    (".txt", b"0 0 True", ["number 3 is 'True'"]),
    (".txt", b"9" * 900_000, ["number 1 is '999"]),
    (".txt", b"7 7 7", ["no space reads it", "macro: 3 numbers", "recurrent: the function", "micro: 3"]),
    (".txt", b"0 " * 45_450 + b"9", ["macro: the number of layers is 301", "3 to 300"]),
    (".txt", b"0 " * 600_000, ["larger than"]),
    (".json", b"", ["empty"]),
    (".json", b"\xff{}", ["UTF-8"]),
    (".json", b"{", ["not JSON"]),
    (".json", b"[1, 2]", ["a list of 2", "object"]),
    (".json", b"null", ["None", "object"]),
    (".json", b"1", ["holds 1"]),
    (".json", b"NaN", ["holds nan"]),
    (".json", b"{}", ["space is None", "macro, micro, recurrent"]),
    (".json", b"[" * 900_000, ["not JSON", "recursion"]),
    (".json", b'{"space":' * 90_000, ["not JSON", "recursion"]),
    (".json", b'{"format": 1, "format": 1}', ["'format' twice"]),
    (".json", json.dumps({f"{i}": 0 for i in range(50_000)}).encode()[:-1] + b', "0": 0}', ["'0' twice"]),
    (".json", b'{"space": "macro", "format": ' + b"1" * 900_000 + b"}", ["not JSON", "900000 digits"]),
    (".json", document(MACRO, space="cnn"), ["space is 'cnn'"]),
    (".json", document(MACRO, space=["macro"]), ["space is a list of 1"]),
    (".json", document(MACRO, space="micro"), ["has no 'normal'"]),
    (".json", document(MACRO, format=2), ["format is 2", "reads format 1"]),
    (".json", document(MACRO, format=True), ["format is True"]),
    (".json", document(MACRO, format=1.0), ["format is 1.0"]),
    (".json", document(MACRO, format=KeyError), ["format is None"]),
    (".json", document(MACRO, origin="there"), ["origin is 'there'"]),
    (".json", document(MACRO, colour="red"), ["'colour'", "unknown"]),
    (".json", document(MACRO, layers=KeyError), ["no 'layers'"]),
    (".json", document(MACRO, layers={}), ["layers is an object", "list"]),
    (".json", document(MACRO, layers=[]), ["number of layers is 0"]),
    (".json", document(MACRO, layers=[[]] * 3), ["layer 0 is a list of 0"]),
    (".json", document(MACRO, layers=[{}] * 90_000), ["number of layers is 90000"]),
    (".json", layers(operation="conv7x7"), ["layer 0 is 'conv7x7'", "conv3x3"]),
    (".json", layers(operation=0), ["layer 0 is 0"]),
    (".json", layers(operation=[]), ["layer 0 is a list of 0"]),
    (".json", layers(skips=["stem"]), ["layer 0 is 'stem'", "expected none"]),
    (".json", layers(skips="stem"), ["skips of layer 0 is 'stem'", "list"]),
    (".json", layers(skip=[]), ["layer 0 has 'skip'", "unknown"]),
    (".json", second_layer(["layer 0"]), ["layer 1 is 'layer 0'", "stem"]),
    (".json", second_layer([True]), ["layer 1 is True"]),
    (".json", second_layer(["stem", "stem"]), ["layer 1", "'stem' twice"]),
    (".json", document(MICRO, normal=[]), ["0 and 5 nodes"]),
    (".json", document(MICRO, normal=None), ["normal cell is None", "list"]),
    (".json", document(MICRO, normal=[{"input_x": 0}]), ["node 0 of the normal cell has no 'operation_x'"]),
    (".json", document(MICRO, normal=[5]), ["node 0 of the normal cell is 5"]),
    (".json", document(ARC, output="mean"), ["output is 'mean'", "loose_ends"]),
    (".json", document(ARC, output=[]), ["output is a list of 0"]),
    (".json", document(ARC, first_function="relu"), ["node 0 is relu"]),
    (".json", document(ARC, first_function={}), ["node 0 is an object"]),
    (".json", document(ARC, nodes=[]), ["no nodes"]),
    (".json", document(ARC, nodes=[{"previous": "node 1", "function": "tanh"}, *ARC_NODES]), ["is 'node 1'"]),
    (".json", document(ARC, nodes=[{"previous": 0, "function": "tanh"}]), ["node 1 is 0", "node 0"]),
    (".json", document(ARC, nodes=[{"previous": "node 0", "function": 1}]), ["function of node 1 is 1"]),
    (".json", document(ARC, nodes=[{"previous": ["node 0"], "function": "tanh"}]), ["a list of 1"]),
]


@pytest.mark.parametrize("suffix, data, words", HOSTILE, ids=range(len(HOSTILE)))
def test_a_file_that_is_no_architecture_gives_one_line(tmp_path, suffix, data, words):
    path = tmp_path / f"hostile{suffix}"
    path.write_bytes(data)
    with pytest.raises(UserError) as caught:
        load_architecture(path)
    message = str(caught.value)
    assert message.startswith(f"architecture file {path}: ")
    assert all(word in message for word in words), message
    assert "\n" not in message and len(message) < 700
