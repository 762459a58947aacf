import errno
import os

import pytest

from errors import UserError
from files import atomic_write


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_with_the_rights_of_the_user(tmp_path):
    mask = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "a.txt", "w") as file:
            file.write("new")
    finally:
        os.umask(mask)
    assert (tmp_path / "a.txt").read_text() == "new"
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640
    assert names(tmp_path) == ["a.txt"]


def test_an_error_in_the_block_leaves_the_old_file(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), atomic_write(tmp_path / "a") as file:
        file.write(b"half")
        raise ZeroDivisionError
    assert (tmp_path / "a").read_bytes() == b"old" and names(tmp_path) == ["a"]


@pytest.mark.parametrize("call", ["fsync", "replace", "chmod"])
def test_a_refusal_of_the_system_leaves_the_old_file(tmp_path, monkeypatch, call):
    def refuse(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "a").write_bytes(b"old")
    monkeypatch.setattr(os, call, refuse)
    advice = "cannot write .*/a: No space left on device; free disk space and rerun the same command"
    with pytest.raises(UserError, match=advice), atomic_write(tmp_path / "a") as file:
        file.write(b"new")
    assert (tmp_path / "a").read_bytes() == b"old" and names(tmp_path) == ["a"]


def test_a_folder_that_is_not_there(tmp_path):
    advice = "No such file or directory; choose another folder"
    with pytest.raises(UserError, match=advice), atomic_write(tmp_path / "gone" / "a"):
        pass


def test_what_a_killed_process_left_is_removed(tmp_path):
    for name in (".a.xyz.tmp", ".b.xyz.tmp", "a.tmp", ".a.txt"):
        (tmp_path / name).write_bytes(b"half")
    with atomic_write(tmp_path / "a") as file:
        file.write(b"new")
    assert names(tmp_path) == [".a.txt", ".b.xyz.tmp", "a", "a.tmp"]


def test_what_another_process_is_writing_is_not(tmp_path):
    with atomic_write(tmp_path / "a") as one:
        one.write(b"one")
        with atomic_write(tmp_path / "a") as other:
            other.write(b"other")
        assert (tmp_path / "a").read_bytes() == b"other"
    assert (tmp_path / "a").read_bytes() == b"one" and names(tmp_path) == ["a"]


def test_a_relative_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with atomic_write("a") as file:
        file.write(b"here")
    assert names(tmp_path) == ["a"]
