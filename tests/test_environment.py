"""A Python that cannot run the project is told so in one line, whatever it lacks."""

import ast
import importlib.util
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import zipfile

import pytest

import environment

ROOT = pathlib.Path(__file__).parents[1]
SCRIPTS = sorted(path.name for path in ROOT.glob("*_*.py") if path.name.endswith(("search.py", "retrain.py", "arch.py")))
OURS = {path.stem for path in ROOT.glob("*.py")} | {path.parent.name for path in ROOT.glob("*/__init__.py")}
# What the requirements call otherwise than Python does, and what comes with an extra and is looked for before it is used.
PACKAGES = {"PIL": "Pillow", "sklearn": "scikit-learn"}
OPTIONAL = {"mpi4py", "nnabla_ext", "tensorboardX", "torch", "onnx", "safetensors"}


def refused(command, **environment):
    """The line that a command prints on standard error while it ends with status 2."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=os.environ | environment)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert re.fullmatch(r"[^\n]+\n", done.stderr)
    return done.stderr


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A Python of the right version with nothing installed."""
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    return folder / "bin" / "python"


@pytest.mark.parametrize("words", [*SCRIPTS, "deploy.py", "-m experiments.summary", "-m benchmarks.kernels"])
def test_without_the_packages_one_line_says_what_to_do(bare, words):
    line = refused([bare, *words.split()], PYTHONPATH="")
    assert "lacks the modules" in line and "nnabla" in line and "run `make venv` in" in line


@pytest.mark.parametrize("name", ["python3.8", "python3.9", "python3.11", "python3.12", "python3.13"])
def test_another_python(name):
    python = shutil.which(name)
    if python is None or subprocess.run([python, "-c", ""], capture_output=True).returncode:
        pytest.skip(f"{name} is not here")
    for script in (*SCRIPTS, "deploy.py"):
        assert "needs Python 3.10" in refused([python, script])


def test_what_is_said_of_each_lack():
    assert environment.problem() is None
    assert "needs Python 3.10" in environment.problem(version=(3, 11, 2))
    assert "no file locks" in environment.problem(find=lambda name: None if name == "fcntl" else name)
    assert "lacks the modules tqdm; run" in environment.problem(find=lambda name: None if name == "tqdm" else name)


def loading(script, folder, text):
    """The end of a script beside whose packages lies an `nnabla` of such a text."""
    (folder / "nnabla.py").write_text(text)
    code = f"import runpy, sys; sys.path.insert(0, {str(folder)!r}); sys.path.insert(0, {str(ROOT)!r}); sys.argv = [{script!r}]"
    code += f"; runpy.run_path({str(ROOT / script)!r})"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


@pytest.mark.parametrize("script", ["macro_search.py", "ptb_retrain.py", "deploy.py", "inspect_arch.py"])
def test_a_package_that_does_not_load_is_one_line(script, tmp_path):
    done = loading(script, tmp_path, "raise ImportError('libstdc++.so.6: version GLIBCXX_3.4.99 not found\\nmore')")
    assert done.returncode == 2 and re.fullmatch(r"[^\n]+\n", done.stderr)
    assert "does not load (libstdc++.so.6: version GLIBCXX_3.4.99 not found); run `make venv`" in done.stderr


def test_ctrl_c_while_the_packages_load_is_one_line(tmp_path):
    done = loading("micro_search.py", tmp_path, "import os, signal, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(60)")
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "micro_search.py: error: interrupted\n")


@pytest.mark.parametrize("script", [*SCRIPTS, "deploy.py", "-m experiments.summary"])
def test_closed_standard_error_is_no_bug(script):
    """`2>&-`: the line about the wrong option goes nowhere, not to standard output either."""
    command = f"exec {shlex.quote(sys.executable)} {script} --nonsense 2>&-"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")


def test_closed_standard_streams_are_not_mixed_up_with_files(tmp_path):
    """All three are closed; what the script and a child of it print does not reach the file that is open meanwhile."""
    code = "import environment, subprocess, sys; file = open('written', 'w'); print('out'); print('error', file=sys.stderr)"
    code += "; subprocess.run(['sh', '-c', 'echo child; echo child >&2'], check=True); file.write('ours')"
    command = f"exec {shlex.quote(sys.executable)} -c {shlex.quote(code)} <&- >&- 2>&-"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0 and (tmp_path / "written").read_text() == "ours"


def test_a_bug_keeps_its_traceback(tmp_path):
    assert "Traceback" in loading("macro_search.py", tmp_path, "raise ValueError").stderr
    code = "import environment, errors, sys\ndef main():\n    import nowhere\nerrors.report_and_exit(main)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and "No module named 'nowhere'" in done.stderr and "Traceback" in done.stderr


def test_the_step_of_pytorch_needs_no_nnabla():
    """Its Python has PyTorch and NumPy, and may be another version than ours."""
    code = "import sys; sys.modules['nnabla'] = None; import benchmarks.workload, datasets.batches, search_spaces.micro"
    done = subprocess.run([sys.executable, "-c", code, "benchmarks.torch_step"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def imported(folders):
    """Top-level names that the files of the project import, from elsewhere."""
    names = set()
    for path in [path for folder in folders for path in ROOT.glob(folder)]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module.split(".")[0])
    return names - OURS - set(sys.stdlib_module_names)


def test_every_package_that_is_imported_is_declared():
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}
    found = imported(["*.py", *(f"{room}/*.py" for room in rooms)])
    assert found - OPTIONAL == set(environment.MODULES)
    declared = {line.lower() for line in re.findall(r"^[\w-]+", (ROOT / "requirements.in").read_text(), re.M)}
    assert {PACKAGES.get(name, name).lower() for name in environment.MODULES} <= declared
    assert all(importlib.util.find_spec(name) for name in environment.MODULES)


def test_installing_brings_no_module_of_the_project(tmp_path):
    """`datasets`, `models` and `args` in an environment would hide the packages of those names."""
    project = [ROOT / name for name in ("pyproject.toml", "requirements.in", "LICENSE")]
    for path in (*project, *ROOT.glob("*.py"), *ROOT.glob("*/__init__.py")):
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(path, copy)
    code = "from setuptools.build_meta import build_wheel; build_wheel('wheels')"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = (tmp_path / "wheels").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert {pathlib.PurePath(name).parts[0] for name in archive.namelist()} == {"enas_nnabla-0.1.0.dist-info"}
        metadata = archive.read("enas_nnabla-0.1.0.dist-info/METADATA").decode()
    declared = re.findall(r"^Requires-Dist: ([\w-]+)(?!.*extra ==)", metadata, re.M)
    asked = re.findall(r"^[\w-]+", (ROOT / "requirements.in").read_text(), re.M)
    assert sorted(declared) == sorted(asked)
    assert {"cuda", "distributed", "onnx", "tensorboard"} <= set(re.findall(r"^Provides-Extra: (\w+)", metadata, re.M))
