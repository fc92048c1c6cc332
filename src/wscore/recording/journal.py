"""Where a recording's lines go: a file that never harms the connection it is about.

Lines are collected and appended in pieces of some 32 KiB, once a second if there are any, and at the connection's end.
The file is open only while it is written: ten thousand recordings need no ten thousand descriptors. Nothing is synced:
a process that is killed loses what it had not appended yet, and the file ends after a whole line.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final, Protocol

__all__ = ["FileJournal", "Journal"]

_PIECE: Final = 2**15
_SECONDS: Final = 1.0


class Journal(Protocol):
    """Takes lines."""

    open: bool
    """Whether it takes more."""

    def write(self, line: str, now: float) -> None:
        """Take a line, which has no line end; `now` is the connection's clock."""
        ...

    def flush(self) -> None:
        """Store what was taken."""
        ...

    def cut(self, reason: str) -> None:
        """Take a last line, which says why no more follow."""
        ...


class FileJournal:
    """Appends lines to a new file. A failure closes it for good, and is told to `failed`."""

    __slots__ = ("_failed", "_flushed_at", "_left", "_lines", "_path", "_size", "_written", "open")

    def __init__(self, path: str, *, max_size: int, failed: Callable[[OSError], None]) -> None:
        self._path = path
        self._failed = failed
        self._left = max_size
        self._lines: list[str] = []
        self._size = 0
        self._written = False
        self._flushed_at: float | None = None
        self.open = True

    def write(self, line: str, now: float) -> None:
        """Take a line; one that would exceed the limit is replaced by a last one, which says so."""
        if not self.open:
            return
        size = len(line) + 1  # a line is ASCII
        self._left -= size
        if self._left < 0:
            self.cut("a recording's largest size is reached")
            return
        self._lines.append(line)
        self._size += size
        if self._flushed_at is None:
            self._flushed_at = now
        if self._size >= _PIECE or now - self._flushed_at >= _SECONDS:
            self._flushed_at = now
            self.flush()

    def cut(self, reason: str) -> None:
        """Write a last line."""
        if self.open:
            self._lines.append(f'{{"cut": "{reason}"}}')
            self.flush()
            self.open = False

    def flush(self) -> None:
        """Append what was collected."""
        if not self._lines or not self.open:
            return
        text = "\n".join([*self._lines, ""]).encode("ascii")
        self._lines.clear()
        self._size = 0
        # Only the first piece makes a file, and only a new one: if the folder is emptied meanwhile, no file appears
        # that has no first line. 0600: it may hold what the peers said.
        new = 0 if self._written else os.O_CREAT | os.O_EXCL
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | new, 0o600)
            try:
                self._written = True
                while text:
                    text = text[os.write(descriptor, text) :]
            finally:
                os.close(descriptor)
        except OSError as error:
            self.open = False
            self._failed(error)
