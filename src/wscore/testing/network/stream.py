"""One direction of a connection: bytes, and their end, on the way from one socket to the other.

As TCP does it: in order and once; a window bounds what is on its way or unread, and the rest waits with the sender,
who learns a latency later that the receiver has read.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from .clock import Call, VirtualClock
from .link import Link

if TYPE_CHECKING:
    from .sockets import Socket

__all__ = ["Stream"]

_END: Final = b""  # in place of a piece: FIN
_RESET: Final = None  # RST


class Stream:
    """The bytes from `sender` to `receiver`, which whoever makes both sockets sets."""

    __slots__ = (
        "_acknowledgement",
        "_arrival",
        "_chance",
        "_clock",
        "_ended",
        "_ending",
        "_flying",
        "_flying_size",
        "_gone",
        "_last_at",
        "_line_free_at",
        "_stalled_until",
        "arrived",
        "dead",
        "end_arrived",
        "link",
        "on_refused",
        "receiver",
        "sender",
        "waiting",
    )

    def __init__(self, clock: VirtualClock, chance: random.Random, link: Link) -> None:
        self.link = link
        self.sender: Socket
        self.receiver: Socket
        self.waiting = bytearray()
        """Written, and held back by the window."""
        self.arrived = bytearray()
        """With the receiver's system, which has not read them."""
        self.end_arrived = False
        """The end has arrived behind all bytes."""
        self.dead = False
        """Nothing goes through any more."""
        self.on_refused: Callable[[], object] | None = None
        """Called when bytes are written behind an end that the network has made, and not the sender."""
        self._clock = clock
        self._chance = chance
        self._flying: deque[tuple[float, bytes | None]] = deque()
        self._flying_size = 0
        self._last_at = 0.0  # when the last piece arrives that is on its way
        self._line_free_at = 0.0  # when the line has carried what was put on it
        self._stalled_until = 0.0
        self._gone = False  # one of the hosts
        self._ending = False  # the end is the last that was written
        self._ended = False  # and it is on its way
        self._arrival: Call | None = None
        self._acknowledgement: Call | None = None

    # -- the sender's side

    def write(self, data: bytes) -> None:
        """Send bytes, as far as the window goes."""
        if self.dead:
            return
        if self._ending and self.on_refused is not None and not self._gone:
            self.on_refused()
            return
        link = self.link
        size = len(data)
        room = link.window - self._flying_size - len(self.arrived)
        if size <= link.segment and size <= room and not self.waiting and not link.cut:
            self._put(data)  # the common case
            return
        self.waiting += data
        self._fill_window()

    def end(self) -> None:
        """Send the end of the stream, behind all bytes."""
        if not self._ending:
            self._ending = True
            self._fill_window()

    def reset(self) -> None:
        """Send a reset behind what is on its way, and drop what is not."""
        if not self.dead:
            self.dead = True
            self.waiting.clear()
            self._put(_RESET)

    @property
    def unsent(self) -> int:
        """Bytes that the receiver's system does not have."""
        return len(self.waiting) + self._flying_size

    # -- the receiver's side

    def take(self, most: int) -> bytes:
        """Read bytes that have arrived, at most `most`, which makes room in the window."""
        arrived = self.arrived
        if len(arrived) <= most:
            data = bytes(arrived)
            arrived.clear()
        else:
            data = bytes(arrived[:most])
            del arrived[:most]
        if self.waiting or not self.sender.writable:
            self._acknowledge()
        return data

    # -- the network's side

    def stall(self, until: float = math.inf) -> None:
        """Let nothing arrive before the time `until`."""
        if not self._gone:
            self._stalled_until = until
            self._watch()

    def vanish(self) -> None:
        """Let nothing arrive ever again: the sender waits for an acknowledgement that does not come."""
        self._stalled_until = math.inf
        self._gone = True
        self._watch()

    def drop(self) -> None:
        """Forget everything: the connection is no more."""
        self.dead = True
        self.waiting.clear()
        self._flying.clear()
        self._flying_size = 0
        self._watch()

    # -- within

    def _fill_window(self) -> None:
        """Put on its way what the window admits, and the end once all is."""
        link, waiting = self.link, self.waiting
        room = link.window - self._flying_size - len(self.arrived)
        while waiting and room > 0:
            size = min(len(waiting), room, link.segment)
            if link.cut and size > 1 and self._chance.random() < link.cut:
                size = self._chance.randrange(1, size)
            self._put(bytes(waiting[:size]))
            del waiting[:size]
            room -= size
        if self._ending and not waiting and not self._ended and not self.dead:
            self._ended = True
            self._put(_END)

    def _put(self, piece: bytes | None) -> None:
        link, now = self.link, self._clock.now
        size = 0 if piece is None else len(piece)
        leaves = now
        if link.bandwidth is not None:
            leaves = max(now, self._line_free_at) + size / link.bandwidth
            self._line_free_at = leaves
        at = leaves + link.latency
        if link.jitter:
            at += link.jitter * self._chance.random()
        if link.join and self._chance.random() < link.join:
            at += link.join_delay
        self._last_at = max(at, self._last_at)
        self._flying.append((self._last_at, piece))
        self._flying_size += size
        if self._arrival is None:
            self._watch()

    def _watch(self) -> None:
        """Have `_arrive` called when the next piece arrives."""
        if self._arrival is not None:
            self._arrival.cancel()
            self._arrival = None
        if self._flying and self._stalled_until < math.inf:
            self._arrival = self._clock.call_at(max(self._flying[0][0], self._stalled_until), self._arrive)

    def _arrive(self) -> None:
        self._arrival = None
        flying, now = self._flying, self._clock.now
        receiver = self.receiver
        while flying and flying[0][0] <= now:
            piece = flying.popleft()[1]
            if piece is None:
                flying.clear()
                receiver.reset_arrived()
                return
            if piece == _END:
                self.end_arrived = True
            else:
                self._flying_size -= len(piece)
                self.arrived += piece
        if flying:
            self._watch()
        if not receiver.closed:
            receiver.read()
        elif self.arrived:
            receiver.refuse()
        if self.waiting:
            self._acknowledge()

    def _acknowledge(self) -> None:
        """Let the sender learn, a latency later, that there is room."""
        if self._acknowledgement is None and not self.dead and not self._ended:
            self._acknowledgement = self._clock.call_at(self._clock.now + self.link.latency, self._room)

    def _room(self) -> None:
        self._acknowledgement = None
        if not self.dead:
            self._fill_window()
            self.sender.has_room()
