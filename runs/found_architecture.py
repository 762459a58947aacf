"""The file of the architecture that a run found or trains: its own copy, and the one that the user asked for."""

import os
import pathlib

from errors import UserError
from search_spaces.files import check_architecture_path, load_architecture, save_architecture

OWN = "arch.npy"  # in the run directory


class FoundArchitecture:
    """Writes the best architecture of a search into its run directory and to --recommended-arch, which several runs may share.

    What another run or a person has put there is kept beside under another name, with a line for `log`.
    """

    def __init__(self, run_folder, log):
        self._own, self._log = pathlib.Path(run_folder) / OWN, log

    def write(self, asked, architecture, origin=None, final=False):
        """Write both files. `asked`: path; `origin` as in `save_architecture`; `final`: the search is at its end.

        Between the first write and the last one a foreign file is left alone: two searches at a time would take turns. Raises
        UserError when the system refuses.
        """
        if os.path.isdir(asked):
            check_architecture_path(asked)  # says so: a folder is nobody's architecture to be kept beside
        earlier = _read(self._own, architecture.space)
        if self._is_foreign(asked, [architecture, earlier]):
            if earlier is None or final:
                _keep_beside(asked, self._log)
            else:
                self._say_foreign(asked)
                return save_architecture(self._own, architecture)
        save_architecture(asked, architecture, origin)
        return save_architecture(self._own, architecture)

    def write_own(self, architecture):
        """Write what a retraining trains into its run directory, where another file of that name is kept beside."""
        if _read(self._own, architecture.space) not in (None, architecture):
            _keep_beside(self._own, self._log)
        save_architecture(self._own, architecture)

    def write_missing(self, asked, architecture, origin=None):
        """Write again what has been removed since the search was finished; a foreign file is left alone."""
        if not os.path.lexists(self._own):
            save_architecture(self._own, architecture)
        if not os.path.lexists(asked):
            save_architecture(asked, architecture, origin)
        elif self._is_foreign(asked, [architecture]):
            self._say_foreign(asked)

    def _is_foreign(self, asked, ours):
        """Is there another architecture, or something else, where the user asked for ours?"""
        if not os.path.lexists(asked) or os.path.isdir(asked) or _same(asked, self._own):
            return False  # writing refuses a folder
        return _read(asked, ours[0].space) not in ours

    def _say_foreign(self, asked):
        self._log(f"{asked} holds another run's architecture; that of this run is {self._own}")


def _same(path, other):
    return os.path.exists(path) and os.path.exists(other) and os.path.samefile(path, other)


def _read(path, space):
    """The architecture in a file; None if it is not there, "" if it holds anything else."""
    try:
        return load_architecture(path, space) if os.path.lexists(path) else None
    except UserError:
        return ""


def _keep_beside(path, log):
    root, suffix = os.path.splitext(os.fspath(path))
    number = 1
    while os.path.lexists(kept := f"{root}.previous-{number}{suffix}"):
        number += 1
    try:
        os.rename(path, kept)
    except OSError as error:
        raise UserError(f"cannot rename {path}, which is not of this run: {error.strerror}; choose another file") from error
    log(f"{path} belongs to another run: renamed it to {kept}")
