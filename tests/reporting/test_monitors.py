import os

import pytest

from errors import UserError
from reporting.monitors import Monitors


def read(folder, name):
    return (folder / name).read_text()


def test_series_are_in_the_form_of_nnablas_monitor(tmp_path):
    monitors = Monitors(tmp_path)
    monitors.series("Training loss", 0, 2.302585)
    monitors.series("Training loss", 1, 1e-7)
    assert read(tmp_path, "Training-loss.series.txt") == "0 2.30259\n1 1e-07\n"


def test_a_table_begins_with_its_header_and_quotes_what_needs_it(tmp_path):
    monitors = Monitors(tmp_path)
    monitors.row("table.csv", ["iteration", "text"], [0, "0 1 2"])
    monitors.row("table.csv", ["iteration", "text"], [1, 'a, "b"'])
    assert read(tmp_path, "table.csv") == 'iteration,text\n0,0 1 2\n1,"a, ""b"""\n'


def interrupted(tmp_path):
    """State after two lines; then more were written, the last one not to its end."""
    monitors = Monitors(tmp_path)
    monitors.series("loss", 0, 1)
    monitors.row("table.csv", ["a"], [1])
    state = monitors.state()
    monitors.series("loss", 1, 2)
    monitors.row("table.csv", ["a"], [2])
    monitors.series("begun since", 0, 1)
    with open(tmp_path / "loss.series.txt", "a") as file:
        file.write("2 half a li")
    return state


def test_a_run_that_continues_doubles_no_line_and_loses_none(tmp_path):
    state = interrupted(tmp_path)
    (tmp_path / "notes.csv").write_text("somebody else's\n")
    monitors = Monitors(tmp_path)
    monitors.restore(state)
    assert read(tmp_path, "loss.series.txt") == "0 1\n" and read(tmp_path, "table.csv") == "a\n1\n"
    assert not (tmp_path / "begun-since.series.txt").exists()
    monitors.series("loss", 1, 2)
    monitors.series("begun since", 0, 1)
    monitors.row("table.csv", ["a"], [2])
    assert read(tmp_path, "loss.series.txt") == "0 1\n1 2\n" and read(tmp_path, "table.csv") == "a\n1\n2\n"
    assert read(tmp_path, "begun-since.series.txt") == "0 1\n"
    assert read(tmp_path, "notes.csv") == "somebody else's\n"


@pytest.mark.parametrize("name", ["architectures.csv", "preferences.csv"])
def test_a_table_begun_after_the_checkpoint_goes(tmp_path, name):
    """A full disk cut it off in its header."""
    state = interrupted(tmp_path)
    (tmp_path / name).write_text("iterat")
    monitors = Monitors(tmp_path)
    monitors.restore(state)
    assert not (tmp_path / name).exists()
    monitors.row(name, ["iteration"], [1])
    Monitors(tmp_path).restore(monitors.state())
    assert read(tmp_path, name) == "iteration\n1\n"


def test_a_new_run_does_not_append_to_old_files(tmp_path):
    interrupted(tmp_path)
    Monitors(tmp_path).series("loss", 0, 5)
    assert read(tmp_path, "loss.series.txt") == "0 5\n"


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_text("0")])
def test_missing_lines_are_not_made_up_for(tmp_path, spoil):
    state = interrupted(tmp_path)
    spoil(tmp_path / "loss.series.txt")
    before = read(tmp_path, "table.csv")
    with pytest.raises(UserError, match="loss.series.txt is missing or shorter than at the checkpoint"):
        Monitors(tmp_path).restore(state)
    assert read(tmp_path, "table.csv") == before


def test_what_a_state_counts_is_on_the_disk(tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda handle: flushed.append(os.readlink(f"/proc/self/fd/{handle}")))
    monitors = Monitors(tmp_path)
    monitors.series("loss", 0, 1)
    monitors.series("loss", 1, 1)
    assert monitors.state() == {"loss.series.txt": 8}
    assert flushed == [str(tmp_path / "loss.series.txt")]
    monitors.state()
    assert len(flushed) == 1


def test_a_vanished_folder_is_told(tmp_path):
    monitors = Monitors(tmp_path / "gone")
    with pytest.raises(UserError, match="cannot write .*loss.series.txt: No such file or directory"):
        monitors.series("loss", 0, 1)
    assert monitors.state() == {}
