"""The three files of a text in a folder: found by their usual names, read in their usual forms."""

import codecs
import lzma
import re
from pathlib import Path

from errors import UserError

PARTS = ("train", "valid", "test")
WORDS = {"train": ("train", "training"), "valid": ("valid", "val", "validation", "dev"), "test": ("test", "testing")}
SUFFIXES = ("", ".txt", ".tokens", ".raw")  # each also with .xz
LINE_ENDS = re.compile("\r\n|[\r\x85\u2028\u2029]")  # of other systems, and Unicode's own
MARK = "\ufeff"  # begins many files of Windows, and stands within where such files were joined
EXAMPLES = "ptb.train.txt, ptb.valid.txt, ptb.test.txt; train.txt, valid.txt, test.txt; or wiki.train.tokens, ..."
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def find_parts(place):
    """Dict: each of PARTS -> the path of its file, plain or .xz, in the folder `place`, or in `place` itself: "TRAIN,VALID,TEST".

    Penn Treebank's names come first, then whatever name has the word for the part in it. Raises UserError when a part has no
    file or several, or two parts have the same.
    """
    folder, paths = Path(place), listed(place)
    if paths:
        if len({path.resolve() for path in paths}) < len(paths):
            raise UserError(f"--data-dir {place} names one file for two parts; give three: TRAIN,VALID,TEST")
        return dict(zip(PARTS, paths, strict=True))
    try:
        names = sorted(path.name for path in folder.iterdir() if path.is_file())
    except OSError as error:
        wanted = f"it must hold three texts, such as {EXAMPLES}"
        raise UserError(f"cannot read {folder}: {error.strerror or error}; {wanted}") from error
    return {part: folder / _find(folder, names, part) for part in PARTS}


def listed(place):
    """The three paths of "TRAIN,VALID,TEST"; none for the path of a folder."""
    paths = [Path(path.strip()) for path in str(place).split(",") if path.strip()]
    return paths if len(paths) == len(PARTS) and not Path(place).is_dir() else []


def _find(folder, names, part):
    usual = [name for name in (f"ptb.{part}.txt", f"ptb.{part}.txt.xz") if name in names]
    if usual:
        return usual[0]
    found = [name for name in names if _is_part(name, part) and not (name.endswith(".xz") and name[:-3] in names)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise UserError(f"no {part} text in {folder}; name the three files {EXAMPLES}, plain or .xz")
    raise UserError(f"{folder} has several files for the {part} text: {', '.join(found)}; keep one of them")


def _is_part(name, part):
    name = Path(name.lower().removesuffix(".xz"))
    if name.name.startswith("."):
        return False
    if name.suffix.removeprefix(".") in WORDS[part]:  # as in wiki.train
        return True
    return name.suffix in SUFFIXES and bool(set(re.split(r"[^a-z]+", name.stem)) & set(WORDS[part]))


def read_text(path):
    """The text in a file, with the line ends of any system as newlines. UTF-8, or UTF-16 with its mark; .xz is unpacked.

    Raises UserError naming the file when it cannot be read.
    """
    try:
        with (lzma.open if path.suffix == ".xz" else open)(path, "rb") as file:
            data = file.read()
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise UserError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}; restore the file") from error
    try:
        text = data.decode("utf-16" if data.startswith(UTF16) else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"cannot read {path}: byte {error.start} is not {error.encoding.upper()}; save it as UTF-8") from error
    if "\0" in text:
        reason = "it contains zero bytes, as binary files and UTF-16 without a byte-order mark do"
        raise UserError(f"cannot read {path}: {reason}; save it as UTF-8")
    return LINE_ENDS.sub("\n", text.replace(MARK, ""))
