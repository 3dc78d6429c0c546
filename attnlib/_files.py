"""Files that a reader made: written beside and moved, so that there is the old one or the new one,
never half of it.
"""

import contextlib
import os
import secrets
import shutil
import threading
import time
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: there a file that is open cannot be moved or removed
    fcntl = None

DRAFT = ".draft"
ABANDONED = 24 * 3600  # seconds; where files cannot be locked, a draft this old is dead
PATIENCE = 10.0  # seconds to wait for another's lock


@contextlib.contextmanager
def replacing(path):
    """with replacing(path) as file: file.write(blob). The file takes its place when all is written,
    and not before.

    A full disk or a killed process leaves what was there. A link is followed: the file behind it is
    replaced. What dead processes left half-written beside it goes.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        raise IsADirectoryError(f"{path} is not a file: choose another name")
    _sweep(path)
    draft, file = _draft(path)
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if path.exists():
                shutil.copymode(path, draft)
            if fcntl:
                os.replace(draft, path)
        if not fcntl:
            os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def write(path, blob):
    """Write text or bytes to a file, as `replacing` does."""
    with replacing(path) as file:
        file.write(blob.encode() if isinstance(blob, str) else blob)


@contextlib.contextmanager
def locked(path):
    """with locked(path): read, change, write. One at a time, among threads, kernels, and machines
    that share the folder.

    The lock is an empty hidden file beside it, which stays. Raises TimeoutError after `PATIENCE`
    seconds. Where no lock can be placed, nothing is locked.
    """
    path = Path(os.path.realpath(path))
    with _one_thread, contextlib.ExitStack() as held:
        with contextlib.suppress(_NoLocks):
            _wait(held.enter_context(_lock_file(path.with_name(f".{path.name}.lock"))))
        yield


def _lock_file(path):
    try:
        return open(path, "ab")
    except OSError as error:
        raise _NoLocks(*error.args) from None


def _wait(file):
    """Until nobody else holds this file."""
    end = time.monotonic() + PATIENCE
    while not _hold(file):
        if time.monotonic() > end:
            raise TimeoutError(f"another program has held it for {PATIENCE:.0f} seconds")
        time.sleep(0.01)


_one_thread = threading.RLock()  # some file systems lock for a process, not for a thread


class _NoLocks(OSError):
    """No lock can be placed here: the file system knows none, or the folder cannot be written."""


def _hold(file):
    """Lock an open file for as long as it is open. -> True, or False if another holds it; _NoLocks
    if there are none.
    """
    try:
        if fcntl:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    except (BlockingIOError, PermissionError):
        return False
    except (ImportError, OSError) as error:
        raise _NoLocks(*error.args) from None
    return True


def _stem(path):
    """How the names of this file's drafts begin; not too long for a file system, which takes 255
    bytes.
    """
    return f".{path.name.encode()[:150].decode(errors='ignore')}."


def _draft(path):
    """A new file beside this one, held open as a sign of life for those who sweep. -> its path, the
    open file
    """
    while True:
        draft = path.with_name(f"{_stem(path)}{os.getpid()}-{secrets.token_hex(6)}{DRAFT}")
        file = open(draft, "xb")
        try:
            if _hold(file) and draft.exists():  # nobody swept it in between
                return draft, file
        except _NoLocks:
            return draft, file
        file.close()
        draft.unlink(missing_ok=True)


def _sweep(path):
    """Take away the drafts of this file that nobody holds: their process has died."""
    stem = _stem(path)
    with contextlib.suppress(OSError):
        drafts = [
            path.with_name(name)
            for name in os.listdir(path.parent)
            if name.startswith(stem) and name.endswith(DRAFT)
        ]
        for draft in drafts:
            with contextlib.suppress(OSError):
                if _is_dead(draft):
                    draft.unlink()


def _is_dead(draft):
    if not fcntl or time.time() - draft.stat().st_mtime > ABANDONED:
        return True  # on Windows, a living one cannot be removed
    with open(draft, "rb") as file:
        return _hold(file)
