"""A lock beside a Unix socket's path, held while its server starts: tells that server from one that was killed.

In both cases there is a socket at the path that does not listen, and connecting fails with the same error. So a server
holds a lock on a file beside the path from bind to listen. The system releases the lock when the process dies.

Not part of the core, which uses no files; `import wscore` does not load it.
"""

from __future__ import annotations

import contextlib
import os
import sys

if sys.platform != "win32":  # Windows has no flock, and its Python no Unix sockets
    import fcntl

__all__ = ["BindLock", "is_bind_locked"]


def is_bind_locked(path: str) -> bool:
    """Return whether a starting server has bound `path`. Raises OSError if that cannot be determined."""
    try:
        file = os.open(_beside(path), os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return not _lock(file)
    finally:
        os.close(file)


class BindLock:
    """A lock on a path that this process has bound. Raises OSError if the lock file cannot be created."""

    def __init__(self, path: str) -> None:
        self._beside = _beside(path)
        while True:
            # World-readable: the process that checks the lock may run as another user.
            self._file = os.open(self._beside, os.O_RDONLY | os.O_CREAT, 0o644)
            locked = _lock(self._file)
            if locked and self._is_there():
                return
            os.close(self._file)
            if not locked:  # held by a server whose socket was removed: its lock is meaningless
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self._beside)

    def release(self) -> None:
        """Release the lock and remove its file."""
        with contextlib.suppress(OSError):  # the directory may have been removed
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
