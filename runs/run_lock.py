"""The lock of a run directory: one process at a time."""

import contextlib
import fcntl
import os
import socket

from errors import UserError
from file_names import LOCK


@contextlib.contextmanager
def locked(folder):
    """Inside, no other process is. The lock of a process that was killed ends with it. Raises UserError naming the other one."""
    handle = _lock(folder / LOCK)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.unlink(handle.name)
        handle.close()


def _lock(path):
    """An open file that no other process can lock as long as this one lives."""
    while True:
        handle = open(path, "a+")  # noqa: SIM115 - held as long as the run; the system frees it with the process
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            with handle:
                raise _refused(handle, path.parent, error) from error
        if path.exists() and os.path.samestat(os.fstat(handle.fileno()), path.stat()):
            break
        handle.close()  # the owner before removed it between the two calls
    handle.truncate(0)
    handle.write(f"process {os.getpid()} on {socket.gethostname()}")
    handle.flush()
    return handle


def _refused(handle, folder, error):
    if not isinstance(error, BlockingIOError):
        return UserError(f"cannot lock the run directory {folder}: {error.strerror}; choose another --monitor-path")
    handle.seek(0)
    owner = handle.read(200) or "another process"
    return UserError(f"{owner} is running in {folder}; wait until it ends or choose another --monitor-path")
