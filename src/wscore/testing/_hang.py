"""What both virtual clocks have in common: when they give up.

Under virtual time nothing is waited for: when nobody can go on, the clock jumps to the moment for which somebody waits.
So a program that hangs is found at once, and what it waits for can be said.
"""

from __future__ import annotations

from typing import Final

__all__ = ["LIMIT", "TURNS", "Hang"]

LIMIT: Final = 10_000_000.0
"""Seconds from the start after which a run is given up: no deadline of a test lies there, so nobody waits for one."""

TURNS: Final = 200_000
"""Turns of a loop at one moment after which it is given up: it does the same again and again, and waits for nothing."""


class Hang(AssertionError):
    """A run under virtual time that cannot end; the text says where each task waits."""
