"""Which search a retraining comes from, and which retrainings a search has: their pages link to each other."""

import contextlib
import os
import pathlib
import urllib.parse

from errors import UserError
from file_names import CONFIG, RETRAININGS
from files import atomic_write
from reporting import page
from reporting.run_files import read_run


def source(retraining):
    """The `Run` of the search that derived the architecture of a retraining, or None.

    It is looked for where the architecture's file lies, and in the folder around that of the retraining.
    """
    asked = retraining.options.get("recommended_arch") or ""
    for folder in (pathlib.Path(asked).parent, retraining.folder.resolve().parent):
        search = _run_in(folder)
        if search is None or (search.kind, search.space) != ("search", retraining.space):
            continue
        if any(row.architecture == retraining.architecture for row in search.derived):
            return search
    return None


def retrainings(search):
    """The `Run` of each retraining of what a search has found: in folders of its own, and those that `register` noted."""
    noted = search.folder / RETRAININGS
    folders = [path.parent for path in sorted(search.folder.glob(f"*/{CONFIG}"))]
    folders += [pathlib.Path(os.fsdecode(line)) for line in (noted.read_bytes().splitlines() if noted.exists() else ())]
    runs = {folder.resolve(): _run_in(folder) for folder in folders}
    derived = {row.architecture for row in search.derived}
    return [run for run in runs.values() if run and run.kind == "retrain" and run.architecture in derived]


def register(retraining, search):
    """Note in the folder of a search that it has a retraining elsewhere."""
    if any(run.folder.resolve() == retraining.folder.resolve() for run in retrainings(search)):
        return
    path = search.folder / RETRAININGS
    lines = path.read_bytes() if path.exists() else b""
    with contextlib.suppress(UserError), atomic_write(path) as file:  # the folder of another run may be read-only
        file.write(lines + os.fsencode(retraining.folder.resolve()) + b"\n")


def link(folder, run, file, text=None):
    """HTML of a link, that shows `text` or else the path, to `file` in the folder of `run`, for a page in `folder`."""
    path = os.path.relpath(run.folder.resolve() / file, pathlib.Path(folder).resolve())
    return f'<a href="{page.escape(urllib.parse.quote(os.fsencode(path)))}">{page.escape(path if text is None else text)}</a>'


def _run_in(folder):
    try:
        return read_run(folder) if (folder / CONFIG).is_file() else None
    except UserError:  # a damaged one
        return None
