"""A simulated broker, which joins the registries of several processes over the network, and may stall."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from wscore.app import Deliver, Envelope
from wscore.testing.network import LoopNetwork, Socket

__all__ = ["Broker"]


class Broker:
    """Passes what each process publishes to all others, over connections of the network."""

    def __init__(self, network: LoopNetwork) -> None:
        self._network = network
        self.lines: list[Line] = []

    def backplane(self) -> SimulatedBackplane:
        """Connect one more process."""
        theirs, ours = self._network.socket_pair(names=("process", "broker"))
        self.lines.append(Line(ours, self._forward))
        return SimulatedBackplane(theirs)

    def stall(self, until: float) -> None:
        """Read nothing, and write nothing that arrives, until then."""
        for line in self.lines:
            line.socket.incoming.stall(until)
            line.socket.outgoing.stall(until)

    def _forward(self, source: Line, text: bytes) -> None:
        for line in self.lines:
            if line is not source:
                line.send(text)


class Line:
    """One end of a connection that carries lines of text; what there is no room for is dropped."""

    def __init__(self, socket: Socket, heard: Callable[[Line, bytes], object]) -> None:
        self.socket = socket
        self.dropped = 0
        self._heard = heard
        self._rest = b""
        socket.user = self

    def send(self, text: bytes) -> None:
        """Send a line, unless there is no room."""
        if self.socket.writable:
            self.socket.write(text + b"\n")
        else:
            self.dropped += 1

    def receive_data(self, data: bytes) -> None:
        """As in `SocketUser`."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._heard(self, line)

    def receive_eof(self) -> None:
        """As in `SocketUser`."""

    def output_drained(self) -> None:
        """As in `SocketUser`."""

    def lost(self, error: Exception | None = None) -> None:
        """As in `SocketUser`."""


class SimulatedBackplane:
    """A process's side of the broker."""

    def __init__(self, socket: Socket) -> None:
        self.line = Line(socket, self._heard)
        self._deliver: Deliver | None = None

    @asynccontextmanager
    async def running(self, deliver: Deliver) -> AsyncGenerator[None]:
        """As in `Backplane`."""
        self._deliver = deliver
        try:
            yield
        finally:
            self._deliver = None

    def publish(self, envelope: Envelope) -> None:
        """As in `Backplane`."""
        self.line.send(json.dumps([envelope.data, envelope.room, envelope.id, sorted(envelope.exclude)]).encode())

    def entered(self, room: str, id: str) -> None:
        """As in `Backplane`. Everything is sent to everybody."""

    def left(self, room: str, id: str) -> None:
        """As in `Backplane`."""

    async def present(self, room: str) -> list[str]:
        """As in `Backplane`. Nobody asks."""
        return []

    async def count(self, room: str) -> int:
        """As in `Backplane`. Nobody asks."""
        return 0

    def _heard(self, line: Line, text: bytes) -> None:
        data, room, id, exclude = json.loads(text)
        if self._deliver is not None:
            self._deliver(Envelope(data, room, id, frozenset(exclude)))
