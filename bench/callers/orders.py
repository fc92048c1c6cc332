"""What a client is told to do: on each line of its standard input, how many messages, and how many of them at once."""

from __future__ import annotations

import sys
from collections.abc import Iterator

__all__ = ["TEXT", "check", "orders"]

TEXT = "grow old along with me; the best"


def orders() -> Iterator[tuple[int, int]]:
    """Give (rounds, messages in a round), until there are no more."""
    for line in sys.stdin:
        rounds, together = line.split()
        yield int(rounds), int(together)


def check(reply: object) -> None:
    """Every reply is looked at: it costs all clients the same."""
    if reply != TEXT:
        raise ValueError(f"{reply!r} instead of {TEXT!r}")
