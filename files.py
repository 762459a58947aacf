"""Writing files that are complete or absent."""

import contextlib
import errno
import fcntl
import os
import tempfile

from errors import UserError

SUFFIX = ".tmp"


@contextlib.contextmanager
def atomic_write(path, mode="wb"):
    """Give a file to write; it takes the name `path` only when the block has ended without an error.

    The temporary file lies in the same folder; one that a killed process left behind is removed. Raises UserError naming
    the file when the system refuses.
    """
    path = os.fspath(path)
    folder, name = os.path.split(path)
    temporary = None
    try:
        _remove_abandoned(folder or ".", name)
        handle, temporary = tempfile.mkstemp(prefix=f".{name}.", suffix=SUFFIX, dir=folder or ".")
        with open(handle, mode, encoding=None if "b" in mode else "utf-8") as file:
            _lock(file)  # as long as it is written, nobody takes it for abandoned
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
        flush_folder(folder or ".")
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}; {_advice(error)}") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def _advice(error):
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return "free disk space and rerun the same command" if full else "choose another folder"


def flush_folder(folder):
    """Make the names in a folder last through a power failure, where the file system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _remove_abandoned(folder, name):
    for entry in os.listdir(folder):
        if entry.startswith(f".{name}.") and entry.endswith(SUFFIX):
            with contextlib.suppress(OSError), open(os.path.join(folder, entry), "rb") as file:
                if _lock(file):
                    os.unlink(file.name)


def _lock(file):
    """True if nobody else has it; the lock ends with the file or the process."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # somebody has it, or the file system knows no locks
        return False
    return True


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
