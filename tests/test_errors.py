import errno
import os
import signal
import subprocess
import sys

import pytest

from errors import UserError, reason_of, report_and_exit


def status_of(main):
    with pytest.raises(SystemExit) as end:
        report_and_exit(main)
    return end.value.code


def raising(error):
    def main():
        raise error

    return main


@pytest.fixture(autouse=True)
def script(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/some/where/macro_search.py"])


@pytest.mark.parametrize("status", [0, None, 1])
def test_the_status_of_a_script_is_its_own(status, capsys):
    assert status_of(lambda: status) == status
    assert capsys.readouterr().err == ""


def test_a_user_error_is_one_line(capsys):
    assert status_of(raising(UserError("bad\n  thing"))) == 2
    assert capsys.readouterr().err == "macro_search.py: error: bad thing\n"


def test_details_come_first(capsys):
    assert status_of(raising(UserError("bad", details=["a  b", "1  2"]))) == 2
    assert capsys.readouterr().err == "a  b\n1  2\nmacro_search.py: error: bad\n"


@pytest.mark.parametrize(
    "error, status, words",
    [
        (MemoryError("Unable to allocate 9 TiB"), 2, ["out of memory", "9 TiB"]),
        (RuntimeError("memory error in alloc\nmemory.cpp:39\nFailed"), 2, ["out of memory", "in alloc"]),
        (RuntimeError("memory error in alloc\nmemory.cpp:39\nFailed `this->alloc()`: 9 GB.\n"), 2, ["out of memory (9 GB);"]),
        (RuntimeError("a error in f\nf.cu:1\nCUDNN_STATUS_ALLOC_FAILED\n"), 2, ["out of memory (CUDNN", "--output-filter"]),
        (RuntimeError("a error in f\nf.cu:1\nCUBLAS_STATUS_ALLOC_FAILED\n"), 2, ["out of memory (CUBLAS", "--batch-size"]),
        (OSError(errno.ENOSPC, "No space left on device", "log"), 2, ["log: No space left on device"]),
        (KeyboardInterrupt(), 130, ["interrupted"]),
    ],
)
def test_what_is_no_fault_of_the_program_is_one_line(capsys, error, status, words):
    assert status_of(raising(error)) == status
    line = capsys.readouterr().err
    assert line.count("\n") == 1 and all(word in line for word in words)


@pytest.mark.parametrize(
    "text, reason",
    [
        ("value error in query\n/nbla/registry.hpp:69\nFailed `it != items.end()`: no function Foo.\n", "no function Foo"),
        ("target_specific error in cuda_get_device\na.cpp:30\n(get(&d)) failed with \"why\".", '(get(&d)) failed with "why"'),
        ("one\ntwo\nthree", "one"),
        ("", "RuntimeError"),
    ],
)
def test_the_third_line_of_an_error_of_nnabla_is_the_reason(text, reason):
    assert reason_of(RuntimeError(text)) == reason


@pytest.mark.parametrize("error", [ValueError("bug"), RuntimeError("bug"), FileNotFoundError(errno.ENOENT, "bug")])
def test_a_bug_keeps_its_traceback(error):
    with pytest.raises(type(error)):
        report_and_exit(raising(error))


def test_sigterm_before_a_run_is_one_line(capsys):
    earlier = signal.getsignal(signal.SIGTERM)
    assert status_of(lambda: os.kill(os.getpid(), signal.SIGTERM)) == 143
    assert capsys.readouterr().err == "macro_search.py: error: terminated\n"
    assert signal.getsignal(signal.SIGTERM) is earlier


def run(code, resumes=False, **options):
    code = f"from errors import *\ndef main():\n    {code}\nreport_and_exit(main, {resumes})"
    return subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, **options)


@pytest.mark.parametrize("text", ["print('x' * 100_000)", "print('x')"])
@pytest.mark.parametrize("resumes", [False, True])
def test_a_full_standard_output_is_one_line(text, resumes):
    with open("/dev/full", "w") as full:
        done = run(text, resumes, stdout=full)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "No space left on device" in done.stderr
    assert ("the same command resumes the run" in done.stderr) == resumes


@pytest.mark.parametrize("text", ["print('x' * 100_000)", "print('x')"])
def test_a_closed_pipe_ends_a_run_with_a_line_and_everything_else_without_a_word(text):
    for resumes, status, line in ((True, 2, "Broken pipe; the same command resumes the run\n"), (False, 141, "")):
        reader, writer = os.pipe()
        os.close(reader)
        done = run(text, resumes, stdout=writer)
        os.close(writer)
        assert done.returncode == status and done.stderr.endswith(line) and done.stderr.count("\n") == len(line.splitlines())


def test_a_name_that_is_no_text_can_be_printed():
    done = run("print('\\udcff'); raise UserError('\\udcff')", stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout, done.stderr) == (2, "\\udcff\n", "-c: error: \\udcff\n")
