"""`ConnectionPair`: a server and a client of wscore, joined by a wire of bytes in flight, cut where a test says.

Each end is a driver, with attributes for its socket and its timer: what was told is kept, and nothing moves but by a
call, so that a test orders everything.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from wscore import AccessRecord, ClientConnection, Config, Scope, ServerConnection, ServerDriver, State
from wscore.testing._end import MemoryClientEnd, MemoryEnd


class ServerEnd(MemoryEnd[ServerConnection], ServerDriver):
    """A server's end, whose application is the test."""

    def wake(self) -> None: ...

    def wake_senders(self) -> None: ...

    def start_application(self, scope: Scope) -> None: ...

    async def receive(self) -> Any:
        raise NotImplementedError

    async def send(self, message: Mapping[str, Any]) -> None:
        raise NotImplementedError

    def over(self) -> None: ...

    def log_access(self, record: AccessRecord) -> None: ...


class ConnectionPair:
    """Both ends of one connection. `now` is the clock of both; `opens` has the whole handshake."""

    def __init__(
        self, server: Config | None = None, client: Config | None = None, *, seed: int = 0, **options: Any
    ) -> None:
        self.now = 0.0
        self.server = ServerConnection(server or Config(), now=0.0)
        self.client = ClientConnection(
            "ws://server.example.com/chat", client or Config(), now=0.0, random=random.Random(seed).randbytes, **options
        )
        ends = ServerEnd(self.server, self.time), MemoryClientEnd(self.client, self.time)
        self.ends: dict[str, Any] = {"server": ends[0], "client": ends[1]}
        for end, other in (ends, ends[::-1]):
            end.join(other)
        self.dead = False
        for end in ends:
            end.start()

    def time(self) -> float:
        return self.now

    def opens(self, **accept: Any) -> None:
        self.settles()
        assert self.server.next_message(now=self.now) == {"type": "websocket.connect"}
        self.server.send({"type": "websocket.accept", **accept}, now=self.now)
        self.settles()
        assert self.client.state is State.OPEN

    def delivers(self, name: str, most: int | None = None) -> bool:
        """Let the end `name` read at most so many of the bytes in flight to it, or the end of the stream after them."""
        self.writes()
        if self.dead:
            return False
        end = self.ends[name]
        moved = end.take_bytes(most) or end.take_end()
        self.writes()
        return moved

    def writes(self) -> None:
        """Let both ends see to what the test has done with their cores."""
        for end in self.ends.values():
            end.sync()
            if self.dead:
                end.on_way.clear()

    def settles(self, most: int | None = None) -> None:
        """Let everything in flight arrive, in pieces of `most` bytes; no time passes."""
        while self.delivers("server", most) | self.delivers("client", most):
            pass

    def dies(self) -> None:
        """From now on nothing arrives any more, and neither end is told."""
        self.dead = True
        for end in self.ends.values():
            end.on_way.clear()

    def waits(self) -> bool:
        """Let time pass to the next deadline that either end was told. False: there is none."""
        self.writes()
        deadlines = [end.due for end in self.ends.values() if end.due is not None]
        if not deadlines:
            return False
        self.now = max(self.now, min(deadlines))
        self.rings()
        return True

    def rings(self) -> None:
        """Let the deadlines come that are due."""
        for end in self.ends.values():
            if end.due is not None and end.due <= self.now:
                end.time_out()
        self.writes()

    def server_receives(self) -> list[Any]:
        """What the server's application can take now, as `str` and `bytes`; the disconnect as its dict."""
        messages: list[Any] = []
        while (message := self.server.next_message(now=self.now)) is not None:
            if message["type"] == "websocket.receive":
                messages.append(message["text"] if message.get("text") is not None else message["bytes"])
            else:
                messages.append(message)
            self.settles()
        return messages

    def client_receives(self) -> list[str | bytes]:
        messages: list[str | bytes] = []
        while (message := self.client.next_message(now=self.now)) is not None:
            messages.append(message)
            self.settles()
        return messages
