"""`ConnectionPair`: a server and a client of wscore, joined by a wire of bytes in flight, cut where a test says.

It does for both what a transport does, and no more: writes what there is to write, reads while reading is wanted, heeds
`closing`, and calls `handle_timeout` when it is due. Nothing moves but by a call, so that a test orders everything.
"""

from __future__ import annotations

import random
from typing import Any

from wscore import ClientConnection, Closing, Config, ServerConnection, State


class End:
    """One end: its connection, the bytes it has put on the wire, and what its socket has seen."""

    def __init__(self, connection: ServerConnection | ClientConnection) -> None:
        self.connection = connection
        self.in_flight = bytearray()
        self.half_closed = False  # an end of stream is behind the bytes in flight
        self.eof_read = False
        self.gone = False  # the socket is closed


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
        self.ends = {"server": End(self.server), "client": End(self.client)}
        self.dead = False

    def opens(self, **accept: Any) -> None:
        self.settles()
        assert self.server.next_message(now=self.now) == {"type": "websocket.connect"}
        self.server.send({"type": "websocket.accept", **accept}, now=self.now)
        self.settles()
        assert self.client.state is State.OPEN

    def delivers(self, name: str, most: int | None = None) -> bool:
        """Let the end `name` read at most so many of the bytes in flight to it, or the end of the stream after them."""
        end = self.ends[name]
        other = self.ends["client" if name == "server" else "server"]
        self.writes()
        if self.dead or end.gone or not end.connection.wants_read:
            return False
        if piece := bytes(other.in_flight[:most]):
            del other.in_flight[: len(piece)]
            end.connection.receive_data(piece, now=self.now)
        elif other.half_closed and not end.eof_read:
            end.eof_read = True
            end.connection.receive_eof(now=self.now)
        else:
            return False
        self.writes()
        return True

    def writes(self) -> None:
        """Put on the wire what there is, and do about the sockets what `closing` says."""
        for end in self.ends.values():
            if end.gone:
                continue
            data = end.connection.data_to_send()
            assert not (data and end.half_closed), "bytes after the end of the stream"
            end.in_flight += b"" if self.dead else data
            if end.connection.closing is Closing.SHUT_DOWN_WRITING:
                end.half_closed = True
                if end.eof_read:
                    end.connection.connection_lost(now=self.now)
            if end.connection.closing is Closing.ABORT:
                end.half_closed = end.gone = True

    def settles(self, most: int | None = None) -> None:
        """Let everything in flight arrive, in pieces of `most` bytes; no time passes."""
        while self.delivers("server", most) | self.delivers("client", most):
            pass

    def dies(self) -> None:
        """From now on nothing arrives any more, and neither end is told."""
        self.dead = True
        for end in self.ends.values():
            end.in_flight.clear()

    def waits(self) -> bool:
        """Let time pass to the next deadline of either end. False: there is none."""
        deadlines = [due for end in self.ends.values() if (due := end.connection.next_timeout()) is not None]
        if not deadlines:
            return False
        self.now = max(self.now, min(deadlines))
        for end in self.ends.values():
            end.connection.handle_timeout(now=self.now)
        self.writes()
        return True

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
