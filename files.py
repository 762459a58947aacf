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
        handle, temporary = _locked_file(folder or ".", name)
        with open(handle, mode, encoding=None if "b" in mode else "utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)  # while it is locked: nobody takes it for abandoned until then
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


def try_to_write(folder, name):
    """Make such a temporary file and remove it: nothing else tells of every refusal. Raises OSError."""
    handle, temporary = _locked_file(folder, name)
    try:
        os.unlink(temporary)
    finally:
        os.close(handle)


def as_utf8(value):
    """Its text as UTF-8 can hold it: with backslash and number for the bytes of a file's name that are no UTF-8."""
    return str(value).encode("utf-8", "backslashreplace").decode()


def _locked_file(folder, name):
    """(handle, path) of a new temporary file that no other process takes for abandoned."""
    while True:
        handle, path = tempfile.mkstemp(prefix=f".{name}.", suffix=SUFFIX, dir=folder)
        if _is_secured(handle, path):
            return handle, path
        os.close(handle)


def _is_secured(handle, path):
    """Lock a new file; False if another process, which took it for abandoned before, removes it or has done so."""
    try:
        _lock(handle)
    except BlockingIOError:
        return False
    except OSError:
        pass  # the file system knows no locks, so that nobody removes anything
    return _is_at(handle, path)


def _remove_abandoned(folder, name):
    for entry in os.listdir(folder):
        if entry.startswith(f".{name}.") and entry.endswith(SUFFIX):
            with contextlib.suppress(OSError), open(os.path.join(folder, entry), "rb") as file:
                _lock(file)
                if _is_at(file.fileno(), file.name):
                    os.unlink(file.name)


def _lock(file):
    """Raises OSError if somebody has it (BlockingIOError) or there are no locks; the lock ends with the file or the process."""
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_at(handle, path):
    """Is the open file still the one of that name?"""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
