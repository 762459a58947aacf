"""What a result says of its origin: commit, versions, machine."""

import datetime
import json
import pathlib
import platform
import subprocess

import nnabla as nn
import numpy as np

from benchmarks.machine import describe_machine
from errors import UserError
from experiments.commands import HOME
from files import atomic_write

RESULTS = pathlib.Path(__file__).parent / "results"


def origin():
    """Dict: date, commit (with `-dirty` if files differ from it), versions, machine."""
    machine = describe_machine()
    return {
        "date": datetime.date.today().isoformat(),
        "commit": _commit(),
        "versions": {"nnabla": nn.__version__, "numpy": np.__version__, "python": platform.python_version()},
        "machine": f"{machine['processor']}, {machine['cores']} cores",
    }


def _commit():
    try:
        git = ["git", "-C", str(HOME), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
        return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def write(name, result, folder=RESULTS):
    """Write `result` (for JSON) as `name`.json; gives the path."""
    path = pathlib.Path(folder) / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path, "w") as file:
        json.dump(result, file, indent=1)
        file.write("\n")
    return path


def read(name, folder=RESULTS):
    """The result `name`. Raises UserError when there is none."""
    path = pathlib.Path(folder) / f"{name}.json"
    if not path.exists():
        raise UserError(f"no result {path}; run that experiment first (experiments/RESULTS.md names the commands)")
    return json.loads(path.read_text())
