"""One end of a connection, as an operating system has it: what a program writes and reads, and how both end."""

from __future__ import annotations

import random
from typing import Final, Protocol

from .clock import Call, VirtualClock
from .link import Link
from .stream import Stream
from .trace import Event, Trace

__all__ = ["Socket", "SocketUser", "socket_pair"]

_READ: Final = 65_536  # bytes that a program reads at once


class SocketUser(Protocol):
    """What a program does about its socket; a `Driver` over it passes each on."""

    def receive_data(self, data: bytes) -> None:
        """Take bytes that were read."""
        ...

    def receive_eof(self) -> None:
        """Take the end of the stream, behind all bytes."""
        ...

    def output_drained(self) -> None:
        """Write again, after `writable` was False."""
        ...

    def lost(self, error: Exception | None = None) -> None:
        """Take it that the connection was reset."""
        ...


class Socket:
    """One end. It belongs to a `user`, which is told of everything in calls of their own, never within its own."""

    __slots__ = (
        "_clock",
        "_look",
        "_trace",
        "closed",
        "end_read",
        "high_water",
        "incoming",
        "name",
        "outgoing",
        "reading",
        "user",
    )

    def __init__(
        self, name: str, clock: VirtualClock, incoming: Stream, outgoing: Stream, trace: Trace | None = None
    ) -> None:
        self.user: SocketUser
        self.name = name
        self.incoming = incoming
        self.outgoing = outgoing
        self.reading = True
        self.closed = False
        self.high_water = 65_536
        """Bytes held back from which the user should write no more."""
        self._clock = clock
        self._look: Call | None = None
        self._trace = trace
        self.end_read = False
        """The user was told of the end of the stream."""

    # -- the user's side

    @property
    def writable(self) -> bool:
        """Whether less is held back than `high_water`."""
        return len(self.outgoing.waiting) < self.high_water

    @property
    def unsent(self) -> int:
        """Bytes written that the other end's system does not have."""
        return self.outgoing.unsent

    def write(self, data: bytes) -> None:
        """Send bytes."""
        if self._trace is not None:
            self._tell("writes", data)
        self.outgoing.write(data)

    def set_reading(self, on: bool) -> None:
        """Read, or let what comes lie, which holds the sender up once the window is full."""
        self.reading = on
        if on and self._look is None and (self.incoming.arrived or self.incoming.end_arrived):
            self._look = self._clock.call_at(self._clock.now, self.read)

    def shut_down_writing(self) -> None:
        """End our half, behind all bytes."""
        self._tell("ends")
        self.outgoing.end()

    def close(self) -> None:
        """End both halves. With input unread the other end gets a reset, which overtakes what we have not sent."""
        if self.closed:
            return
        self.closed = True
        self._tell("closes")
        if self.incoming.arrived:
            self.refuse()
        else:
            self.outgoing.end()

    def abort(self) -> None:
        """End both halves at once: bytes that are held back are lost, and the other end learns of that by a reset."""
        if self.closed:
            return
        if self.outgoing.waiting:
            self.closed = True
            self._tell("aborts")
            self.refuse()
        else:
            self.close()

    # -- the network's side

    def read(self) -> None:
        """Let the user read what has arrived, as far as it does."""
        self._look = None
        incoming = self.incoming
        while incoming.arrived and self.reading and not self.closed:
            data = incoming.take(_READ)
            if self._trace is not None:
                self._tell("reads", data)
            self.user.receive_data(data)
        if incoming.end_arrived and self.reading and not (self.closed or self.end_read or incoming.arrived):
            self.end_read = True
            self._tell("reads the end")
            self.user.receive_eof()

    def has_room(self) -> None:
        """Let the user write again."""
        if not self.closed and self.writable:
            self.user.output_drained()

    def reset_arrived(self) -> None:
        """End both halves; what was not read is lost."""
        self.incoming.drop()
        self.incoming.arrived.clear()
        self.outgoing.drop()
        if not self.closed:
            self.closed = True
            self._tell("is reset")
            self.user.lost(ConnectionResetError("the connection was reset"))

    def refuse(self) -> None:
        """Answer input that nobody reads any more with a reset."""
        self.incoming.arrived.clear()
        self.outgoing.reset()

    def vanish(self) -> None:
        """Be gone without a word: nothing comes from here, and nothing comes here."""
        self.closed = True
        self.incoming.vanish()
        self.outgoing.vanish()

    def _tell(self, what: str, data: bytes = b"") -> None:
        if self._trace is not None:
            self._trace(Event(self._clock.now, self.name, what, data))


def socket_pair(
    clock: VirtualClock, chance: random.Random, link: Link, names: tuple[str, str], trace: Trace | None = None
) -> tuple[Socket, Socket]:
    """Make the two ends of a connection over a link."""
    to_second, to_first = Stream(clock, chance, link), Stream(clock, chance, link)
    first = Socket(names[0], clock, to_first, to_second, trace)
    second = Socket(names[1], clock, to_second, to_first, trace)
    to_second.sender = to_first.receiver = first
    to_second.receiver = to_first.sender = second
    return first, second
