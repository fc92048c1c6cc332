"""Keepalive: a ping after a while, its pong in time, never two in flight (edge cases T1-T4).

The interval runs from one pong to the next ping. While a pong is awaited any byte counts as life, since pongs queue
behind large messages; and while we do not read, no pong can arrive, so no time runs.
"""

from __future__ import annotations

from ._access import Stats
from ._lifecycle import Timer
from ._timers import Timers

__all__ = ["Keepalive"]


class Keepalive:
    """The pings of one open connection. PING itself is started by entering the state."""

    __slots__ = ("_payload", "_sent_at", "_stats", "_timers", "awaits_pong")

    awaits_pong: bool
    """A ping is in flight."""

    def __init__(self, timers: Timers, stats: Stats) -> None:
        self._timers = timers
        self._stats = stats
        self._payload = b""
        self._sent_at = 0.0
        self.awaits_pong = False

    def ping(self, now: float, *, reading: bool) -> bytes:
        """Begin to await a pong, and give the ping's payload.

        A count will do: it only tells which ping a pong answers, and a peer that guesses it fools itself.
        """
        self._stats.pings_sent += 1
        self._payload = self._stats.pings_sent.to_bytes(4)
        self._sent_at = now
        self.awaits_pong = True
        if reading:
            self._timers.start(Timer.PONG, now)
        return self._payload

    def pong(self, payload: bytes, now: float) -> bool:
        """Take a pong; False for one that nobody asked for, or that comes after its ping was given up."""
        if not self.awaits_pong or payload != self._payload:
            return False
        self.awaits_pong = False
        self._stats.latency = now - self._sent_at
        self._timers.stop(Timer.PONG)
        self._timers.start(Timer.PING, now)
        return True

    def heard(self, now: float) -> None:
        """Give a peer that shows life its time anew."""
        if self._timers.running(Timer.PONG):
            self._timers.start(Timer.PONG, now)

    def pause(self) -> None:
        """Let no time run: reading has stopped."""
        self._timers.stop(Timer.PONG)

    def resume(self, now: float) -> None:
        """Let the time run from now: reading goes on."""
        if self.awaits_pong:
            self._timers.start(Timer.PONG, now)

    def stop(self) -> None:
        """Ping no more, and await no pong: a peer that has said its last cannot answer."""
        self.awaits_pong = False
        self._timers.stop(Timer.PING)
        self._timers.stop(Timer.PONG)
