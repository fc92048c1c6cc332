"""Reads standard input by lines while output is printed: a terminal with history and editing, or a pipe.

Lines are read in a thread, which cannot be interrupted while it waits. So it is a daemon thread, and holds no lock that
the process needs to exit.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
import threading
import unicodedata
from collections.abc import Callable, Generator
from typing import Any, Final

from ..escaping import escape_controls

__all__ = ["Terminal", "shown"]

_PROMPT: Final = "> "
_SHOWN: Final = 4096  # characters of a message


def shown(text: str) -> str:
    """Return `text` for display in one line: controls spelled out, at most 4,096 characters."""
    cut = "" if len(text) <= _SHOWN else f" ... and {len(text) - _SHOWN} characters more"
    return escape_controls(text[:_SHOWN]) + cut


def _has_cursor() -> bool:
    return os.environ.get("TERM", "dumb") != "dumb"


def _folded(line: str, width: int) -> list[str]:
    """Wrap a line where the terminal would."""
    rows, room = [""], width
    for character in line:
        wide = unicodedata.east_asian_width(character) in "WF"
        cells = 0 if unicodedata.combining(character) else 2 if wide else 1
        if cells > room:
            rows.append("")
            room = width
        rows[-1] += character
        room -= cells
    return rows


class Terminal:
    """The source of lines and the target of output. The callbacks given to `begin` run in the reading thread."""

    def __init__(self) -> None:
        # A service may have no standard input: None.
        self.interactive = sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty() and _has_cursor()
        self._asking = False  # a prompt is on the screen, or about to be

    @contextlib.contextmanager
    def begin(self, line: Callable[[str], object], end: Callable[[], object]) -> Generator[None, None, None]:
        """Read lines until the block ends: call `line` with each, and `end` at EOF."""
        with self._kept_as_it_was():
            read = self._ask if self.interactive else self._take
            self._asking = self.interactive
            threading.Thread(target=read, args=(line, end), name="standard input", daemon=True).start()
            try:
                yield
            finally:
                if self._asking:
                    self._asking = False
                    print("\r\x1b[K", end="", flush=True)  # erase the prompt and unsent text

    def tell(self, text: str) -> None:
        """Print text; above the prompt if there is one."""
        if not self._asking:
            print(text, flush=True)
            return
        # Readline cannot be asked to redraw: its line and cursor belong to the thread that waits in it. For each row:
        # save the cursor, make sure that there is a row below, push the prompt down by one, print into the gap, restore
        # the cursor and move it down to the prompt.
        width = os.get_terminal_size(sys.stdout.fileno()).columns or 80
        rows = [row for line in text.expandtabs().split("\n") for row in _folded(line, width)]
        print("".join(f"\x1b7\n\x1b[A\r\x1b[L{row}\x1b8\x1b[B" for row in rows), end="", flush=True)

    def note(self, text: str) -> None:
        """Print something that is not a message: above the prompt if there is one, else on stderr."""
        if self._asking:
            self.tell(text)
        else:
            print(text, file=sys.stderr, flush=True)

    def _ask(self, line: Callable[[str], object], end: Callable[[], object]) -> None:
        with contextlib.suppress(ImportError):  # not available on every system: no line editing then
            import readline

            # Keep the prompt in one row, whatever its length: `tell` has to know where it is.
            readline.parse_and_bind("set horizontal-scroll-mode on")
            readline.parse_and_bind("set enable-bracketed-paste off")  # it would stay on after the exit
        with contextlib.suppress(EOFError, OSError):
            while True:
                line(input(_PROMPT))
        end()

    def _take(self, line: Callable[[str], object], end: Callable[[], object]) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        rest = ""
        while True:
            try:
                data = os.read(0, 2**16)
            except OSError:  # closed
                data = b""
            rest += decoder.decode(data, not data)
            *lines, rest = rest.split("\n")
            for each in lines:
                line(each.removesuffix("\r"))
            if not data:
                if rest:
                    line(rest)
                end()
                return

    @contextlib.contextmanager
    def _kept_as_it_was(self) -> Generator[None, None, None]:
        """Restore the terminal's settings: when the connection ends, readline is in the middle of a line."""
        termios: Any = None
        with contextlib.suppress(ImportError):
            import termios
        if not self.interactive or termios is None:
            yield
            return
        before = termios.tcgetattr(0)
        try:
            yield
        finally:
            termios.tcsetattr(0, termios.TCSADRAIN, before)
