"""Refuses, in one line, a Python or a system that cannot run the project; `errors` imports it before all else.

Written so that Pythons since 3.6 can read it.
"""

import importlib.util
import os
import sys

HOME = os.path.dirname(os.path.abspath(__file__))
PYTHON = (3, 10)
MODULES = ("numpy", "nnabla", "h5py", "matplotlib", "PIL", "scipy", "sklearn", "threadpoolctl", "tqdm")
ADVICE = f"run `make venv` in {HOME} and use {HOME}/.venv/bin/python"


def problem(version=sys.version_info, find=importlib.util.find_spec):
    """What is wrong with this interpreter, in one line that says what to do; None if nothing is."""
    if tuple(version[:2]) != PYTHON:
        found = "{} is {}.{}".format(sys.executable, *version[:2])
        return f"needs Python 3.10, the last one that NNabla has packages for; {found}; {ADVICE}"
    if find("fcntl") is None:
        return "needs Linux or macOS: this system has no file locks that Python knows (module fcntl)"
    missing = [name for name in MODULES if find(name) is None]
    if missing:
        return "{} lacks the modules {}; {}".format(sys.executable, ", ".join(missing), ADVICE)
    return None


def refuse():
    """Exit with status 2 after a line on standard error if there is a `problem`."""
    found = problem()
    if found:
        sys.stderr.write("{}: error: {}\n".format(os.path.basename(sys.argv[0]).replace("-m", "") or "python", found))
        sys.exit(2)


refuse()
