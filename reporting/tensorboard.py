"""The series of a run for TensorBoard (`--tensorboard`), through the optional package tensorboardX."""

import pathlib
import shutil

from errors import UserError

FOLDER = "tensorboard"  # in the run directory


def writer_class():
    """tensorboardX's writer. Raises UserError when the package is not installed."""
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        advice = "pip install 'tensorboardX~=2.6', or the extra tensorboard of this project, which brings the viewer too"
        raise UserError(f"--tensorboard requires the package tensorboardX: {advice}") from error
    return SummaryWriter


class Events:
    """The same series as the text files, as events. Raises UserError when tensorboardX is not installed."""

    def __init__(self, run_folder):
        self._make_writer = writer_class()
        self._run_folder = pathlib.Path(run_folder)
        self._writer = None

    def add(self, name, index, value):
        """A point of a series: "Training loss" is shown as loss in the group Training."""
        if self._writer is None:
            self._writer = self._make_writer(str(self._run_folder / FOLDER))
        self._writer.add_scalar(name.replace(" ", "/", 1), value, index)

    def flush(self):
        """Have everything on the disk."""
        if self._writer is not None:
            self._writer.flush()

    def begin_anew(self):
        """Write the events again out of the text files, which may have been cut back."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        shutil.rmtree(self._run_folder / FOLDER, ignore_errors=True)
        for path in sorted(self._run_folder.glob("*.series.txt")):
            name = path.name.removesuffix(".series.txt").replace("-", " ", 1)
            for line in path.read_text().splitlines():
                index, value = line.split()
                self.add(name, int(index), float(value))
        self.flush()
