"""What an earlier run left in a run directory: moved to previous-N before another one begins."""

import shutil

from deployment.export import FACTS
from file_names import CONFIG, CONTROLLER, EVALUATION, LAST_CHECKPOINT, PREFERENCES, RETRAININGS, SPLIT, TABLE, WEIGHTS
from reporting import tensorboard
from reporting.parts import REPORT
from runs.found_architecture import OWN
from runs.run_lock import locked

# Results are a reason to move what is there; the rest goes with them.
RESULTS = ("*.series.txt", TABLE, PREFERENCES, CONTROLLER, WEIGHTS, "*.nnp", EVALUATION)
RETRAINING = "retrain"  # folder of the retraining of what a search in this directory found
OTHER_FILES = (OWN, SPLIT, RETRAININGS, FACTS, REPORT, "*.svg", tensorboard.FOLDER, RETRAINING, LAST_CHECKPOINT)


class PreviousRun:
    """Moves what another run left in the run directory `folder` of a new one; `log` gets a line about it.

    `retraining`: the new run is one, and may read the architecture that is there.
    """

    def __init__(self, folder, retraining, log):
        self._folder, self._retraining, self._log = folder, retraining, log
        self._moving = folder / ".previous"

    def set_aside(self):
        """Move it to a folder of its own; a process killed meanwhile leaves that to `finish` of the next one."""
        results = RESULTS if self._retraining else (*RESULTS, OWN)
        if any(path for pattern in results for path in self._folder.glob(pattern)):
            if (self._folder / RETRAINING).is_dir():
                with locked(self._folder / RETRAINING):  # nobody is in it
                    pass
            self._moving.mkdir()
            self.finish()

    def finish(self):
        """Go on with a move that has begun."""
        if not self._moving.exists():
            return
        for pattern in (*RESULTS, *OTHER_FILES, CONFIG):
            for path in self._folder.glob(pattern):
                # A retraining may have read its own copy: that stays until the next run has its own.
                put = shutil.copy if path.name == OWN and self._retraining else shutil.move
                put(path, self._moving / path.name)
        kept = self._free_name()
        self._moving.rename(kept)
        self._log(f"moved the files of an earlier run in {self._folder} to {kept}")

    def _free_name(self):
        number = 1
        while (path := self._folder / f"previous-{number}").exists():
            number += 1
        return path
