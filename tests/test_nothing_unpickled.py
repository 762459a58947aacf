"""No source reads what could run code or write where it should not: pickles, eval, archives extracted by name."""

import ast
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[1]
NOT_OURS = r"(tests|build|shared|\..*)/"  # folders beside the sources
SOURCES = [path for path in sorted(ROOT.rglob("*.py")) if not re.match(NOT_OURS, str(path.relative_to(ROOT)))]
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "copyreg", "torch", "yaml"}
BUILTINS = {"eval", "exec", "compile", "__import__"}
OF_PYTORCH = r"(benchmarks/torch_\w+|deployment/torch_parts/\w+)\.py"  # torch.load, which unpickles, is refused there too
METHODS = {"extractall", "extract", "unpack_archive", "read_pickle"}


def findings(source, modules=MODULES):
    """Lines of what a source should not have."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name.partition(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [(node.module or "").partition(".")[0]]
        elif isinstance(node, ast.Call) and not is_safe(node):
            found.append(f"{node.lineno}: {ast.unparse(node)}")
        found += [f"{node.lineno}: import {name}" for name in names if name in modules]
    return found


def is_safe(call):
    function = call.func
    if isinstance(function, ast.Name):
        return function.id not in BUILTINS
    if not isinstance(function, ast.Attribute):
        return True
    if ast.unparse(function) == "torch.load":
        return False
    if function.attr == "load" and isinstance(function.value, ast.Name) and function.value.id in ("np", "numpy"):
        return any(
            word.arg == "allow_pickle" and isinstance(word.value, ast.Constant) and word.value.value is False
            for word in call.keywords
        )
    return function.attr not in METHODS


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_unpickled_or_extracted(path):
    modules = MODULES - {"torch"} if re.fullmatch(OF_PYTORCH, str(path.relative_to(ROOT))) else MODULES
    assert findings(path.read_text(), modules) == []


def test_all_sources_are_looked_at():
    names = {str(path.relative_to(ROOT)) for path in SOURCES}
    assert {"args.py", "macro_search.py", "runs/checkpoint.py", "search_spaces/files.py", "datasets/cifar10.py"} <= names


@pytest.mark.parametrize(
    "source",
    [
        "import pickle", "from torch import load", "torch.load(f)", "import a, joblib.x", "eval('1')", "exec('')", "np.load(f)",
        "np.load(f, allow_pickle=True)", "numpy.load(f, allow_pickle=yes)", "archive.extractall()", "zip.extract(name)",
        "shutil.unpack_archive(f)", "pandas.read_pickle(f)",
    ],
)  # fmt: skip
def test_the_search_finds_what_it_looks_for(source):
    assert findings(source)


@pytest.mark.parametrize("source", ["np.load(f, allow_pickle=False)", "json.load(f)", "archive.extractfile(member)"])
def test_and_nothing_else(source):
    assert not findings(source)
