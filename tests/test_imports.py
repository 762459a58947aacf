"""Imports between the rooms run one way."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
COMMON = {"errors", "files", "choices", "file_names", "wording", "constants"}
# What each room may import of the others.
ROOMS = {
    "search_spaces": set(),
    "kernels": set(),
    "datasets": set(),
    "models": {"search_spaces", "kernels"},
    "deployment": {"search_spaces", "datasets", "models"},
    "reporting": {"search_spaces", "deployment"},
    "training": {"search_spaces", "datasets", "models", "deployment"},
    "runs": {"search_spaces", "kernels", "datasets", "models", "deployment", "reporting", "training", "args", "command_line"},
}
OURS = {path.stem for path in ROOT.glob("*.py")} | {path.parent.name for path in ROOT.glob("*/__init__.py")}


def imported(path):
    """Rooms and modules of the project that a file imports, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module.partition(".")[0])
    return found & OURS


@pytest.mark.parametrize("room", ROOMS)
def test_no_import_runs_back_up(room):
    files = sorted((ROOT / room).glob("*.py"))
    assert len(files) > 2
    wrong = {path.name: imported(path) - ROOMS[room] - COMMON - {room} for path in files}
    assert {name: found for name, found in wrong.items() if found} == {}


def test_nobody_imports_a_script():
    scripts = {path.stem for path in ROOT.glob("*.py") if "__main__" in path.read_text()}
    assert {"macro_search", "ptb_retrain", "deploy"} <= scripts
    for path in ROOT.glob("*.py"):
        assert not imported(path) & scripts, path
