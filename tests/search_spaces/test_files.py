import json
import os

import numpy as np
import pytest

from errors import UserError
from search_spaces import files, macro, micro, recurrent
from search_spaces.files import (
    SUFFIXES,
    check_architecture_path,
    load_architecture,
    parse,
    save_architecture,
)

PUBLISHED = [
    *macro.PUBLISHED.values(),
    *micro.PUBLISHED.values(),
    *recurrent.PUBLISHED.values(),
]
MACRO = macro.MacroSpace(12).random(np.random.default_rng(1))
MICRO = micro.PUBLISHED["enas"]
ARC = recurrent.PUBLISHED["enas"]


# Reading and writing


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("architecture", PUBLISHED, ids=lambda architecture: architecture.space)
def test_published_architectures_are_read_back_without_naming_the_space(tmp_path, suffix, architecture):
    path = tmp_path / f"arch{suffix}"
    save_architecture(path, architecture)
    assert load_architecture(path) == architecture
    assert load_architecture(path, architecture.space) == architecture
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("space", [macro.MacroSpace(12), micro.MicroSpace(5), recurrent.RecurrentSpace(9)])
def test_random_architectures_are_read_back(tmp_path, suffix, space):
    rng = np.random.default_rng(0)
    for _ in range(10):
        architecture = space.random(rng)
        save_architecture(tmp_path / f"a{suffix}", architecture)
        assert load_architecture(tmp_path / f"a{suffix}", space.name) == architecture


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_largest_network_fits_its_file(tmp_path, suffix):
    layers = macro.MAX_LAYERS
    largest = macro.MacroArchitecture(("sepconv3x3",) * layers, tuple((1,) * i for i in range(layers)))
    save_architecture(tmp_path / f"a{suffix}", largest)
    assert load_architecture(tmp_path / f"a{suffix}") == largest


@pytest.mark.parametrize("architecture, shape", [(MACRO, (78,)), (MICRO, (2, 20)), (ARC, (16,))])
def test_npy_files_are_plain_int64_arrays(tmp_path, architecture, shape):
    save_architecture(tmp_path / "a.npy", architecture)
    array = np.load(tmp_path / "a.npy", allow_pickle=False)
    assert array.dtype == np.int64 and array.shape == shape
    np.testing.assert_array_equal(array, architecture.to_numbers())


@pytest.mark.parametrize("dtype", ["int8", "uint8", ">i2", "int32", "uint64"])
def test_npy_files_of_any_integer_type_are_read(tmp_path, dtype):
    np.save(tmp_path / "a.npy", MICRO.to_numbers().astype(dtype))
    assert load_architecture(tmp_path / "a.npy") == MICRO


def test_npy_files_stored_by_columns_are_read(tmp_path):
    np.save(tmp_path / "a.npy", np.asfortranarray(MICRO.to_numbers()))
    assert load_architecture(tmp_path / "a.npy") == MICRO


