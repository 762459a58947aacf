import errno
import hashlib
import io
import json
import os
import pickle
import subprocess
import zipfile

import numpy as np
import pytest

from errors import UserError
from runs.checkpoint import Checkpoints


def groups(k):
    rng = np.random.default_rng(k)
    return {
        "child": {"stem/W": rng.random((2, 3), np.float32), "stem/bn/mean": np.zeros((1, 3), np.float32)},
        "optimizer": {"baseline": np.array(rng.random()), "t": np.array(7)},
    }


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(tmp_path / "checkpoint")


def save(checkpoints, *numbers):
    for number in numbers:
        checkpoints.save(groups(number), {"unit": number, "rewards": [0.1 + number]})


def load(checkpoints):
    """(unit of the checkpoint used, lines of the log); its arrays must be those that were saved."""
    lines = []
    found, state = checkpoints.load(lines.append)
    wanted = groups(state["unit"])
    assert found.keys() == wanted.keys()
    for name, arrays in wanted.items():
        assert found[name].keys() == arrays.keys()
        for key, array in arrays.items():
            assert found[name][key].dtype == array.dtype and np.array_equal(found[name][key], array)
    assert state["rewards"] == [0.1 + state["unit"]]
    return state["unit"], lines


def test_arrays_and_state_come_back_to_the_bit(checkpoints):
    assert not checkpoints.exist()
    save(checkpoints, 5)
    assert checkpoints.exist()
    assert load(checkpoints) == (5, [])


def test_a_group_without_arrays(checkpoints):
    checkpoints.save({"child": {}}, {})
    assert checkpoints.load(print) == ({"child": {}}, {})


def test_the_last_two_are_kept_and_the_newest_is_used(checkpoints, tmp_path):
    save(checkpoints, 1, 2, 3)
    assert sorted(path.name for path in (tmp_path / "checkpoint").iterdir()) == ["00000002", "00000003"]
    assert load(checkpoints) == (3, [])


def damage(path, how):
    data = path.read_bytes()
    if how == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif how == "flip":
        path.write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    elif how == "empty":
        path.write_bytes(b"")
    else:
        path.unlink()


@pytest.mark.parametrize("name", ["child.npz", "optimizer.npz", "state.json", "SHA256SUMS"])
@pytest.mark.parametrize("how", ["cut", "flip", "empty", "removed"])
def test_a_damaged_one_is_passed_over_with_a_line(checkpoints, tmp_path, name, how):
    save(checkpoints, 1, 2)
    damage(tmp_path / "checkpoint" / "00000002" / name, how)
    unit, lines = load(checkpoints)
    assert unit == 1
    assert len(lines) == 1 and "00000002 is damaged" in lines[0] and "skipping it" in lines[0] and "\n" not in lines[0]


def test_a_damaged_one_does_not_count_among_the_two_that_are_kept(checkpoints, tmp_path):
    save(checkpoints, 1, 2)
    damage(tmp_path / "checkpoint" / "00000002" / "state.json", "cut")
    load(checkpoints)
    save(checkpoints, 3)
    assert sorted(path.name for path in (tmp_path / "checkpoint").iterdir()) == ["00000001", "00000003"]


def test_when_all_are_damaged_nothing_is_taken_for_a_beginning(checkpoints, tmp_path):
    save(checkpoints, 1, 2)
    for path in (tmp_path / "checkpoint").glob("*/state.json"):
        damage(path, "cut")
    with pytest.raises(UserError, match="all checkpoints in .* are damaged"):
        load(checkpoints)


def test_sha256sum_can_check_one(checkpoints, tmp_path):
    save(checkpoints, 1)
    done = subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=tmp_path / "checkpoint" / "00000001")
    assert done.returncode == 0


def forge(folder, files):
    """Write a checkpoint with right checksums whatever it holds."""
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files.items())
    (folder / "SHA256SUMS").write_text(sums)


def pickled():
    image = io.BytesIO()
    np.savez(image, W=np.array([{}], object))
    return image.getvalue()


def bomb():
    """An array that says it needs 8 TB."""
    array = b"\x93NUMPY\x01\x00\x46\x00{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,)}".ljust(80)
    image = io.BytesIO()
    with zipfile.ZipFile(image, "w") as file:
        file.writestr("W.npy", array)
    return image.getvalue()


STATE = json.dumps({"format": 2, "state": {"unit": 9}}).encode()
FORGED = {
    "another format": {"state.json": json.dumps({"format": 1, "state": {}}).encode()},
    "no state": {},
    "a state that is a list": {"state.json": b"[1, 2]"},
    "a state that is no JSON": {"state.json": b"\xff\x00"},
    "a deep state": {"state.json": b"[" * 100_000},
    "no arrays": {"state.json": STATE, "child.npz": b"weights"},
    "a pickle": {"state.json": STATE, "child.npz": pickled()},
    "a bare pickle": {"state.json": STATE, "child.npz": pickle.dumps({"W": 1})},
    "a huge shape": {"state.json": STATE, "child.npz": bomb()},
    "a path": {"state.json": STATE, "../state.json": STATE},
}


@pytest.mark.parametrize("files", FORGED.values(), ids=FORGED)
def test_a_forged_one_is_passed_over(checkpoints, tmp_path, files):
    save(checkpoints, 1)
    forge(tmp_path / "checkpoint" / "00000002", files)
    unit, lines = load(checkpoints)
    assert unit == 1 and len(lines) == 1


def fail_at(monkeypatch, name, call):
    """Let the call number `call` of os.<name> find the disk full."""
    original, calls = getattr(os, name), []

    def replacement(*arguments, **options):
        calls.append(1)
        if len(calls) == call:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return original(*arguments, **options)

    monkeypatch.setattr(os, name, replacement)


@pytest.mark.parametrize("name, call", [("fsync", 1), ("fsync", 3), ("rename", 1)])
def test_a_full_disk_leaves_the_earlier_ones_whole(checkpoints, tmp_path, monkeypatch, name, call):
    save(checkpoints, 1, 2)
    with monkeypatch.context() as patch:
        fail_at(patch, name, call)
        with pytest.raises(UserError, match="No space left on device; the previous one is intact"):
            save(checkpoints, 3)
    assert sorted(path.name for path in (tmp_path / "checkpoint").iterdir()) == ["00000001", "00000002"]
    assert load(checkpoints) == (2, [])


def test_what_a_killed_process_was_writing_is_removed(checkpoints, tmp_path):
    save(checkpoints, 1)
    (tmp_path / "checkpoint" / ".00000002.tmp").mkdir()
    (tmp_path / "checkpoint" / ".00000002.tmp" / "old.npz").write_bytes(b"half")
    assert load(checkpoints) == (1, [])
    save(checkpoints, 2)
    assert not (tmp_path / "checkpoint" / ".00000002.tmp").exists()
    assert not (tmp_path / "checkpoint" / "00000002" / "old.npz").exists()


def test_nothing_is_written_where_the_run_directory_was(tmp_path):
    checkpoints = Checkpoints(tmp_path / "gone" / "checkpoint")
    with pytest.raises(UserError, match="No such file"):
        save(checkpoints, 1)
    assert not (tmp_path / "gone").exists()


def test_remove(checkpoints, tmp_path):
    checkpoints.remove()
    save(checkpoints, 1)
    checkpoints.remove()
    assert list(tmp_path.iterdir()) == []
