"""Architectures by the name of a file or a published one, or given in words; and files of them."""

import os
import re
import stat

from choices import did_you_mean
from errors import UserError
from files import atomic_write, try_to_write
from search_spaces import macro, micro, recurrent
from search_spaces.forms import MAX_BYTES, SPACES, SUFFIXES, parse, parse_with_remarks, to_bytes  # noqa: F401 - a door to them
from search_spaces.genotype import is_genotype
from search_spaces.parsing import found

# Architectures that a name stands for wherever a file is asked for.
PUBLISHED = {
    "enas-macro": macro.PUBLISHED["enas"],
    "enas-micro": micro.PUBLISHED["enas"],
    "enas-rnn": recurrent.PUBLISHED["enas"],
    "enas-rnn-old": recurrent.PUBLISHED["enas-old"],
    "darts-rnn": recurrent.PUBLISHED["darts"],
}
_NUMBERS = re.compile(r"[\s\[(\"']*\d+[\])\"']*[\s,;|][\s\d\[\](),;|\"']*")  # two at least


def load_architecture(name, space_name=None, log=lambda line: None):
    """The architecture of a file, of one of PUBLISHED, or in `name` itself: its numbers, or a genotype.

    A file of that name comes first; `log` gets a line when it hides a published architecture, and where an architecture is not
    quite what was given. Of what space a file is: `forms.parse`. Raises UserError naming the file, also when it is no
    architecture of the space asked for.
    """
    name = os.fspath(name)
    hidden = " (not the published one of that name)" if name in PUBLISHED else ""
    try:
        if name in PUBLISHED and not os.path.lexists(name):
            return _published(name, space_name)
        if _is_text(name) and not os.path.lexists(name):
            architecture, remarks = parse_with_remarks(name.encode(errors="replace"), ".txt", space_name)
        else:
            architecture, remarks = parse_with_remarks(_read_file(name), _suffix(name), space_name)
            if hidden:
                log(f"architecture: the file {name}{hidden}")
    except UserError as error:
        what = f"architecture {found(name)}" if _is_text(name) else f"architecture file {name}"
        raise UserError(f"{what}: {error}") from error
    for remark in remarks:
        log(remark)
    return architecture


def save_architecture(path, architecture, origin=None):
    """Write an architecture in the form that the suffix says (.txt, .json; .npy for all others); the file is complete or absent.

    origin: dict of where it came from (seed, iteration, accuracy, ...), kept by .json only. Raises UserError
    as `check_architecture_path` does, before anything is written, or when the system refuses.
    """
    check_architecture_path(path)
    with atomic_write(path) as file:
        file.write(to_bytes(architecture, _suffix(path), origin or {}))


def check_architecture_path(path):
    """Raises UserError if `path` cannot take an architecture: for its folder or the rights."""
    try:
        _suffix(path)
        _expect_writable(*os.path.split(os.fspath(path)))
    except UserError as error:
        raise UserError(f"architecture file {os.fspath(path)}: {error}") from error


def _published(name, space_name):
    architecture = PUBLISHED[name]
    if space_name not in (None, architecture.space):
        names = ", ".join(name for name, other in PUBLISHED.items() if other.space == space_name)
        raise UserError(f"this is a {architecture.space} architecture; published ones of the {space_name} space: {names}")
    return architecture


def _is_text(name):
    """Is this rather an architecture than the name of a file?"""
    return is_genotype(name) or _NUMBERS.fullmatch(name) is not None


def _expect_writable(folder, name):
    folder = folder or "."
    if not os.path.isdir(folder):
        raise UserError(f"there is no folder {folder}; create it or choose another")
    if not name or os.path.isdir(os.path.join(folder, name)):
        raise UserError("this is a folder; choose the name of a file")
    try:
        try_to_write(folder, name)
    except OSError as error:
        raise UserError(f"cannot write there ({error.strerror}); choose another folder or name") from error


def _suffix(path):
    root, suffix = os.path.splitext(os.fspath(path))
    if "\0" in root + suffix:
        raise UserError("its name holds a zero byte; choose another name")
    return suffix.lower()


def _read_file(path):
    _suffix(path)
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise UserError("this is not a file; give the name of an architecture file")
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise UserError(f"cannot read it ({error.strerror}){_nearest(path)}; check the name and the rights") from error
    except OSError as error:
        raise UserError(f"cannot read it ({error.strerror}); check the name and the rights") from error
    if not data:
        raise UserError("it is empty; expected an architecture")
    if len(data) > MAX_BYTES:
        raise UserError(f"it is larger than {MAX_BYTES} bytes; expected an architecture")
    return data


def _nearest(path):
    folder, name = os.path.split(path)
    try:
        names = [entry.name for entry in os.scandir(folder or ".") if entry.is_file() and not entry.name.endswith(".py")]
    except OSError:
        return ""
    return did_you_mean(name, names if folder else [*names, *PUBLISHED])