def test_text_files_may_have_bars_line_breaks_and_a_byte_order_mark(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbf0 2 1 0 |\r\n2 1 2 2\n4 0 5 0 | 3 2 6 2\n\n")
    assert load_architecture(tmp_path / "a.txt") == ARC
    save_architecture(tmp_path / "b.txt", ARC)
    assert (tmp_path / "b.txt").read_bytes() == b"0 2 1 0 2 1 2 2 4 0 5 0 3 2 6 2\n"


def test_the_suffix_may_be_in_capitals(tmp_path):
    save_architecture(tmp_path / "A.NPY", MACRO)
    assert load_architecture(tmp_path / "A.NPY") == MACRO


def test_json_keeps_the_origin_as_plain_json(tmp_path):
    origin = {
        "seed": 3,
        "accuracy": np.float32(0.5),
        "steps": np.arange(2),
        "perplexity": float("inf"),
        "spread": np.float64("nan"),
        "from": ("search", None, True),
    }
    save_architecture(tmp_path / "a.json", MACRO, origin)
    document = json.loads((tmp_path / "a.json").read_text(), parse_constant=pytest.fail)
    assert document["origin"] == {
        "seed": 3,
        "accuracy": 0.5,
        "steps": [0, 1],
        "perplexity": "inf",
        "spread": "nan",
        "from": ["search", None, True],
    }
    assert (document["format"], document["space"]) == (1, "macro")
    assert load_architecture(tmp_path / "a.json") == MACRO


def test_writing_twice_gives_the_same_bytes(tmp_path):
    for suffix in SUFFIXES:
        save_architecture(tmp_path / f"a{suffix}", MICRO, {"seed": 1})
        save_architecture(tmp_path / f"b{suffix}", MICRO, {"seed": 1})
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


@pytest.mark.parametrize("name", ["foo", "my.model", "arch.pkl", "arch.npy.gz", "enas-micro", "0 1 0", ".hidden", "Foo.NPZ"])
@pytest.mark.parametrize("architecture", PUBLISHED[:3], ids=lambda architecture: architecture.space)
def test_any_other_name_takes_an_array(tmp_path, monkeypatch, name, architecture):
    monkeypatch.chdir(tmp_path)
    save_architecture(name, architecture)
    assert os.listdir() == [name]
    np.testing.assert_array_equal(np.load(name, allow_pickle=False), architecture.to_numbers())
    assert load_architecture(name) == load_architecture(name, architecture.space) == architecture


@pytest.mark.parametrize("name", ["text", "text.arc", "text.sh"])
def test_under_any_other_name_the_bytes_decide(tmp_path, name):
    for data in (MACRO.to_text(), json.dumps(MACRO.to_json())):
        (tmp_path / name).write_text(data)
        assert load_architecture(tmp_path / name) == MACRO


# Without a file


@pytest.mark.parametrize("name, architecture", files.PUBLISHED.items())
def test_published_architectures_have_names(tmp_path, monkeypatch, name, architecture):
    monkeypatch.chdir(tmp_path)
    assert load_architecture(name) == load_architecture(name, architecture.space) == architecture
    other = "macro" if architecture.space != "macro" else "recurrent"
    with pytest.raises(UserError, match=f"a {architecture.space} architecture; published ones of the {other} space: enas-"):
        load_architecture(name, other)


def test_a_file_hides_the_published_architecture_and_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_architecture("enas-macro", MACRO)
    lines = []
    assert load_architecture("enas-macro", "macro", lines.append) == MACRO
    assert lines == ["architecture: the file enas-macro (not the published one of that name)"]


@pytest.mark.parametrize("text", ["{}", "[{}]", '"{}"', " {} ", "'{}'"])
def test_the_numbers_themselves_may_be_given(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    for architecture in PUBLISHED[:3]:
        numbers = architecture.to_text()
        assert load_architecture(text.format(numbers)) == architecture
        assert load_architecture(text.format(numbers.replace(" ", ", ")), architecture.space) == architecture


@pytest.mark.parametrize("name, words", [
    ("0 1 0 1", ["architecture '0 1 0 1': not a macro", "4 numbers"]),
    ("12", ["architecture file 12: cannot read it"]),
    ("enas-marco", ["architecture file enas-marco: cannot read it", "(did you mean enas-macro?)"]),
    ("macro_acrh.npy", ["(did you mean macro_arch.npy?)"]),
    ("folder/macro_acrh.npy", ["(did you mean macro_arch2.npy?)"]),
    ("1 2 x", ["architecture file 1 2 x: cannot read it"]),
])
def test_what_is_neither_file_nor_name_nor_numbers(tmp_path, monkeypatch, name, words):
    monkeypatch.chdir(tmp_path)
    os.mkdir("folder")
    save_architecture("macro_arch.npy", MACRO)
    save_architecture("folder/macro_arch2.npy", MACRO)
    with pytest.raises(UserError) as caught:
        load_architecture(name, "macro")
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_program_is_not_proposed_as_an_architecture(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "macro_search.py").write_text("")
    with pytest.raises(UserError) as caught:
        load_architecture("macro_arch.npy", "macro")
    assert "did you mean" not in str(caught.value)


# Which space a row of numbers is of


def test_a_row_that_several_spaces_read_follows_the_rule_and_can_be_overruled():
    zeros = b"0 " * 6  # macro of 3 layers, or an arc of 3 nodes
    assert parse(zeros, ".txt").space == "macro"
    assert parse(zeros, ".txt", "recurrent").space == "recurrent"
    short = b"0 " * 16  # an arc of 8 nodes, or cells of 2 nodes
    assert parse(short, ".txt").space == "recurrent"
    assert parse(short, ".txt", "micro").space == "micro"
    long = b"0 " * 40  # cells of 5 nodes, or an arc of 20 nodes
    assert parse(long, ".txt").space == "micro"
    assert parse(long, ".txt", "recurrent").space == "recurrent"


def test_cells_of_two_nodes_are_found_when_no_arc_fits():
    cells = micro.MicroArchitecture.from_text("0 4 1 4 2 4 2 4 0 4 1 4 2 4 2 4")
    assert parse(cells.to_text().encode(), ".txt") == cells


def test_a_row_of_macro_bits_wins_over_an_arc():
    text = macro.PUBLISHED["enas"].to_text().encode()
    assert parse(text, ".txt", "recurrent").num_nodes == 150  # it could be read as this
    assert parse(text, ".txt") == macro.PUBLISHED["enas"]


# Spaces and paths that do not fit


AS = "It can be read as a "
WRONG_SPACE = [
    (MACRO, "micro", ["(78,)", "2 dimension", AS + "macro"], ["78 numbers", "8 B", AS + "macro"], ["'macro'", "'micro'"]),
    (MICRO, "macro", ["(2, 20)", "1 dim", AS + "micro"], ["40 numbers", "(L + 1) / 2", AS + "micro"], ["'micro'", "'macro'"]),
    (MICRO, "recurrent", ["(2, 20)", "1 dim", AS + "micro"], ["node 3 is 4", AS + "micro"], ["'micro'", "'recurrent'"]),
    (ARC, "macro", ["16 numbers", AS + "recurrent"], ["16 numbers", AS + "recurrent"], ["'recurrent'", "'macro'"]),
]


@pytest.mark.parametrize("architecture, space, npy_words, txt_words, json_words", WRONG_SPACE)
def test_a_file_of_another_space_is_refused(tmp_path, architecture, space, npy_words, txt_words, json_words):
    for suffix, words in ((".npy", npy_words), (".txt", txt_words), (".json", json_words)):
        save_architecture(tmp_path / f"a{suffix}", architecture)
        with pytest.raises(UserError) as caught:
            load_architecture(tmp_path / f"a{suffix}", space)
        assert all(word in str(caught.value) for word in words), str(caught.value)


def test_an_unknown_space_is_refused(tmp_path):
    save_architecture(tmp_path / "a.npy", MACRO)
    with pytest.raises(UserError, match="the space is 'cnn'; expected one of macro, micro, recurrent"):
        load_architecture(tmp_path / "a.npy", "cnn")


@pytest.mark.parametrize("name, words", [
    ("missing.npy", ["No such file", "check the name"]),
    ("missing/a.npy", ["No such file"]),
    ("folder.npy", ["not a file"]),
    ("pipe.txt", ["not a file"]),
    ("a" * 300 + ".txt", ["too long"]),
    ("zero\0.txt", ["zero byte"]),
    (".npy", ["No such file"]),
    ("misspelt", ["No such file", "(did you mean misspell?)"]),
])
def test_a_path_that_cannot_be_read_is_refused(tmp_path, name, words):
    (tmp_path / "folder.npy").mkdir()
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "misspell").write_text("0 0 0 0 0 0")
    with pytest.raises(UserError) as caught:
        load_architecture(str(tmp_path / name))
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize("name, words", [
    ("", ["is a folder"]),
    ("missing/a.npy", ["no folder", "missing", "create it"]),
    ("file/a.npy", ["no folder"]),
    ("folder.npy", ["is a folder"]),
    ("a" * 250 + ".txt", ["too long"]),
    ("zero\0.txt", ["zero byte"]),
])
def test_a_path_that_cannot_be_written_is_refused_before_any_work(tmp_path, name, words):
    (tmp_path / "folder.npy").mkdir()
    (tmp_path / "file").write_text("")
    path = str(tmp_path / name)
    for refuse in (check_architecture_path, lambda path: save_architecture(path, MACRO)):
        with pytest.raises(UserError) as caught:
            refuse(path)
        assert str(caught.value).startswith(f"architecture file {path}: ")
        assert all(word in str(caught.value) for word in words), str(caught.value)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder.npy"]


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a folder that refuses even root")
def test_a_folder_without_the_right_to_write_is_refused():
    with pytest.raises(UserError, match="cannot write there"):
        check_architecture_path("/proc/arch.npy")


def test_checking_a_path_leaves_it_alone(tmp_path, monkeypatch):
    (tmp_path / "old.npy").write_bytes(b"old")
    check_architecture_path(tmp_path / "old.npy")
    check_architecture_path(tmp_path / "new.json")
    monkeypatch.chdir(tmp_path)
    check_architecture_path("new.txt")
    assert os.listdir(tmp_path) == ["old.npy"]
    assert (tmp_path / "old.npy").read_bytes() == b"old"
