"""Errors that a user can mend, and the one place that prints them."""

import contextlib
import errno
import logging
import os
import re
import signal
import sys

# NNabla reports its start and every file it writes; a user wants to read about the run. Set before NNabla is imported.
logging.getLogger("nnabla").setLevel(logging.WARNING)

# The system's refusals that can meet any write or read, those of standard output among them: no bug, so no traceback.
REFUSALS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.ESTALE, errno.EPIPE, errno.EMFILE)

_KIND = re.compile(r"[a-z_ ]+ error in .+")  # the first line of NNabla's errors
_CONDITION = re.compile(r"Failed( `.*?`)?:?\s*")  # what did not hold, before NNabla's words about it
_NO_MEMORY = re.compile("memory error|out of memory|CUDNN_STATUS_ALLOC_FAILED|CUBLAS_STATUS_ALLOC_FAILED")


class UserError(Exception):
    """One line: what was wrong, what was found, what to do. Scripts print it and exit with status 2.

    `details` are lines to print before it, such as a table.
    """

    def __init__(self, message, details=()):
        super().__init__(message)
        self.details = tuple(details)


def reason_of(error):
    """One line that says why: of NNabla's errors, which have three lines (kind, place in its source, message), the message."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if len(lines) > 2 and _KIND.fullmatch(lines[0]):
        message = _CONDITION.sub("", lines[2])
        if message:
            return message.rstrip(".")
    return lines[0] if lines else type(error).__name__


def is_lack_of_memory(error):
    """Is it Python's, NNabla's, CUDA's, cuDNN's or cuBLAS's way to say that there is not enough memory?"""
    return isinstance(error, MemoryError) or isinstance(error, RuntimeError) and bool(_NO_MEMORY.search(str(error)))


def report_and_exit(main, resumes=False):
    """Run a script's `main()` and exit with its status.

    A `UserError`, a refusal of the system and a lack of memory become one line on standard error and status 2; SIGINT
    and SIGTERM, where the run does not handle them itself, status 130 and 143. Bugs keep their traceback. `resumes`: the
    script makes a run that the same command resumes. One that only shows something ends without a word, with status 141,
    when nobody reads on.
    """
    with _termination_raised():
        sys.exit(status_of(main, resumes))


def status_of(main, resumes=False):
    """The exit status of `report_and_exit`, which prints what it says through this."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # a path may hold bytes that are no text
    try:
        status = main()
        sys.stdout.flush()
        return status
    except UserError as error:
        return _complain(str(error), error.details)
    except (MemoryError, RuntimeError) as error:
        if not is_lack_of_memory(error):
            raise
        return _complain(f"out of memory ({reason_of(error)}); choose a smaller --batch-size, --output-filter or --hidden-size")
    except OSError as error:
        if error.errno not in REFUSALS:
            raise
        _abandon_output()
        if error.errno == errno.EPIPE and not resumes:
            return 128 + signal.SIGPIPE
        advice = "; the same command resumes the run" if resumes else ""
        return _complain(f"{error.filename or 'cannot write or read'}: {error.strerror}{advice}")
    except KeyboardInterrupt:
        return _complain("interrupted", status=128 + signal.SIGINT)
    except _Terminated:
        return _complain("terminated", status=128 + signal.SIGTERM)


class _Terminated(BaseException):
    """SIGTERM, as KeyboardInterrupt is SIGINT."""


@contextlib.contextmanager
def _termination_raised():
    def handle(number, frame):
        raise _Terminated

    earlier = signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, earlier)


def _complain(message, details=(), status=2):
    """Print to standard error, if it is there. Returns the exit status."""
    name = os.path.basename(sys.argv[0])
    with contextlib.suppress(OSError):
        print(*details, f"{name}: error: {' '.join(message.split())}", sep="\n", file=sys.stderr, flush=True)
    return status


def _abandon_output():
    """Let what Python still has to write at its exit go nowhere."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
