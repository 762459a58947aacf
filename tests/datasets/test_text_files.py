import lzma
import os

import pytest

from datasets.penn_treebank import cut_text, load_text
from datasets.text_files import PARTS, find_parts, read_text
from errors import UserError

TEXTS = {"train": "the <unk> cat\nsat on it\n", "valid": "the cat\n", "test": "it sat\n\non\n"}


def write(folder, name, encoding="utf-8", end="\n", mark=b""):
    for part, text in TEXTS.items():
        (folder / name.format(part)).write_bytes(mark + text.replace("\n", end).encode(encoding))


def tokens(folder):
    text = load_text("ptb", folder)
    return [text.vocabulary, *(array.tolist() for array in (text.train, text.valid, text.test))]


@pytest.fixture
def plain(tmp_path):
    """What the plain files give."""
    folder = tmp_path / "plain"
    folder.mkdir()
    write(folder, "ptb.{}.txt")
    return tokens(folder)


@pytest.mark.parametrize(
    "how",
    [
        {"mark": b"\xef\xbb\xbf"}, {"end": "\r"}, {"end": "\r\n"}, {"encoding": "utf-16"},
        {"encoding": "utf-16-be", "mark": b"\xfe\xff"}, {"mark": b"\xef\xbb\xbf", "end": "\r"},
        {"end": "\u2028"}, {"end": "\x85"}, {"end": "\n\ufeff"},
    ],
)  # fmt: skip
def test_the_forms_of_other_systems_read_alike(tmp_path, plain, how):
    write(tmp_path, "ptb.{}.txt", **how)
    assert tokens(tmp_path) == plain


@pytest.mark.parametrize("name", ["{}.txt", "{}", "wiki.{}.tokens", "wiki.{}.raw", "My-{}_text.txt"])
def test_other_names_are_found(tmp_path, plain, name):
    write(tmp_path, name)
    (tmp_path / "README.md").write_text("what the train, valid and test texts are")
    assert tokens(tmp_path) == plain


def test_what_lies_beside_the_texts_is_not_taken_for_one(tmp_path, plain):
    write(tmp_path, "{}.txt")
    others = "train.txt~", "train.txt.bak", ".train.txt.swp", "._train.txt", "train.py", "test.sh", "valid_model.pt", "train.json"
    for name in others:
        (tmp_path / name).write_bytes(b"other")
    (tmp_path / "test").mkdir()
    os.mkfifo(tmp_path / "valid")
    assert tokens(tmp_path) == plain


def test_other_compressions_are_no_texts(tmp_path):
    write(tmp_path, "{}.txt.gz")
    with pytest.raises(UserError, match="no train text in .*, plain or .xz"):
        find_parts(tmp_path)


@pytest.mark.parametrize("lines, kept", [(1, "a b\n"), (2, "a b\nc"), (3, "a b\nc")])
def test_a_text_is_cut_after_so_many_lines(tmp_path, lines, kept):
    for part in PARTS:
        (tmp_path / f"{part}.txt").write_text("a b\nc")
    folder = cut_text(tmp_path, dict.fromkeys(PARTS, lines), tmp_path / "cut")
    assert [path.read_text() for path in find_parts(folder).values()] == [kept] * 3


def test_validation_has_many_names(tmp_path, plain):
    for name in ("val.txt", "validation.txt", "dev.txt"):
        write(tmp_path, "{}.txt")
        (tmp_path / "valid.txt").rename(tmp_path / name)
        assert find_parts(tmp_path)["valid"] == tmp_path / name and tokens(tmp_path) == plain
        (tmp_path / name).unlink()


def test_the_plain_file_comes_before_the_compressed_one(tmp_path):
    write(tmp_path, "{}.txt")
    (tmp_path / "train.txt.xz").write_bytes(lzma.compress(b"other"))
    assert find_parts(tmp_path)["train"] == tmp_path / "train.txt"


def test_the_treebanks_own_names_come_first(tmp_path):
    write(tmp_path, "ptb.{}.txt")
    write(tmp_path, "ptb.char.{}.txt")
    assert find_parts(tmp_path)["test"] == tmp_path / "ptb.test.txt"


def test_two_texts_for_one_part_are_refused(tmp_path):
    write(tmp_path, "wiki.{}.tokens")
    write(tmp_path, "wiki.{}.raw")
    with pytest.raises(UserError, match="several files for the train text: wiki.train.raw, wiki.train.tokens; keep one of them"):
        find_parts(tmp_path)


@pytest.mark.parametrize(
    "data, reason",
    [
        ("the cat".encode("utf-16-le"), "zero bytes, as binary files and UTF-16 without a byte-order mark do"),
        ("café".encode("latin-1"), "byte 3 is not UTF-8"),
        (b"\xff\xfea", "byte 2 is not UTF-16"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path, data, reason):
    (tmp_path / "train.txt").write_bytes(data)
    with pytest.raises(UserError, match=reason) as error:
        read_text(tmp_path / "train.txt")
    assert str(tmp_path / "train.txt") in str(error.value) and str(error.value).endswith("save it as UTF-8")
