"""Keepalive: a ping after a while, its pong in time, or else a sign that the peer's system takes what we write.

The interval runs from one pong to the next ping. While a pong is awaited any byte that comes counts as life, since
pongs queue behind large messages; so does any of ours that the peer's system has taken, since our ping queues behind
our own large messages. While reading is paused no pong can be read. The pings go on all the same, so that a peer that
is gone shows itself: the system of one that is there takes them, of one that is not either resets or takes nothing.

There is a deadline at every moment: of the pong that is awaited, or of the next ping (edge cases T1-T4).
"""

from __future__ import annotations

from .access import Stats
from .lifecycle import Timer
from .send_buffer import SendBuffer
from .timers import Timers

__all__ = ["Keepalive"]


class Keepalive:
    """The pings of one open connection. PING itself is started by entering the state."""

    __slots__ = ("_progress", "_send_buffer", "_sent_at", "_stats", "_timers", "_unsent", "awaits_pong", "latest")

    awaits_pong: bool
    """A ping is in flight."""
    latest: bytes
    """The payload of the ping that went out last."""

    def __init__(self, timers: Timers, stats: Stats, output: SendBuffer) -> None:
        self._timers = timers
        self._stats = stats
        self._send_buffer = output
        self.latest = b""
        self._sent_at = 0.0
        self._progress = 0  # bytes that the peer's system has taken, as far as we were told
        self._unsent = 0
        self.awaits_pong = False

    def ping(self, now: float) -> bytes:
        """Begin to await a pong, and give the ping's payload.

        A count will do: it only tells which ping a pong answers, and a peer that guesses it fools itself.
        """
        self._stats.pings_sent += 1
        self.latest = self._stats.pings_sent.to_bytes(4)
        self._sent_at = now
        self.awaits_pong = True
        if not self._timers.start(Timer.PONG, now):
            self._timers.start(Timer.PING, now)  # nobody waits for the pong: ping on, answered or not
        return self.latest

    def pong(self, payload: bytes, now: float) -> bool:
        """Take a pong; False for one that nobody asked for, or that comes after its ping was given up."""
        if not self.awaits_pong or payload != self.latest:
            return False
        self.awaits_pong = False
        self._stats.latency = now - self._sent_at
        self._timers.stop(Timer.PONG)
        self._timers.start(Timer.PING, now)
        return True

    def on_activity(self, now: float) -> None:
        """Give a peer that shows life its time anew."""
        if self._timers.running(Timer.PONG):
            self._timers.start(Timer.PONG, now)

    def unsent(self, size: int, now: float) -> None:
        """Take how many of the bytes that were taken from the output the peer's system has not."""
        progress = self._send_buffer.taken - size
        # Where nothing waits, now or before, it is not we who keep the pong waiting, and being taken proves little: the
        # system of a peer takes what its program never looks at.
        if progress > self._progress and (size or self._unsent):
            self.on_activity(now)
        self._progress = max(progress, self._progress)
        self._unsent = size

    def excused(self, now: float) -> bool:
        """Tell whether a pong that is overdue while reading is paused may be: the peer's system has taken all of ours.

        Then the next interval runs.
        """
        if self._unsent or self._send_buffer.size:
            return False
        self._timers.start(Timer.PING, now)
        return True

    def resume(self, now: float) -> None:
        """Reading goes on: a pong that is awaited has its time from now on."""
        if self.awaits_pong and self._timers.start(Timer.PONG, now):
            self._timers.stop(Timer.PING)

    def stop(self) -> None:
        """Ping no more, and await no pong: a peer that has said its last cannot answer."""
        self.awaits_pong = False
        self._timers.stop(Timer.PING)
        self._timers.stop(Timer.PONG)
