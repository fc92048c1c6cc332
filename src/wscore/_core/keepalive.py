"""Keepalive: periodic pings, each of which needs a pong in time, or other evidence that the peer is alive.

The interval runs from one pong to the next ping. While a pong is awaited, any byte received counts as activity, since
pongs queue behind large messages. So does any byte of ours that the peer's operating system has received, since our
ping queues behind our own large messages. While reading is paused no pong can be read. Pings are sent nevertheless, to
detect a peer that is gone: the operating system of a live peer receives them, that of a dead one resets or receives
nothing.

There is always a deadline: for the awaited pong, or for the next ping (edge cases T1-T4).
"""

from __future__ import annotations

from .access import Stats
from .lane import Lane
from .lifecycle import Timer
from .timers import Timers

__all__ = ["Keepalive"]


class Keepalive:
    """The pings of one open connection. Entering the state OPEN starts `Timer.PING`."""

    __slots__ = ("_lane", "_progress", "_sent_at", "_stats", "_timers", "_unsent", "awaits_pong", "latest")

    awaits_pong: bool
    """Whether a ping is in flight."""
    latest: bytes
    """The payload of the last ping sent."""

    def __init__(self, timers: Timers, stats: Stats, lane: Lane) -> None:
        self._timers = timers
        self._stats = stats
        self._lane = lane
        self.latest = b""
        self._sent_at = 0.0
        self._progress = 0  # bytes that the peer's operating system has received, as far as reported
        self._unsent = 0
        self.awaits_pong = False

    def ping(self, now: float) -> bytes:
        """Start waiting for a pong, and return the ping's payload.

        A counter is enough: it only identifies the ping that a pong answers, and a peer that guesses it deceives only
        itself.
        """
        self._stats.pings_sent += 1
        self.latest = self._stats.pings_sent.to_bytes(4)
        self._sent_at = now
        self.awaits_pong = True
        if not self._timers.start(Timer.PONG, now):
            self._timers.start(Timer.PING, now)  # no pong timeout: keep pinging, answered or not
        return self.latest

    def pong(self, payload: bytes, now: float) -> bool:
        """Process a pong; False if it is unsolicited, or its ping was given up."""
        if not self.awaits_pong or payload != self.latest:
            return False
        self.awaits_pong = False
        self._stats.latency = now - self._sent_at
        self._timers.stop(Timer.PONG)
        self._timers.start(Timer.PING, now)
        return True

    def on_activity(self, now: float) -> None:
        """Restart the pong deadline."""
        if self._timers.running(Timer.PONG):
            self._timers.start(Timer.PONG, now)

    def unsent(self, size: int, now: float) -> None:
        """Report how many of the bytes taken from the output the peer's operating system has not received."""
        progress = self._lane.taken - size
        # If nothing waits, now or before, our output does not delay the pong, and progress proves little: an operating
        # system receives what its program never reads.
        if progress > self._progress and (size or self._unsent):
            self.on_activity(now)
        self._progress = max(progress, self._progress)
        self._unsent = size

    def excused(self, now: float) -> bool:
        """Return whether an overdue pong is excused while reading is paused, and if so start the next interval.

        It is excused if the peer's operating system has received all our output.
        """
        if self._unsent or self._lane.output_size:
            return False
        self._timers.start(Timer.PING, now)
        return True

    def resume(self, now: float) -> None:
        """Call when reading resumes: the deadline of an awaited pong restarts."""
        if self.awaits_pong and self._timers.start(Timer.PONG, now):
            self._timers.stop(Timer.PING)

    def stop(self) -> None:
        """Stop pinging and waiting for a pong: a peer that has sent its end cannot answer."""
        self.awaits_pong = False
        self._timers.stop(Timer.PING)
        self._timers.stop(Timer.PONG)
