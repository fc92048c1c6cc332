"""What lies between the two sockets of a connection, and what may happen to it."""

from __future__ import annotations

import math
from typing import Literal

from .clock import VirtualClock
from .link import Link
from .sockets import Socket
from .stream import Stream

__all__ = ["Route", "Side"]

Side = Literal["client", "server"]
"""One of the two ends of a connection."""


class Route:
    """The way between a client and a server. Bytes `toward` a side are those that it reads."""

    def __init__(self, clock: VirtualClock, client: Socket, server: Socket) -> None:
        self._clock = clock
        self._sockets: dict[Side, Socket] = {"client": client, "server": server}

    def stall(self, toward: Side, seconds: float = math.inf) -> None:
        """Let nothing arrive there for so long, or until `resume`; then all that was sent meanwhile arrives."""
        self._toward(toward).stall(self._clock.now + seconds)

    def resume(self, toward: Side) -> None:
        """End a stall."""
        self._toward(toward).stall(0.0)

    def reset(self) -> None:
        """Reset it from the middle: both ends learn of it after the link's latency; what was on its way is lost."""
        for socket in self._sockets.values():
            stream = socket.incoming
            if not stream.dead:
                stream.drop()
                self._clock.call_at(self._clock.now + stream.link.latency, socket.reset_arrived)

    def half_close(self, toward: Side) -> None:
        """End the stream toward a side, behind what was sent, as some proxies do; bytes behind it bring a reset."""
        stream = self._toward(toward)
        stream.on_refused = self.reset
        stream.end()

    def vanish(self, side: Side) -> None:
        """Lose the host of that side: nothing comes from there any more, and the other side hears nothing of it."""
        self._sockets[side].vanish()

    def relink(self, link: Link) -> None:
        """Let what is sent from now on go over another link."""
        for socket in self._sockets.values():
            socket.incoming.link = link

    def _toward(self, side: Side) -> Stream:
        return self._sockets[side].incoming
