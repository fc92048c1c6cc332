"""How far a run is: one line that is written over, where stderr is a terminal."""

from __future__ import annotations

import sys

from ...conformance.outcome import Outcome, Result

__all__ = ["Progress"]


class Progress:
    """Counts the cases that are done."""

    def __init__(self, total: int) -> None:
        """Begin with none."""
        self._total, self._done, self._failed = total, 0, 0
        self._shown = sys.stderr.isatty()

    def add(self, result: Result) -> None:
        """Count a case."""
        self._done += 1
        self._failed += result.outcome in (Outcome.FAIL, Outcome.NO_ANSWER)
        failed = f", {self._failed} failed" if self._failed else ""
        self._write(f"{self._done}/{self._total}{failed}  {result.id[:50]}")

    def end(self) -> None:
        """Take the line away."""
        self._write("")

    def _write(self, text: str) -> None:
        if self._shown:
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
