"""Standard input, line by line, beside what is printed meanwhile: a terminal with history and editing, or a pipe.

Lines are read in a thread, which nothing can interrupt while it waits; it is a daemon, and holds no lock that the end
of the process would need.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
import threading
from collections.abc import Callable, Generator
from types import ModuleType
from typing import Any, Final

__all__ = ["Terminal", "shown"]

_PROMPT: Final = "> "
_SHOWN: Final = 4096  # characters of a message
# A server may not move the cursor, ring the bell or rename the window of who looks at its messages.
_HARMLESS: Final = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code not in (9, 10)}


def shown(text: str) -> str:
    """Give a text as it may be shown: control characters spelled out, and no more than 4,096 characters."""
    cut = "" if len(text) <= _SHOWN else f" ... and {len(text) - _SHOWN} characters more"
    return text[:_SHOWN].translate(_HARMLESS) + cut


class Terminal:
    """Where lines come from and messages go. `begin` starts reading; its functions are called in the reading thread."""

    def __init__(self) -> None:
        self.interactive = sys.stdin.isatty() and sys.stdout.isatty()
        self._readline: ModuleType | None = None
        self._asking = False  # the prompt is on the screen

    @contextlib.contextmanager
    def begin(self, line: Callable[[str], object], end: Callable[[], object]) -> Generator[None, None, None]:
        """Read until the block ends: `line` gets each line, `end` is called after the last."""
        with self._kept_as_it_was():
            read = self._ask if self.interactive else self._take
            threading.Thread(target=read, args=(line, end), name="standard input", daemon=True).start()
            yield
            if self._asking:
                print()

    def tell(self, text: str) -> None:
        """Print a line; where somebody is typing, above what was typed."""
        if self._asking:
            typed = "" if self._readline is None else self._readline.get_line_buffer()
            print(f"\r\x1b[K{text}\n{_PROMPT}{typed}", end="", flush=True)
        else:
            print(text, flush=True)

    def _ask(self, line: Callable[[str], object], end: Callable[[], object]) -> None:
        with contextlib.suppress(ImportError):  # not on every system; there is no editing then
            import readline

            self._readline = readline
        while True:
            self._asking = True
            try:
                typed = input(_PROMPT)
            except (EOFError, OSError):
                self._asking = False
                print(flush=True)
                end()
                return
            self._asking = False
            line(typed)

    def _take(self, line: Callable[[str], object], end: Callable[[], object]) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        rest = ""
        while True:
            data = os.read(0, 2**16)
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
        """Leave the terminal as it was found: who is typing when the connection ends is in the middle of a line."""
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
