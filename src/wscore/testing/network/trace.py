"""What a network tells of a run, event by event: the material of logs, and of a comparison of two runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

__all__ = ["Event", "Trace"]


class Event(NamedTuple):
    """Something that a socket did, or that was done to it."""

    at: float
    """The network's time, in seconds."""
    socket: str
    """Whose: "client 0", "server 0", by the order in which connections were made."""
    what: str
    """"writes", "reads", "ends" (our half of the stream), "reads the end", "closes", "aborts", "is reset"."""
    data: bytes
    """The bytes written or read."""


Trace = Callable[[Event], object]
