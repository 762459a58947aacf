"""The system refuses in the middle of a run: one line, status 2, and what is there stays whole."""

import encodings.utf_8_sig  # noqa: F401 - to read an architecture; nobody may not import it where root has Python
import os
import pathlib
import resource
import shutil
import tempfile

import numpy as np
import pytest

from errors import UserError
from reporting.run_files import read_run
from runs.checkpoint import Checkpoints
from search_spaces.files import load_architecture
from tests import toys
from tests.test_resume import child, whole_run
from tests.toys import ToyTask, contents

NOBODY = 65534


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "whole"


def search_with(folder, action, step):
    """(status, standard error) of a search in which `action()` happens before training step number `step` (from 0) of 4."""

    class Task(ToyTask):
        def train_step(self, architecture, epoch, number):
            if toys.STEPS * epoch + number == step:
                action()
            super().train_step(architecture, epoch, number)

    folder.mkdir(exist_ok=True)
    return child(lambda: toys.search(folder, task=Task()))


def assert_refused(result, *words):
    status, errors = result
    assert status == 2 and errors.count("\n") == 1, errors
    assert errors.startswith("toy: error: ") and all(word in errors for word in words), errors


def assert_whole(folder):
    """The best architecture and the newest checkpoint can be read, and nothing half-written lies about."""
    load_architecture(folder / "arch.npy", "macro")
    damaged = []
    Checkpoints(folder / "run" / "checkpoint").load(damaged.append)
    assert damaged == [] and not list(folder.rglob("*.tmp"))


def assert_continues(folder, tmp_path):
    assert child(lambda: toys.search(folder)) == (0, "")
    found = contents(folder)
    shutil.rmtree(folder)
    assert found == whole_run(toys.search, folder)[0]


def test_a_full_disk(folder, tmp_path):
    """A limit on the size of files gives what a full disk gives, at the first write that does not fit."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (150, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

    assert_refused(search_with(folder, limit, 3), "File too large", "is intact; free disk space and rerun the same command")
    assert_whole(folder)
    assert_continues(folder, tmp_path)


def test_a_full_disk_for_the_monitors(folder, tmp_path):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

    assert_refused(search_with(folder, limit, 3), "File too large")
    assert_whole(folder)
    assert_continues(folder, tmp_path)


def test_a_run_whose_table_a_full_disk_cut_off_in_its_first_line_resumes(tmp_path):
    """With its real report, which reads the table before the search goes on."""

    class Full(ToyTask):
        def train_step(self, architecture, epoch, number):
            if number == 1:
                (tmp_path / "run" / "architectures.csv").write_text("iterat")
                raise UserError("the disk is full")
            super().train_step(architecture, epoch, number)

    with pytest.raises(UserError, match="the disk is full"):
        toys.search(tmp_path, task=Full())
    with toys.open_run(tmp_path, interval=0.0) as run:
        assert run.resumed is not None and not (tmp_path / "run" / "architectures.csv").exists()
        run.report.update()
    toys.search(tmp_path)
    assert len(read_run(tmp_path / "run").derived) == 4


@pytest.mark.parametrize("name", ["arch.npy", "run/Training-loss.series.txt", "run/architectures.csv", "run/report.html"])
def test_a_file_that_cannot_be_written(folder, tmp_path, name):
    """There is a folder in its place."""
    place, aside = folder / name, folder / "aside"

    def swap():
        place.rename(aside)
        place.mkdir()

    assert_refused(search_with(folder, swap, 3), str(place))
    place.rmdir()
    aside.rename(place)
    assert_whole(folder)
    assert_continues(folder, tmp_path)


def test_a_run_directory_that_vanishes(folder, tmp_path):
    assert_refused(search_with(folder, lambda: shutil.rmtree(folder / "run"), 3), "No such file or directory")
    assert not (folder / "run").exists()
    load_architecture(folder / "arch.npy", "macro")
    assert_continues(folder, tmp_path)


def test_a_folder_of_the_architecture_that_vanishes(tmp_path):
    folder = tmp_path / "here"
    assert_refused(search_with(folder, lambda: folder.rename(tmp_path / "there"), 3), "No such file or directory")
    (tmp_path / "there").rename(folder)
    assert_whole(folder)


@pytest.fixture
def open_folder():
    """A folder that every user can write in; pytest's own can be entered by one user only."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        yield pathlib.Path(folder)


def as_nobody(function):
    """Root may write everywhere."""
    if os.getuid() == 0:
        os.setuid(NOBODY)
    return function()


def test_a_directory_that_becomes_read_only(open_folder):
    folder = open_folder
    run = folder / "run"

    class Task(ToyTask):
        def train_step(self, architecture, epoch, step):
            if (epoch, step) == (1, 1):
                (run / "checkpoint").chmod(0o555)
                run.chmod(0o555)
            super().train_step(architecture, epoch, step)

    assert_refused(child(lambda: as_nobody(lambda: toys.search(folder, task=Task()))), "Permission denied", "is intact")
    before = contents(folder)
    assert_refused(child(lambda: as_nobody(lambda: toys.search(folder))), f"cannot write in the run directory {run}")
    assert contents(folder) == before
    run.chmod(0o755)
    (run / "checkpoint").chmod(0o755)
    assert child(lambda: as_nobody(lambda: toys.search(folder))) == (0, "")


def test_a_directory_that_is_read_only_from_the_start(open_folder):
    open_folder.chmod(0o555)
    result = child(lambda: as_nobody(lambda: toys.search(open_folder)))
    assert_refused(result, "cannot use the run directory", "Permission denied")
    assert list(open_folder.iterdir()) == []


def test_numbers_that_are_not_finite_are_never_written(folder):
    """The toy has no guard of its own; what is written last is what was right."""

    class Task(ToyTask):
        def train_step(self, architecture, epoch, step):
            super().train_step(architecture, epoch, step)
            self.values[0] = np.nan

    folder.mkdir()
    status, errors = child(lambda: toys.search(folder, task=Task()))
    assert status == 1 and "W of the child was not finite" in errors  # `runs.jobs` decides what follows
    groups, _ = Checkpoints(folder / "run" / "checkpoint").load(print)
    assert np.isfinite(groups["child"]["W"]).all()
