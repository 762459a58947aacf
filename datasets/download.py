"""Downloading a published file once: continued after an interruption, used only with the right checksum."""

import contextlib
import fcntl
import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from errors import UserError

CHUNK = 1 << 18  # bytes
TIMEOUT = 30  # seconds without a byte
RETRIES = 5  # broken connections in a row, once something has arrived
PAUSE = 1.0  # seconds before the next try


@dataclass(frozen=True)
class RemoteFile:
    """A published file: where it is, its size in bytes and its SHA-256 in hexadecimal."""

    url: str
    size: int
    sha256: str

    @property
    def name(self):
        """The last part of its address."""
        return self.url.rsplit("/", 1)[-1]


class _UnavailableError(Exception):
    """The file cannot be had now; the text says why."""


class _BrokenConnectionError(Exception):
    """The connection broke; another try may continue."""


def data_home():
    """NNabla's folder of downloaded data, `nnabla_data` in the user's home folder; NNabla's own function would make it."""
    home = Path.home() / "nnabla_data"
    return Path("nnabla_data") if home == Path("/nnabla_data") else home


def fetch(remote, folder, ways_out, log=print):
    """Path of `remote` (a RemoteFile) in `folder`, downloaded if it is not there yet.

    What has arrived so far lies in NAME.part and is continued by the next call; it takes its name only when
    size and SHA-256 agree. Where nothing has arrived nothing is left, no folder either. A file of that name with
    another content is reported to `log` and replaced.
    Processes that ask at the same time wait for one another. Raises UserError, ending in `ways_out`, when the
    file cannot be downloaded or kept.
    """
    path = Path(folder) / remote.name
    try:
        with one_process_at_a_time(path.parent):
            if not _is_kept(path, remote, log):
                log(f"downloading {remote.url} to {path}")
                _download(remote, path)
    except _UnavailableError as error:
        raise UserError(f"cannot download {remote.url}: {error}; {ways_out}") from error
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}; {ways_out}") from error
    return path


@contextlib.contextmanager
def one_process_at_a_time(folder):
    """Make the folder and hold its lock: the ranks of a parallel run must not write into one another's file.

    Folders that were made for nothing are removed again.
    """
    made, handle = _locked(folder)
    try:
        yield
    finally:
        for place in made:
            with contextlib.suppress(OSError):  # it holds something
                place.rmdir()
        os.close(handle)


def _locked(folder):
    """(list of the folders that had to be made, the innermost first; handle of the locked folder)."""
    while True:
        made = [place for place in (folder, *folder.parents) if not place.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
        with contextlib.suppress(OSError):  # some network file systems have no locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        if folder.exists() and os.path.samestat(os.fstat(handle), folder.stat()):
            return made, handle
        os.close(handle)  # who had it before removed it


def _is_kept(path, remote, log):
    if not path.exists():
        return False
    difference = _difference(path, remote)
    if difference:
        log(f"{path} is not the published file: {difference}; downloading it again")
    return not difference


def _difference(path, remote):
    """How the file differs from the published one, in words; empty if it does not."""
    size = path.stat().st_size
    if size != remote.size:
        return f"it has {size:,} bytes instead of {remote.size:,}"
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    if digest.hexdigest() != remote.sha256:
        return f"its SHA-256 is {digest.hexdigest()} instead of {remote.sha256}"
    return ""


def _download(remote, path):
    part = path.with_name(path.name + ".part")
    try:
        with open(part, "ab") as file:
            _receive(remote, file)
            file.flush()
            os.fsync(file.fileno())
    finally:
        if part.exists() and not part.stat().st_size:
            part.unlink()
    difference = _difference(part, remote)
    if difference:
        part.unlink()
        raise _UnavailableError(f"the download is not the published file: {difference}")
    os.replace(part, path)


def _receive(remote, file):
    """Append to `file` until it has the published size, trying again as long as that brings it forward."""
    reached = _size(file)
    if reached > remote.size:
        file.truncate(0)
        reached = 0
    patience = 0  # a server that gives nothing at the first try is not there: say so at once
    with tqdm(total=remote.size, unit="B", unit_scale=True, desc=remote.name, disable=None) as bar:
        while _size(file) < remote.size:
            try:
                _continue(remote, file, bar)
            except _BrokenConnectionError as error:
                size = _size(file)
                patience = RETRIES if size > reached else patience - 1
                reached = max(size, reached)
                if patience < 0:
                    hint = " (run again to continue)" if size else ""
                    raise _UnavailableError(f"{error}{hint}") from error
                time.sleep(PAUSE)


def _size(file):
    return file.seek(0, os.SEEK_END)


def _continue(remote, file, bar):
    """One request for the bytes that `file` lacks."""
    offset = _size(file)
    with _open(remote, offset) as response:
        if response.status != http.client.PARTIAL_CONTENT:
            offset = 0
        missing = remote.size - offset
        if response.length not in (None, missing):
            raise _UnavailableError(f"the server offers {response.length:,} bytes instead of {missing:,}")
        file.truncate(offset)
        bar.n = offset
        sized = response.length is not None
        while missing and (chunk := _read(response, min(CHUNK, missing))):
            file.write(chunk)
            bar.update(len(chunk))
            missing -= len(chunk)
    if missing:
        if not sized:  # it may have been another page, complete as it is
            file.truncate(0)
        raise _BrokenConnectionError(f"the connection ended {missing:,} bytes early")


def _open(remote, offset):
    """The server's answer to a request for the bytes from `offset` on; for all if it has none there."""
    request = urllib.request.Request(remote.url, headers={"Range": f"bytes={offset}-"} if offset else {})
    try:
        return urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if offset and error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            return _open(remote, 0)
        raise _UnavailableError(f"the server answered {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenConnectionError(_reason(error)) from error


def _read(response, size):
    try:
        return response.read(size)
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenConnectionError(_reason(error)) from error


def _reason(error):
    cause = getattr(error, "reason", error)  # urllib wraps what the system said
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
