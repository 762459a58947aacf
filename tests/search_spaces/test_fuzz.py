"""Whatever the bytes of a file are: an architecture that survives all forms, or a UserError of one line."""

import io
import json

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from errors import UserError
from search_spaces import macro, micro, recurrent
from search_spaces.files import SPACES, parse
from search_spaces.genotype import read_genotype, to_genotype

bounded = settings(max_examples=150, deadline=None, derandomize=True, database=None)
spaces = st.sampled_from([None, *SPACES])
suffixes = st.sampled_from([".npy", ".txt", ".json", ".npz", ""])
architectures = st.one_of(
    st.builds(
        lambda space, seed: space.random(np.random.default_rng(seed)),
        st.sampled_from([macro.MacroSpace(4), micro.MicroSpace(2), recurrent.RecurrentSpace(3)]),
        st.integers(0, 2**32),
    ),
    st.sampled_from([*recurrent.PUBLISHED.values(), *micro.PUBLISHED.values()]),
)


def check(data, suffix, space_name):
    """Parse; true if it was an architecture."""
    try:
        architecture = parse(data, suffix, space_name)
    except UserError as error:
        assert len(str(error).splitlines()) == 1
        return False
    kind = type(architecture)
    assert space_name in (None, kind.space)
    assert kind.from_text(architecture.to_text()) == architecture
    assert kind.from_numbers(architecture.to_numbers()) == architecture
    assert kind.from_json(json.loads(json.dumps(architecture.to_json()))) == architecture
    return True


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()


def to_bytes(architecture, suffix):
    if suffix == ".npz":
        stream = io.BytesIO()
        np.savez(stream, arch=architecture.to_numbers())
        return stream.getvalue()
    if suffix == ".npy":
        return npy(architecture.to_numbers())
    return (json.dumps(architecture.to_json()) if suffix == ".json" else architecture.to_text()).encode()


@bounded
@given(architectures, suffixes)
def test_valid_files_are_read(architecture, suffix):
    assert check(to_bytes(architecture, suffix), suffix, architecture.space)


@bounded
@given(st.binary(max_size=200), suffixes, spaces)
def test_any_bytes(data, suffix, space_name):
    check(data, suffix, space_name)


@bounded
@given(architectures, suffixes, spaces, st.data())
def test_damaged_files(architecture, suffix, space_name, data):
    content = bytearray(to_bytes(architecture, suffix))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        stop = start + data.draw(st.integers(0, 3))
        content[start:stop] = data.draw(st.binary(max_size=3))
    check(bytes(content), suffix, space_name)


@bounded
@given(st.lists(st.integers(-1, 6), max_size=48), st.sampled_from(" |\n\t"), spaces)
@example([0] * 36, " ", None)
def test_rows_of_small_numbers(numbers, separator, space_name):
    check(separator.join(str(number) for number in numbers).encode(), ".txt", space_name)


@bounded
@given(
    arrays(
        st.sampled_from(["i1", "u1", "<i8", ">i4", "u8", "f4", "?", "U2", "M8[s]"]),
        st.sampled_from([(), (0,), (1,), (6,), (7,), (10,), (2, 4), (2, 8), (8, 2), (2, 2, 2)]),
    ),
    spaces,
)
def test_arrays_of_any_type_and_shape(array, space_name):
    check(npy(array), ".npy", space_name)


@bounded
@given(st.text(st.characters(codec="latin-1"), max_size=120), st.booleans(), st.binary(max_size=16))
def test_headers_of_any_text(text, in_dict, body):
    header = f"{{'descr': {text}, 'fortran_order': False, 'shape': (2,)}}" if in_dict else text
    header = header.encode("latin-1") + b"\n"
    check(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + body, ".npy", None)


pieces = ["0", "1", " 2 ", "3 ", "12", " ", ",", "[", "]", "(", ")", '"', "'", "|", ";", "\n", "\r\n", "#", "-", ".5", "---"]
pieces += ["{", "}", "fixed_arc", "arc", "="]
pieces += ["+=", "$fixed_arc", "${arc}", "val_acc=0.5", ":", "\\", "export ", "--child_", "\ufeff", "\0"]
pieces += ["Genotype(", "normal=", "reduce=", "normal_concat=", "reduce_concat=", "recurrent=", "concat=", "('skip_connect', 0)"]
pieces += ["range(2, 3)", "('sep_conv_3x3', 1)", "('tanh', 0)", "*", "**", "lambda: 0", "0 0 0 0 0 0", "[0 0 0 0 0 0 0 0]"]


@settings(bounded, max_examples=500)
@given(st.lists(st.sampled_from(pieces), max_size=30), spaces)
@example(["[", "0 0 0 0 0 0", "]", "\n", "val_acc=0.5"], None)
def test_texts_of_the_pieces_that_are_understood(parts, space_name):
    check("".join(parts).encode(), ".txt", space_name)


@bounded
@given(architectures, st.data())
def test_however_a_row_is_dressed_it_means_the_same_or_is_refused(architecture, data):
    words = architecture.to_text().split()
    dressed = data.draw(st.sampled_from(["", "[", "(", '"', "arc=", 'fixed_arc="', "[["]))
    for word in words:
        dressed += word + data.draw(st.sampled_from([" ", ", ", "\n", " | ", ",", "\t", "; "]))
    dressed += data.draw(st.sampled_from(["", "]", ")", '"', "]]", "\nval_acc=0.5", "# 7"]))
    try:
        assert parse(dressed.encode(), ".txt", architecture.space) == architecture
    except UserError as error:
        assert len(str(error).splitlines()) == 1


@bounded
@given(st.integers(0, 2**32), st.data())
def test_damaged_genotypes(seed, data):
    cells = micro.MicroSpace(2).random(np.random.default_rng(seed))
    cell = data.draw(st.sampled_from([cells, *recurrent.PUBLISHED.values()]))
    try:
        text = to_genotype(cell)
    except UserError:
        return
    assert read_genotype(text) == (cell, ())
    start = data.draw(st.integers(0, len(text)))
    text = text[:start] + data.draw(st.sampled_from(["", "0", ")", "(", "'", ",", "\n", "é"])) + text[start + 1 :]
    check(text.encode(), ".txt", None)


names = ["format", "space", "origin", "layers", "operation", "skips", "normal", "reduction", "input_x"]
names += ["operation_x", "input_y", "operation_y", "nodes", "previous", "function", "first_function"]
names += ["output", "all", "macro", "micro", "recurrent", "stem", "layer 0", "node 0", "conv3x3", "tanh"]
words = st.sampled_from(names)
leaves = st.one_of(words, st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3))
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=5),
    max_leaves=9,
)


@bounded
@given(values, spaces)
def test_json_of_any_structure(value, space_name):
    check(json.dumps(value).encode(), ".json", space_name)


@bounded
@given(architectures, values, st.data())
def test_json_with_one_part_exchanged(architecture, value, data):
    document = architecture.to_json()
    part, key = document, data.draw(st.sampled_from(sorted(document)))
    while isinstance(part[key], (dict, list)) and part[key] and data.draw(st.booleans()):
        part = part[key]
        key = data.draw(st.sampled_from(sorted(part) if isinstance(part, dict) else range(len(part))))
    part[key] = value
    check(json.dumps(document).encode(), ".json", None)
