"""Refuses, in one line, a Python or a system that cannot run the project. What a user starts imports it before all else.

It also keeps what happens while the packages load (seconds, before `errors.report_and_exit`) to one line. Written so that
Pythons since 3.6 can read it.
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


def open_closed_streams():
    """Let what was started with a standard stream closed (`2>&-`) write it to nowhere.

    Otherwise Python has no such stream, and the next file that is opened gets its number and what C libraries print.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            handle = os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is that of the stream
            os.set_inheritable(handle, True)
            stream = os.fdopen(handle, mode)
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)


def refuse():
    """Exit with status 2 after a line on standard error if there is a `problem`."""
    found = problem()
    if found:
        _say(found)
        sys.exit(2)


def loading_problem(error, trace):
    """The line for what ended the process while packages were loaded, or None for what keeps its traceback."""
    files = []
    while trace is not None:
        files.append((os.path.abspath(trace.tb_frame.f_code.co_filename), trace.tb_frame.f_code.co_name))
        trace = trace.tb_next
    if (os.path.join(HOME, "errors.py"), "report_and_exit") in files:
        return None
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    last = files[-1][0] if files else ""
    ours = last.startswith(HOME + os.sep) and "site-packages" not in last and os.path.exists(last)  # not so for Cython's frames
    if ours or not isinstance(error, (ImportError, OSError)):
        return None
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return f"a package of {sys.executable} does not load ({reason}); {ADVICE}"


def _one_line(kind, error, trace):
    found = loading_problem(error, trace)
    if found is None:
        sys.__excepthook__(kind, error, trace)
        return
    _say(found)
    if not isinstance(error, KeyboardInterrupt):  # of which Python makes status 130
        sys.stderr.flush()
        os._exit(2)


def _say(message):
    sys.stderr.write("{}: error: {}\n".format(os.path.basename(sys.argv[0]).replace("-m", "") or "python", message))


open_closed_streams()
refuse()
sys.excepthook = _one_line
