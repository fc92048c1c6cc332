"""A failure of the command: one actionable line and an exit status. `main` reports every error this way.

Only if an application raised in its startup, its traceback follows the line.
"""

from __future__ import annotations

from typing import Final

from .escaping import escape_controls

__all__ = ["CANNOT", "WRONG_USAGE", "Failure", "one_line"]

CANNOT: Final = 1
"""The command line is valid, but cannot be carried out on this machine or with this application."""
WRONG_USAGE: Final = 2
"""The command line cannot work on any machine. The status that argparse uses."""


class Failure(Exception):
    """The command failed: `str()` is the line for stderr, `status` the exit status.

    `details` are further lines: an application's traceback, which would be unreadable in one line.
    """

    def __init__(self, message: str, *, status: int = CANNOT, details: str = "") -> None:
        """Store the arguments; `message` is reduced to one line."""
        super().__init__(one_line(message))
        self.status = status
        self.details = details.strip("\n")

    @property
    def text(self) -> str:
        """The line, followed by `details`."""
        return f"{self}\n{self.details}" if self.details else str(self)


def one_line(text: object) -> str:
    """Return `text` in one line, safe for a terminal: an exception's text may contain a peer's bytes."""
    return escape_controls(" ".join(str(text).split()))
