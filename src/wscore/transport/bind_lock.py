"""A claim on a unix socket's path, while its server starts: by it that server is told from one that was killed.

Both have a socket at their path to which nobody listens, and connecting to it says the same of both. So whoever has
bound a path holds a lock on a file beside it until it listens. The system takes the lock back from a process that dies.

Not part of the core, which knows no file, and not loaded by `import wscore`.
"""

from __future__ import annotations

import contextlib
import os
import sys

if sys.platform != "win32":  # which has no such locks, and whose Python has no unix sockets
    import fcntl

__all__ = ["BindLock", "is_bind_locked"]


def is_bind_locked(path: str) -> bool:
    """Tell whether a server that starts has bound the path. OSError where that cannot be known."""
    try:
        file = os.open(_beside(path), os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return not _lock(file)
    finally:
        os.close(file)


class BindLock:
    """A claim on a path that this process has bound. Raises OSError where no file can be beside it."""

    def __init__(self, path: str) -> None:
        self._beside = _beside(path)
        while True:
            # To be read by everybody: who asks whether it is locked need not be of our user.
            self._file = os.open(self._beside, os.O_RDONLY | os.O_CREAT, 0o644)
            locked = _lock(self._file)
            if locked and self._is_there():
                return
            os.close(self._file)
            if not locked:  # of a server whose path somebody has removed: it has nothing left to claim
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self._beside)

    def release(self) -> None:
        """Give it up, and remove its file."""
        with contextlib.suppress(OSError):  # somebody has cleared the folder
            if self._is_there():
                os.unlink(self._beside)
        os.close(self._file)

    def _is_there(self) -> bool:
        try:
            return os.path.samestat(os.stat(self._beside), os.fstat(self._file))
        except FileNotFoundError:
            return False


def _beside(path: str) -> str:
    return f"{path}.lock"


def _lock(file: int) -> bool:
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
