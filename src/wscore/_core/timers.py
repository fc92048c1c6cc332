"""The running timers and their deadlines. Times are seconds of the caller's clock; this file has no clock.

A connection has a handful of timers at most, so a dict and a cached minimum beat a heap, and reading the next deadline,
which transports do after every input, is one attribute look-up.
"""

from __future__ import annotations

from typing import Final

from .config import Config
from .lifecycle import ARMED, LATER, State, Timer

__all__ = ["DURATIONS", "Timers"]

DURATIONS: Final = {
    Timer.HANDSHAKE: "handshake_timeout",
    Timer.ACCEPT: "accept_timeout",
    Timer.BODY: "accept_timeout",
    Timer.PING: "ping_interval",
    Timer.PONG: "ping_timeout",
    Timer.DEFERRED: "close_timeout",
    Timer.CLOSE: "close_timeout",
}
"""The `Config` field with each timer's duration; the reference is generated from it."""

_STARTING: Final = {state: [(timer, DURATIONS[timer]) for timer in ARMED[state] - LATER] for state in State}
"""The timers that entering a state starts, each with its `Config` field."""


class Timers:
    """The running timers of one connection."""

    __slots__ = ("_config", "_deadlines", "next")

    next: float | None
    """The earliest deadline; None if no timer runs."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._deadlines: dict[Timer, float] = {}
        self.next = None

    def enter(self, state: State, now: float) -> None:
        """Stop the timers that `state` does not have and start its own; those already running keep running."""
        armed, deadlines = ARMED[state], self._deadlines
        for timer in tuple(deadlines):
            if timer not in armed:
                del deadlines[timer]
        for timer, field in _STARTING[state]:
            if timer not in deadlines and (duration := getattr(self._config, field)) is not None:
                deadlines[timer] = now + duration
        self.next = min(deadlines.values()) if deadlines else None

    def start(self, timer: Timer, now: float) -> bool:
        """Start or restart `timer`; False if its duration is None, since then it never runs."""
        duration: float | None = getattr(self._config, DURATIONS[timer])
        if duration is not None:
            self._deadlines[timer] = now + duration
            self.next = min(self._deadlines.values())
        return duration is not None

    def shorten(self, timer: Timer, deadline: float) -> None:
        """Move the deadline of a running `timer` forward to `deadline`, if that is earlier."""
        self._deadlines[timer] = min(self._deadlines[timer], deadline)
        self.next = min(self._deadlines.values())

    def stop(self, timer: Timer) -> None:
        """Stop `timer`. Idempotent."""
        if self._deadlines.pop(timer, None) is not None:
            self.next = min(self._deadlines.values(), default=None)

    def running(self, timer: Timer) -> bool:
        """Return whether `timer` runs."""
        return timer in self._deadlines

    def take_expired(self, now: float) -> Timer | None:
        """Stop and return the timer with the earliest deadline, if it has expired."""
        if self.next is None or now < self.next:
            return None
        expired = min(self._deadlines, key=self._deadlines.__getitem__)
        self.stop(expired)
        return expired
