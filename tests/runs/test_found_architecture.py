"""Every run holds its own architecture file; the one that runs share is never overwritten in silence."""

import numpy as np
import pytest

from runs.found_architecture import FoundArchitecture
from search_spaces.files import load_architecture, save_architecture
from search_spaces.macro import MacroSpace
from tests.toys import snapshot

A, B, C, D = (MacroSpace(4).random(np.random.default_rng(seed)) for seed in range(4))


@pytest.fixture
def place(tmp_path):
    """Function that makes the `FoundArchitecture` of a run, and the lines that they all said."""
    lines = []

    def of(name):
        (tmp_path / name).mkdir(exist_ok=True)
        return FoundArchitecture(tmp_path / name, lines.append)

    return of, tmp_path / "macro_arch.npy", lines


def files(path):
    """Dict of file -> architecture below the folder of `path`."""
    return {name: load_architecture(path.parent / name) for name, data in snapshot(path.parent).items() if data is not None}


def test_a_run_replaces_what_it_wrote_itself(place):
    of, asked, lines = place
    for architecture in (A, B, B):
        of("run").write(asked, architecture)
    assert files(asked) == {"macro_arch.npy": B, "run/arch.npy": B} and lines == []


def test_the_file_of_an_earlier_run_is_kept_beside(place):
    of, asked, lines = place
    for name, architecture in (("one", A), ("two", B), ("three", C)):
        of(name).write(asked, architecture)
    own = {"one/arch.npy": A, "two/arch.npy": B, "three/arch.npy": C}
    assert files(asked) == own | {"macro_arch.npy": C, "macro_arch.previous-1.npy": A, "macro_arch.previous-2.npy": B}
    assert lines == [f"{asked} belongs to another run: renamed it to {asked.with_suffix('')}.previous-{n}.npy" for n in (1, 2)]


def test_two_runs_at_a_time_do_not_take_turns(place):
    of, asked, lines = place
    of("one").write(asked, A)
    of("two").write(asked, B)
    of("one").write(asked, C)
    assert load_architecture(asked) == B and "that of this run is" in lines[-1]
    of("two").write(asked, D)
    of("one").write(asked, C, final=True)
    assert files(asked) == {
        "one/arch.npy": C, "two/arch.npy": D, "macro_arch.npy": C, "macro_arch.previous-1.npy": A, "macro_arch.previous-2.npy": D,
    }  # fmt: skip


def test_a_file_that_holds_something_else_is_kept_beside(place):
    of, asked, _ = place
    asked.write_text("my notes")
    of("run").write(asked, A)
    assert (asked.parent / "macro_arch.previous-1.npy").read_text() == "my notes" and load_architecture(asked) == A


def test_the_same_architecture_in_another_form_is_no_other(place):
    of, asked, lines = place
    asked = asked.with_suffix(".txt")
    save_architecture(asked, A)
    of("run").write(asked, A)
    assert sorted(path.name for path in asked.parent.iterdir()) == ["macro_arch.txt", "run"] and lines == []


def test_the_own_copy_may_be_what_was_asked_for(place):
    of, asked, lines = place
    for architecture in (A, B):
        of("run").write(asked.parent / "run" / "arch.npy", architecture)
    assert files(asked) == {"run/arch.npy": B} and lines == []


def test_what_is_missing_is_written_again_and_what_is_foreign_is_left(place):
    of, asked, lines = place
    of("run").write_missing(asked, A)
    assert files(asked) == {"macro_arch.npy": A, "run/arch.npy": A}
    (asked.parent / "run" / "arch.npy").unlink()
    of("run").write_missing(asked, A)
    assert files(asked)["run/arch.npy"] == A and lines == []
    save_architecture(asked, B)
    of("run").write_missing(asked, A)
    assert files(asked) == {"macro_arch.npy": B, "run/arch.npy": A} and len(lines) == 1


def test_a_retraining_keeps_another_file_of_that_name_beside(place):
    of, asked, lines = place
    for architecture in (A, A, B):
        of("run").write_own(architecture)
    assert files(asked) == {"run/arch.npy": B, "run/arch.previous-1.npy": A} and len(lines) == 1
