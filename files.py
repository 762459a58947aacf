"""Writing files that are complete or absent."""

import contextlib
import os
import tempfile

from errors import UserError


@contextlib.contextmanager
def atomic_write(path, mode="wb"):
    """Give a file to write; it takes the name `path` only when the block has ended without an error.

    The temporary file lies in the same folder. Raises UserError naming the file when the system refuses.
    """
    path = os.fspath(path)
    folder = os.path.dirname(path) or "."
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{os.path.basename(path)}.", suffix=".tmp", dir=folder)
        with open(handle, mode) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}; choose another folder or make room") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
