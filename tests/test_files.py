import errno
import fcntl
import os
import tempfile

import pytest

from errors import UserError
from files import atomic_write, try_to_write


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


def write(path, content):
    with atomic_write(path) as file:
        file.write(content)


def during(monkeypatch, module, name, meanwhile, after=False):
    """At the first call of the function `meanwhile` happens, as another process may do it."""
    original = getattr(module, name)

    def call(*arguments, **named):
        monkeypatch.setattr(module, name, original)
        if after:
            result = original(*arguments, **named)
            meanwhile()
            return result
        meanwhile()
        return original(*arguments, **named)

    monkeypatch.setattr(module, name, call)


@pytest.mark.parametrize("act", [write, lambda path, _: try_to_write(*os.path.split(path))], ids=["write", "try"])
def test_a_file_that_another_process_removes_before_it_is_locked_is_made_again(tmp_path, monkeypatch, act):
    between = []

    def other():
        between.append(names(tmp_path))
        write(tmp_path / "a", b"other")

    during(monkeypatch, tempfile, "mkstemp", other, after=True)
    act(tmp_path / "a", b"one")
    assert [name[:3] for name in between[0]] == [".a."] and names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == (b"one" if act is write else b"other")


def test_a_file_that_another_process_is_removing_is_made_again(tmp_path, monkeypatch):
    held = []

    def lock():
        (path,) = tmp_path.iterdir()
        held.append(open(path, "rb"))  # noqa: SIM115 - as another process has it
        fcntl.flock(held[0], fcntl.LOCK_EX | fcntl.LOCK_NB)

    def remove():
        os.unlink(held[0].name)
        held[0].close()

    during(monkeypatch, tempfile, "mkstemp", lock, after=True)
    with atomic_write(tmp_path / "a") as file:
        remove()
        file.write(b"one")
    assert names(tmp_path) == ["a"] and (tmp_path / "a").read_bytes() == b"one"


@pytest.mark.parametrize("call", ["chmod", "replace"])
def test_a_file_is_locked_until_it_has_its_name(tmp_path, monkeypatch, call):
    during(monkeypatch, os, call, lambda: write(tmp_path / "a", b"other"))
    write(tmp_path / "a", b"one")
    assert (tmp_path / "a").read_bytes() == b"one" and names(tmp_path) == ["a"]


def test_a_file_that_got_its_name_meanwhile_is_not_taken_for_abandoned(tmp_path, monkeypatch):
    """It is found under its temporary name, and has another one when it is locked."""
    (tmp_path / ".a.x.tmp").write_bytes(b"theirs")

    def rename():
        os.rename(tmp_path / ".a.x.tmp", tmp_path / "theirs")
        (tmp_path / ".a.x.tmp").write_bytes(b"new")

    during(monkeypatch, fcntl, "flock", rename)
    write(tmp_path / "a", b"one")
    assert names(tmp_path) == [".a.x.tmp", "a", "theirs"]


def test_without_locks_files_are_written_and_none_is_removed(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    (tmp_path / ".a.x.tmp").write_bytes(b"theirs")
    write(tmp_path / "a", b"one")
    assert names(tmp_path) == [".a.x.tmp", "a"]


def test_a_relative_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with atomic_write("a") as file:
        file.write(b"here")
    assert names(tmp_path) == ["a"]
