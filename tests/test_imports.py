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
    "runs": {
        "search_spaces", "kernels", "datasets", "models", "deployment", "reporting", "training", "args", "command_line",
        "moot_options",
    },
}  # fmt: skip
# What each module beside them may: what reads options knows no runs, the table of spaces no scripts.
MODULES = {
    "environment": set(),
    "choices": {"errors"},
    "command_line": {"choices", "errors"},
    "help_text": {"command_line"},
    "run_place": {"file_names"},
    "moot_options": set(),
    "args": {"environment", "command_line", "help_text", "moot_options", "run_place", "datasets", "search_spaces", "errors"},
    "errors": set(),
    "files": {"errors"},
    "file_names": set(),
    "wording": set(),
    "constants": set(),
    "spaces": {"search_spaces", "models", "deployment", "runs"},
    "enas": {"args", "choices", "errors", "runs", "spaces"},
}
LAST = {"enas", "benchmarks", "experiments", "tests"}  # what the scripts and rooms do without
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
    files = sorted((ROOT / room).rglob("*.py"))
    assert len(files) > 2
    wrong = {str(path.relative_to(ROOT)): imported(path) - ROOMS[room] - COMMON - {room} for path in files}
    assert {name: found for name, found in wrong.items() if found} == {}


@pytest.mark.parametrize("module", MODULES)
def test_no_import_of_a_module_runs_back_up(module):
    assert imported(ROOT / f"{module}.py") <= MODULES[module]


def test_every_room_and_module_has_its_place():
    assert ROOMS.keys() | MODULES.keys() | scripts_of() | LAST == OURS | {"tests"}


@pytest.mark.parametrize("script", sorted(path.stem for path in ROOT.glob("*.py") if path.stem not in MODULES))
def test_scripts_do_without(script):
    assert not imported(ROOT / f"{script}.py") & LAST


def scripts_of():
    """Names of the scripts."""
    return {path.stem for path in ROOT.glob("*.py") if "__main__" in path.read_text()}


def test_nobody_imports_a_script():
    scripts = scripts_of()
    assert {"macro_search", "ptb_retrain", "deploy"} <= scripts
    for path in ROOT.glob("*.py"):
        assert not imported(path) & scripts, path
