import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BASH = shutil.which("bash")
REQUIREMENTS = ("requirements.txt", "requirements-dev.txt")

# Plays a Python 3.10: answers the questions of the two scripts, makes a .venv that holds a copy of itself and
# writes every order into a log. "pip install" fails while a file named `broken` exists.
FAKE_PYTHON = """\
case "$*" in
    *_base_executable*) echo "3.10 $0" ;;
    *ensurepip*) [[ ! -e no-ensurepip ]] ;;
    "-m venv"*) echo venv >>log; mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
    "-m pip install"*) echo pip >>log; [[ ! -e broken ]] ;;
esac
"""


def write_program(path, script):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{BASH}\n{script}\n")
    path.chmod(0o755)
    return path


def run(script, folder, **environment):
    environment = {"PATH": "/nowhere", "HOME": str(folder / "home"), **environment}
    return subprocess.run([BASH, script], cwd=folder, env=environment, capture_output=True, text=True)


def find_python(folder, **environment):
    return run(ROOT / "tools/find_python.sh", folder, **environment)


def assert_one_line(result, *fragments):
    assert result.returncode != 0
    assert result.stdout == ""
    assert re.fullmatch(r"setup: [^\n]+\n", result.stderr)
    for fragment in fragments:
        assert fragment in result.stderr


def test_without_a_python_one_line_says_how_to_get_one(tmp_path):
    assert_one_line(find_python(tmp_path), "uv python install 3.10", "make PYTHON=")


def test_broken_shim_and_other_version_are_passed_over(tmp_path):
    write_program(tmp_path / "shims/python3.10", "echo 'pyenv: python3.10: command not found' >&2; exit 127")
    write_program(tmp_path / "wrong/python3.10", "echo 3.11 /wrong/python3.11")
    good = write_program(tmp_path / "good/python3.10", FAKE_PYTHON)
    path = ":".join(str(tmp_path / name) for name in ("shims", "wrong"))
    assert find_python(tmp_path, PATH=f"{path}:{good.parent}").stdout == f"{good}\n"
    assert_one_line(find_python(tmp_path, PATH=path), "no Python 3.10 found")


def test_pyenv_is_looked_through_without_its_shims(tmp_path):
    python = write_program(tmp_path / "home/.pyenv/versions/3.10.13/bin/python3.10", FAKE_PYTHON)
    assert find_python(tmp_path).stdout == f"{python}\n"


def test_uv_is_asked_for_a_python_outside_virtual_environments(tmp_path):
    python = write_program(tmp_path / "managed/python3.10", FAKE_PYTHON)
    uv = f"[[ $* == 'python find --system 3.10' ]] && echo {python}"
    write_program(tmp_path / "bin/uv", uv)
    assert find_python(tmp_path, PATH=str(tmp_path / "bin")).stdout == f"{python}\n"


def test_named_python_is_taken_or_refused(tmp_path):
    good = write_program(tmp_path / "good/python3.10", FAKE_PYTHON)
    wrong = write_program(tmp_path / "wrong/python3.10", "echo Python 3.11.7")
    assert find_python(tmp_path, PYTHON=str(good)).stdout == f"{good}\n"
    assert_one_line(find_python(tmp_path, PYTHON=str(wrong), PATH=str(good.parent)), str(wrong))
    assert_one_line(find_python(tmp_path, PYTHON="/nowhere/python3.10"), "/nowhere/python3.10")


def test_python_of_a_virtual_environment_stands_for_its_base(tmp_path):
    found = find_python(tmp_path, PYTHON=sys.executable).stdout.strip()
    assert os.path.samefile(found, sys._base_executable)


@pytest.fixture
def project(tmp_path):
    shutil.copytree(ROOT / "tools", tmp_path / "tools")
    for name in REQUIREMENTS:
        (tmp_path / name).write_text("package==1\n")
    write_program(tmp_path / "bin/python3.10", FAKE_PYTHON)
    return tmp_path


