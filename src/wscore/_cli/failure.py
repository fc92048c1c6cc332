"""A failure of the command is a line that says what to do, and an exit status. Nothing else leaves `main`.

Only where an application raised in its startup, its traceback stands behind that line.
"""

from __future__ import annotations

from typing import Final

from .connect.escaping import escape_controls

__all__ = ["CANNOT", "WRONG_USAGE", "Failure", "one_line"]

CANNOT: Final = 1
"""The command line is fine, but this machine or this application does not allow it."""
WRONG_USAGE: Final = 2
"""The command line itself cannot work, on any machine. argparse's own status."""


class Failure(Exception):
    """What the command could not do: `str()` is the line for stderr, `status` the exit status.

    `details` are the lines behind it: an application's own traceback, which in one line nobody can read.
    """

    def __init__(self, message: str, *, status: int = CANNOT, details: str = "") -> None:
        """Keep the line, the status and the lines behind it."""
        super().__init__(one_line(message))
        self.status = status
        self.details = details.strip("\n")

    @property
    def text(self) -> str:
        """The line, and those behind it."""
        return f"{self}\n{self.details}" if self.details else str(self)


def one_line(text: object) -> str:
    """Give `text` in one line, for a terminal: an exception's text may hold anything, a peer's words among it."""
    return escape_controls(" ".join(str(text).split()))
