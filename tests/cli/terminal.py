"""A terminal with somebody in front of it: a pty, and what its screen shows."""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..real_time import TIMEOUT

# A terminal's signals go to the session that it belongs to.
_OWN_IT = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.executable, sys.argv[1:])"
_SEQUENCE = re.compile(r"\x1b(?:\[([?0-9;]*)([A-Za-z@])|[()][0-9A-Z]|([^\[()]))")


class Screen:
    """What the sequences that are used here make of a screen; another one is an error."""

    def __init__(self, columns: int, rows: int) -> None:
        self._columns = columns
        self._cells = [[" "] * columns for _ in range(rows)]
        self._row = self._column = 0
        self._saved = (0, 0)
        self._rest = ""  # the beginning of a sequence whose end has not come

    @property
    def rows(self) -> list[str]:
        """The rows that are not empty, from the top."""
        return [text for row in self._cells if (text := "".join(row).rstrip())]

    def show(self, text: str) -> None:
        """Take what was written."""
        text, self._rest = self._rest + text, ""
        at = 0
        while at < len(text):
            if text[at] == "\x1b":
                match = _SEQUENCE.match(text, at)
                if match is None:
                    self._rest = text[at:]
                    return
                self._obey(match[1] or "", match[2] or match[3] or "")
                at = match.end()
            else:
                self._put(text[at])
                at += 1

    def _put(self, character: str) -> None:
        match character:
            case "\r":
                self._column = 0
            case "\n":
                self._down()
            case "\b":
                self._column = max(0, self._column - 1)
            case "\x07":
                pass
            case _:
                assert character.isprintable(), character
                if self._column == self._columns:
                    self._column = 0
                    self._down()
                self._cells[self._row][self._column] = character
                self._column += 1

    def _down(self) -> None:
        if self._row < len(self._cells) - 1:
            self._row += 1
        else:
            self._cells = [*self._cells[1:], [" "] * self._columns]

    def _obey(self, parameters: str, what: str) -> None:
        number = int(parameters) if parameters.isdecimal() else 1
        row = self._cells[self._row]
        match what:
            case "7":
                self._saved = (self._row, self._column)
            case "8":
                self._row, self._column = self._saved
            case "A":
                self._row = max(0, self._row - number)
            case "B":
                self._row = min(len(self._cells) - 1, self._row + number)
            case "C":
                self._column = min(self._columns - 1, self._column + number)
            case "D":
                self._column = max(0, self._column - number)
            case "K":
                row[self._column :] = [" "] * (self._columns - self._column)
            case "L":
                self._cells.insert(self._row, [" "] * self._columns)
                del self._cells[-1]
            case "P":
                row[self._column :] = row[self._column + number :] + [" "] * number
            case "@":
                row[self._column :] = ([" "] * number + row[self._column :])[: self._columns - self._column]
            case "h" | "l" | "m" | "=" | ">":
                pass
            case _:
                raise AssertionError((parameters, what))


class InputReader:
    """Somebody who types into a command, and reads the screen."""

    def __init__(
        self, arguments: list[str], folder: Path, environment: dict[str, str], *, size: tuple[int, int] = (100, 24)
    ) -> None:
        columns, rows = size
        self.screen = Screen(columns, rows)
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._ours, theirs = os.openpty()
        self.before = termios.tcgetattr(theirs)
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._theirs = theirs
        self.process = subprocess.Popen(
            [sys.executable, "-c", _OWN_IT, sys.executable, "-m", "wscore", *arguments],
            cwd=folder,
            env={**environment, "TERM": "xterm", "INPUTRC": "/dev/null", "LC_ALL": "C.UTF-8"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )

    def close(self) -> None:
        """Leave."""
        self.process.kill()
        self.process.wait(TIMEOUT)
        os.close(self._ours)
        os.close(self._theirs)

    def types(self, text: str) -> None:
        """Press keys."""
        os.write(self._ours, text.encode())

    def sees(self, *last: str) -> None:
        """Wait until the last rows of the screen are these."""
        self.waits(lambda rows: rows[-len(last) :] == list(last))

    def finds(self, text: str) -> None:
        """Wait until this is somewhere on the screen, and a prompt in the last row."""
        self.waits(lambda rows: text in "".join(rows) and rows[-1] == ">")

    def waits(self, until: Callable[[list[str]], bool]) -> None:
        """Wait until the rows of the screen are as they should be."""
        limit = time.monotonic() + TIMEOUT
        while not until(self.screen.rows):
            ended = self.process.poll() is not None
            assert time.monotonic() < limit, self.screen.rows
            self._look(0.05)
            assert until(self.screen.rows) or not ended, self.screen.rows

    def ends(self) -> int:
        """Wait for the end, and give the exit status."""
        status = self.process.wait(TIMEOUT)
        self._look(0)
        return status

    def settings(self) -> list[Any]:
        """How the terminal is set."""
        return termios.tcgetattr(self._theirs)

    def _look(self, patience: float) -> None:
        with contextlib.suppress(OSError):
            while select.select([self._ours], [], [], patience)[0]:
                self.screen.show(self._decode(os.read(self._ours, 65536)))
                patience = 0