def set_up(project):
    """Run the set-up; its result, and what it asked Python to do."""
    log = project / "log"
    log.write_text("")
    result = run("tools/setup_venv.sh", project, PATH=f"{project / 'bin'}:{os.environ['PATH']}")
    return result, log.read_text().split()


def test_second_run_does_nothing(project):
    result, orders = set_up(project)
    assert (result.returncode, result.stderr, orders) == (0, "", ["venv", "pip"])
    result, orders = set_up(project)
    assert (result.returncode, result.stdout, result.stderr, orders) == (0, "", "", [])


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_changed_pins_are_installed_into_the_same_environment(project, name):
    set_up(project)
    (project / name).write_text("package==2\n")
    assert set_up(project)[1] == ["pip"]
    assert set_up(project)[1] == []


def test_unfinished_installation_is_made_anew(project):
    (project / "broken").touch()
    result, orders = set_up(project)
    assert result.returncode != 0
    assert "the packages were not installed" in result.stderr
    (project / "broken").unlink()
    assert set_up(project)[1] == ["venv", "pip"]


def test_unfinished_update_is_made_anew(project):
    set_up(project)
    (project / "requirements.txt").write_text("package==2\n")
    (project / "broken").touch()
    assert set_up(project)[1] == ["pip"]
    (project / "requirements.txt").write_text("package==1\n")
    (project / "broken").unlink()
    assert set_up(project)[1] == ["venv", "pip"]


def test_environment_whose_python_has_gone_is_made_anew(project):
    set_up(project)
    (project / ".venv/bin/python").unlink()
    assert set_up(project)[1] == ["venv", "pip"]


def test_missing_venv_module_gives_one_line(project):
    (project / "no-ensurepip").touch()
    result, orders = set_up(project)
    assert_one_line(result, "apt-get install python3.10-venv")
    assert orders == []


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_every_pin_has_a_hash_and_no_address(name):
    text = (ROOT / name).read_text()
    lines = re.findall(r"^[^#\n]+$", re.sub(r"\\\n|^ *#.*$", "", text, flags=re.M), re.M)
    pin = re.compile(r"[a-z0-9._-]+==[^\s;]+( ; [^\\#-]+)?( +--hash=sha256:[0-9a-f]{64})+")
    assert lines
    assert [line for line in lines if not pin.fullmatch(line.strip())] == []
    assert "://" not in text


def test_pins_cover_what_is_asked_for():
    pins = "".join((ROOT / name).read_text() for name in REQUIREMENTS)
    pinned = set(re.findall(r"^([a-z0-9._-]+)==", pins, re.M))
    for name in ("requirements.in", "requirements-dev.in"):
        asked = {line.lower() for line in re.findall(r"^[A-Za-z][\w.-]*", (ROOT / name).read_text(), re.M)}
        assert asked
        assert asked <= pinned


def test_make_alone_lists_every_target():
    environment = {"PATH": os.environ["PATH"]}
    listed = subprocess.run(["make", "-C", ROOT], env=environment, capture_output=True, text=True)
    for target in ("search", "test", "test-slow", "lint", "clean"):
        assert re.search(rf"^{target} +\w.*$", listed.stdout, re.M)


def test_make_clean_leaves_nothing_but_what_is_not_its_own(tmp_path):
    caches = (".pytest_cache", ".ruff_cache", ".hypothesis", "a/__pycache__")
    ours = (*caches, ".venv/bin", "enas.egg-info", "build/lib", "build/bdist.linux")
    for folder in (*ours, "tmp.macro_monitor"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "file").touch()
    (tmp_path / "a" / "file.py").touch()
    command = ["make", "-C", tmp_path, "-f", ROOT / "Makefile", "clean"]
    subprocess.run(command, check=True, capture_output=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "tmp.macro_monitor"]
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["file.py"]
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "mine").touch()
    subprocess.run(command, check=True, capture_output=True)
    assert (tmp_path / "build" / "mine").exists()
