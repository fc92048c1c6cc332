"""What is being waited for, and until when. Times are seconds of the caller's own clock; this file never asks for one.

A connection waits for a handful of things at most, so a dict and a cached minimum beat a heap, and asking for the next
deadline, which transports do after every input, is one attribute look-up.
"""

from __future__ import annotations

from ._lifecycle import Timer

__all__ = ["Timers"]


class Timers:
    """The running timers of one connection."""

    __slots__ = ("_deadlines", "next")

    next: float | None
    """The earliest deadline, or None with nothing to wait for."""

    def __init__(self) -> None:
        self._deadlines: dict[Timer, float] = {}
        self.next = None

    def start(self, timer: Timer, deadline: float) -> None:
        """Start `timer`, or give it a new deadline."""
        self._deadlines[timer] = deadline
        self.next = min(self._deadlines.values())

    def stop(self, timer: Timer) -> None:
        """Stop `timer`, running or not."""
        if self._deadlines.pop(timer, None) is not None:
            self.next = min(self._deadlines.values(), default=None)

    def running(self, timer: Timer) -> bool:
        """Tell whether `timer` runs."""
        return timer in self._deadlines

    def keep_only(self, timers: frozenset[Timer]) -> None:
        """Stop all others."""
        for timer in self._deadlines.keys() - timers:
            self.stop(timer)

    def take_expired(self, now: float) -> Timer | None:
        """Stop and return the timer with the earliest deadline, if that has come."""
        if self.next is None or now < self.next:
            return None
        expired = min(self._deadlines, key=self._deadlines.__getitem__)
        self.stop(expired)
        return expired
