import hashlib
import lzma

import numpy as np
import pytest

from datasets import penn_treebank
from datasets.download import RemoteFile
from datasets.penn_treebank import (
    batchify,
    evaluation_rows,
    fixed_segments,
    load_text,
    random_segments,
    whole_rows,
    whole_segments,
)
from errors import UserError

TEXTS = {
    "train": " the <unk> cat sat \n the cat 's N\n",
    "valid": " a cat sat\n",
    "test": "the the\r\nÄ",
}


def write(folder, texts, compressed=()):
    for part, text in texts.items():
        if part in compressed:
            (folder / f"ptb.{part}.txt.xz").write_bytes(lzma.compress(text.encode()))
        else:
            (folder / f"ptb.{part}.txt").write_bytes(text.encode())


def refusal(*arguments):
    with pytest.raises(UserError) as error:
        load_text(*arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("compressed", [(), ("train", "valid", "test"), ("valid",)])
def test_words_are_numbered_by_the_training_text(tmp_path, compressed):
    write(tmp_path, TEXTS, compressed)
    text = load_text("ptb", tmp_path)
    assert text.vocabulary == ("'s", "<eos>", "<unk>", "N", "cat", "sat", "the")
    assert text.train.tolist() == [6, 2, 4, 5, 1, 6, 4, 0, 3, 1]
    assert text.valid.tolist() == [2, 4, 5, 1]  # "a" is unknown
    assert text.test.tolist() == [6, 6, 1, 2]  # no newline, no <eos>
    assert text.name == "ptb"
    assert {array.dtype for array in (text.train, text.valid, text.test)} == {np.dtype(np.int32)}


def test_an_unknown_word_without_a_token_for_it(tmp_path):
    write(tmp_path, {**TEXTS, "train": "the cat sat\n", "valid": "the cat\n"})
    text = refusal("ptb", tmp_path)
    assert text.startswith(f"{tmp_path}/ptb.test.txt: the word 'Ä' is not in {tmp_path}/ptb.train.txt")


def test_every_word_known_needs_no_token_for_others(tmp_path):
    write(tmp_path, {"train": "b a\n", "valid": "a\n", "test": "b\n"})
    assert load_text("ptb", tmp_path).valid.tolist() == [1, 0]


def test_missing_files(tmp_path):
    assert f"no train text in {tmp_path}; name the three files ptb.train.txt" in refusal("ptb", tmp_path)
    write(tmp_path, {"train": "a\n", "valid": "a\n"})
    assert f"no test text in {tmp_path}; " in refusal("ptb", tmp_path)
    assert f"cannot read {tmp_path}/nowhere: No such file or directory; it must hold" in refusal("ptb", tmp_path / "nowhere")


@pytest.mark.parametrize(
    "content, reason",
    [(lzma.compress(b"a b c\n" * 100)[:-20], "ended before"), (b"not xz at all", "not supported")],
)
def test_damaged_compression(tmp_path, content, reason):
    write(tmp_path, {"train": "a\n", "test": "a\n"})
    (tmp_path / "ptb.valid.txt.xz").write_bytes(content)
    text = refusal("ptb", tmp_path)
    assert text.startswith(f"cannot read {tmp_path}/ptb.valid.txt.xz: ")
    assert reason in text


def test_unreadable_and_empty_files(tmp_path):
    write(tmp_path, TEXTS)
    (tmp_path / "ptb.valid.txt").write_bytes(b"caf\xe9\n")
    assert refusal("ptb", tmp_path).startswith(
        f"cannot read {tmp_path}/ptb.valid.txt: byte 3 is not UTF-8; save it as UTF-8"
    )
    for content in (b"", b" ", b"\n\n\n", b"\xef\xbb\xbf"):
        (tmp_path / "ptb.valid.txt").write_bytes(content)
        assert refusal("ptb", tmp_path).startswith(f"{tmp_path}/ptb.valid.txt is empty")
    (tmp_path / "ptb.valid.txt").unlink()
    (tmp_path / "ptb.valid.txt").mkdir()
    assert refusal("ptb", tmp_path) .startswith(f"no valid text in {tmp_path}; ")


def test_download(site, monkeypatch, tmp_path):
    site.content = b"one two\n"
    digest = hashlib.sha256(site.content).hexdigest()
    remotes = {part: RemoteFile(f"{site.url}/ptb.{part}.txt", 8, digest) for part in penn_treebank.PARTS}
    monkeypatch.setattr(penn_treebank, "PTB", remotes)
    monkeypatch.setenv("HOME", str(tmp_path))
    lines = []
    assert load_text("ptb", log=lines.append).test.tolist() == [1, 2, 0]
    assert len(lines) == len(site.requests) == 3
    assert load_text("ptb", log=lines.append).train.tolist() == [1, 2, 0]
    assert len(lines) == 3
    assert (tmp_path / "nnabla_data" / "ptb.valid.txt").read_bytes() == site.content


def test_ways_out_without_a_network(site, monkeypatch, tmp_path):
    remotes = {part: RemoteFile(f"{site.url}/absent/ptb.{part}.txt", 8, "0") for part in penn_treebank.PARTS}
    monkeypatch.setattr(penn_treebank, "PTB", remotes)
    monkeypatch.setenv("HOME", str(tmp_path))
    text = refusal("ptb")
    assert (
        f"put ptb.train.txt, ptb.valid.txt, ptb.test.txt into {tmp_path}/nnabla_data, or give --data-dir"
        in text
    )
    assert "--dataset pydoc" in text


def test_unknown_name():
    assert refusal("ptc") == "unknown text dataset 'ptc'; choose one of ptb, text, pydoc"


def test_the_documentation_of_python():
    lines = []
    text = load_text("pydoc", log=lines.append)
    assert len(lines) == 1
    assert len(text.vocabulary) == 2002
    assert list(text.vocabulary) == sorted(text.vocabulary)
    sizes = np.array([len(text.train), len(text.valid), len(text.test)])
    np.testing.assert_allclose(sizes / sizes.sum(), [0.8, 0.1, 0.1], atol=0.03)
    assert sizes.sum() > 50_000
    np.testing.assert_array_equal(np.unique(text.train), range(2002))
    words = [text.vocabulary[k] for k in text.train[:6]]
    assert words == ["the", '"', "assert", '"', "statement", "<eos>"]
    again = load_text("pydoc", log=lines.append)
    np.testing.assert_array_equal(text.test, again.test)


def test_no_paragraph_of_the_documentation_stands_twice():
    topics = penn_treebank._pydoc_topics()
    words = [word for topic in topics for word in topic]
    ends = [k for k, word in enumerate(words) if word == "<eos>"]
    paragraphs = [tuple(words[a + 1 : b]) for a, b in zip([-1, *ends], ends, strict=False)]
    assert len(paragraphs) > 1000
    assert len(set(paragraphs)) == len(paragraphs)


def test_words_of_a_paragraph():
    paragraph = "a table\n=======\n+---+---+\n| x_1 | 2.5 |\n+---+---+"
    assert penn_treebank._words(paragraph) == ("a", "table", "|", "x_1", "|", "2", ".", "5", "|")


def test_batchify():
    rows = batchify(np.arange(11, dtype=np.int32), 3)
    assert rows.tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    with pytest.raises(UserError, match="11 tokens are too few for 6 rows"):
        batchify(np.arange(11), 6)


def test_fixed_segments_predict_every_token_but_the_first_once():
    assert fixed_segments(10, 4) == [(0, 4), (4, 4), (8, 1)]
    for columns in range(2, 40):
        for length in (1, 2, 7, 35):
            segments = fixed_segments(columns, length)
            targets = [start + k + 1 for start, size in segments for k in range(size)]
            assert targets == list(range(1, columns))
            assert all(size <= length for _, size in segments)


def test_evaluation_rows_count_every_token_but_the_first_once():
    for size in (2, 7, 50, 51):
        for rows in (1, 2, 3, 7):
            tokens = np.random.default_rng(size).permutation(size)
            inputs, targets, counted = evaluation_rows(tokens, rows)
            assert inputs.shape == targets.shape == counted.shape == (rows, -(-(size - 1) // rows))
            assert targets[counted == 1].tolist() == tokens[1:].tolist()
            assert inputs[counted == 1].tolist() == tokens[:-1].tolist()
            assert set(np.unique(counted)) <= {0, 1}
    with pytest.raises(UserError, match="1 token"):
        evaluation_rows(np.zeros(1), 3)


SHAPES = [(929_589, 20, 35), (929_589, 64, 35), (73_760, 20, 35), (71, 2, 34), (72, 2, 34), (8, 2, 3)]


@pytest.mark.parametrize("size, rows, length", SHAPES)
def test_whole_segments_number_as_in_the_authors_first_code(size, rows, length):
    """((words // batch) - 1) // length of them, in order; a target is the word after its input."""
    tokens = np.arange(size)
    inputs, targets, counted = whole_rows(tokens, rows, length)
    assert inputs.shape == targets.shape == counted.shape == (rows, ((size // rows) - 1) // length * length)
    np.testing.assert_array_equal(targets, inputs + 1)
    np.testing.assert_array_equal(inputs[:, 0], np.arange(rows) * (size // rows))
    np.testing.assert_array_equal(np.diff(inputs, axis=1), 1)
    assert (counted == 1).all()
    starts = range(0, inputs.shape[1], length)
    assert whole_segments(size // rows, length) == [(start, length) for start in starts]


def test_a_text_without_a_whole_segment_is_refused():
    whole_rows(np.arange(10), 2, 4)
    with pytest.raises(UserError, match="rows of 4 tokens are too short for a segment of 4"):
        whole_rows(np.arange(9), 2, 4)


def test_random_segments_follow_one_another():
    for seed in range(30):
        columns = 300 + seed
        segments = list(random_segments(columns, np.random.default_rng(seed)))
        starts = [start for start, _ in segments]
        ends = [start + length for start, length in segments]
        assert starts == [0, *ends[:-1]]
        assert (
            columns - 3 <= ends[-1] <= columns - 1
        )  # the last target is a column, fewer than 3 are left out
        assert all(columns - 1 - start >= 3 for start in starts)


def test_random_segments_have_the_lengths_of_the_authors():
    lengths = np.array([length for _, length in random_segments(700_000, np.random.default_rng(0))][:-1])
    assert lengths.min() >= 7  # 17.5 - 2 * 5
    assert lengths.max() <= 45  # 35 + 2 * 5
    short = lengths < 25  # no long one is below 35 - 2 * 5; of the short ones, 7 % are at or above 25
    assert abs(short.mean() - 0.05 * 0.93) < 0.01
    long_ones = lengths[lengths >= 28]
    assert abs(long_ones.mean() - 34.9) < 0.3
    assert (
        abs(lengths[~short].std() - 5 * 0.88) < 0.15
    )  # a normal deviation cut at two sigma keeps 0.88 of its width


def test_random_segments_stay_within_the_text():
    lengths = [length for _, length in random_segments(5_000, np.random.default_rng(1), base=6)]
    assert min(lengths) == 1  # 3 - 2 * 5 would be negative
    assert max(lengths) <= 16
    assert list(random_segments(2, np.random.default_rng(2))) == [(0, 1)]
    assert list(random_segments(4, np.random.default_rng(2))) == [(0, 3)]


def test_random_segments_follow_the_generator():
    one, same, other = (list(random_segments(900, np.random.default_rng(seed))) for seed in (3, 3, 4))
    assert one == same != other
