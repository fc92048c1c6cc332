"""Both ends of one connection over a network that a test has in its hand: nothing moves, and no time passes, but by a
call.

`ConnectionPair` joins a server's core and a client's with bytes in flight between them. It has no event loop, so that
a test orders everything; a schedule of events plays a network's part.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Literal, NamedTuple

from wscore import AccessRecord, ClientConnection, Config, Scope, ServerConnection, ServerDriver, State

from .._public import set_public_module
from ._end import MemoryClientEnd, MemoryEnd

__all__ = ["ConnectionPair", "Deliver", "EndName", "NetworkEvent", "Reset", "Silence", "Wait"]

EndName = Literal["server", "client"]


class Deliver(NamedTuple):
    """Bytes arrive at an end: at most so many of those in flight, or all; or, if none are, the end of the stream."""

    to: EndName
    most: int | None = None


class Wait(NamedTuple):
    """Seconds pass; deadlines that come are handled when they are due."""

    seconds: float


class Reset(NamedTuple):
    """The connection is reset, of which one end is told at once: what was in flight is lost."""

    to: EndName


class Silence(NamedTuple):
    """From now on nothing arrives any more, and nobody is told: a cable was pulled."""


NetworkEvent = Deliver | Wait | Reset | Silence


class _ServerEnd(MemoryEnd[ServerConnection], ServerDriver):
    """A server's end, whose application is the test."""

    def wake(self) -> None:
        """As in `Driver`. Nobody sleeps."""

    def wake_senders(self) -> None:
        """As in `Driver`. Nobody sleeps."""

    def start_application(self, scope: Scope) -> None:
        """As in `ServerDriver`. The test is the application."""

    async def receive(self) -> Any:
        """The test takes messages from the core."""
        raise NotImplementedError

    async def send(self, message: Mapping[str, Any]) -> None:
        """The test hands messages to the core."""
        raise NotImplementedError

    def over(self) -> None:
        """As in `ServerDriver`. Nobody waits for it."""

    def log_access(self, record: AccessRecord) -> None:
        """As in `ServerDriver`. Not logged."""


class ConnectionPair:
    """A server and a client, joined. Use `server` and `client`, the cores, with `now`; then let bytes arrive.

    Args:
        server: The server's configuration.
        client: The client's.
        seed: For the client's random bytes, its masking keys among them.
        options: Further arguments for `ClientConnection`.
    """

    now: float
    """The clock of both, in seconds."""
    server: ServerConnection
    client: ClientConnection
    ends: dict[EndName, MemoryEnd[Any]]
    """The drivers of both: `on_way` has the bytes that an end has written and the other has not read."""
    dead: bool
    """Whether nothing arrives any more."""
    make_server: ClassVar[Callable[..., ServerConnection]] = staticmethod(ServerConnection)
    """Makes the server's core; override it to join another."""
    make_client: ClassVar[Callable[..., ClientConnection]] = staticmethod(ClientConnection)
    """Makes the client's core; override it to join another."""

    def __init__(
        self, server: Config | None = None, client: Config | None = None, *, seed: int = 0, **options: Any
    ) -> None:
        self.now = 0.0
        self.server = self.make_server(server or Config(), now=0.0)
        self.client = self.make_client(
            "ws://server.example.com/chat", client or Config(), now=0.0, random=random.Random(seed).randbytes, **options
        )
        ends = _ServerEnd(self.server, self._time), MemoryClientEnd(self.client, self._time)
        self.ends = {"server": ends[0], "client": ends[1]}
        ends[0].join(ends[1])
        ends[1].join(ends[0])
        self.dead = False
        for end in self.ends.values():
            end.start()

    def _time(self) -> float:
        return self.now

    def opens(self, **accept: Any) -> None:
        """Have the whole handshake; `accept` is what the application's accept has beyond its type."""
        self.settles()
        assert self.server.next_message(now=self.now) == {"type": "websocket.connect"}
        self.server.send({"type": "websocket.accept", **accept}, now=self.now)
        self.settles()
        assert self.client.state is State.OPEN

    # -- the network

    def play(self, events: Iterable[NetworkEvent]) -> None:
        """Let these events happen, one after the other."""
        for event in events:
            match event:
                case Deliver(to, most):
                    self.delivers(to, most)
                case Wait(seconds):
                    self.passes(seconds)
                case Reset(to):
                    self.resets(to)
                case Silence():
                    self.dies()

    def delivers(self, to: EndName, most: int | None = None) -> bool:
        """Let an end read at most so many of the bytes in flight to it, or the end of the stream after them.

        Returns:
            Whether there was something to read.
        """
        self.writes()
        if self.dead:
            return False
        end = self.ends[to]
        moved = end.take_bytes(most) or end.take_end()
        self.writes()
        return moved

    def writes(self) -> None:
        """Let both ends do what follows from what the test has done with their cores."""
        for end in self.ends.values():
            end.sync()
            if self.dead:
                end.on_way.clear()

    def settles(self, most: int | None = None) -> None:
        """Let everything in flight arrive, in pieces of `most` bytes; no time passes."""
        while self.delivers("server", most) | self.delivers("client", most):
            pass

    def resets(self, to: EndName) -> None:
        """Let the connection be reset, and tell one end; the other is not told, and reads nothing more."""
        self.dies()
        if not self.ends[to].gone:
            self.ends[to].lost(ConnectionResetError("reset by peer"))

    def dies(self) -> None:
        """Let nothing arrive any more, and tell nobody."""
        self.dead = True
        self.writes()

    # -- time

    def passes(self, seconds: float) -> None:
        """Let time pass, with each deadline handled when it is due."""
        until = self.now + seconds
        self.writes()
        while (due := self._due()) is not None and due <= until:
            self.now = max(self.now, due)
            self.rings()
        self.now = until

    def waits(self) -> bool:
        """Let time pass to the next deadline of either end. False: there is none."""
        self.writes()
        due = self._due()
        if due is None:
            return False
        self.now = max(self.now, due)
        self.rings()
        return True

    def rings(self) -> None:
        """Handle the deadlines that are due."""
        for end in self.ends.values():
            if end.due is not None and end.due <= self.now:
                end.time_out()
        self.writes()

    def _due(self) -> float | None:
        return min((end.due for end in self.ends.values() if end.due is not None), default=None)

    # -- the applications

    def server_receives(self) -> list[Any]:
        """What the server's application can take now, as `str` and `bytes`; connect and disconnect as their dicts."""
        found: list[Any] = []
        while (message := self.server.next_message(now=self.now)) is not None:
            found.append(payload_of(message) if message["type"] == "websocket.receive" else message)
            self.settles()
        return found

    def client_receives(self) -> list[str | bytes]:
        """What the client's can."""
        found: list[str | bytes] = []
        while (message := self.client.next_message(now=self.now)) is not None:
            found.append(message)
            self.settles()
        return found


def payload_of(message: Mapping[str, Any]) -> str | bytes:
    """Return what a `websocket.receive` or a `websocket.send` carries."""
    text = message.get("text")
    payload: str | bytes = message["bytes"] if text is None else text
    return payload


set_public_module(__name__, [globals()[name] for name in __all__])
