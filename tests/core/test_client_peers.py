"""The client against independent servers without I/O: websockets' and wsproto's. Neither knows anything of wscore."""

from __future__ import annotations

import contextlib
import os
from typing import Any, Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import Opcode
from websockets.server import ServerProtocol
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Ping, Pong, Request, TextMessage
from wsproto.extensions import PerMessageDeflate
from wsproto.utilities import LocalProtocolError as WsprotoMistake

from tests.core.peer import pieces
from tests.core.test_invariants import few
from wscore import ClientConnection, Close, Closing, Config, HandshakeRefused, State


class Server(Protocol):
    """An independent server, from the request on."""

    messages: list[str | bytes]
    closed: Close | None
    pongs: list[bytes]

    def receives(self, data: bytes) -> None: ...
    def output(self) -> bytes: ...
    def sends(self, message: str | bytes) -> None: ...
    def pings(self, payload: bytes) -> None: ...
    def closes(self, code: int, reason: str) -> None: ...


class Websockets:
    """websockets' sans-IO server; it chooses the first subprotocol."""

    def __init__(self, compression: bool) -> None:
        extensions = [ServerPerMessageDeflateFactory()] if compression else []
        self._protocol = ServerProtocol(subprotocols=["chat"], extensions=extensions, max_size=None)  # type: ignore[list-item]
        self._parts: list[Any] = []
        self.messages: list[str | bytes] = []
        self.closed: Close | None = None
        self.pongs: list[bytes] = []
        self.reason = ""

    def receives(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            self._take(event)
        assert self._protocol.parser_exc is None or self.closed, self._protocol.parser_exc

    def _take(self, event: Any) -> None:
        match getattr(event, "opcode", None):
            case None:
                self._protocol.send_response(self._protocol.accept(event))
            case Opcode.PONG:
                self.pongs.append(event.data)
            case Opcode.TEXT | Opcode.BINARY | Opcode.CONT:
                self._parts.append(event)
                if event.fin:
                    data = b"".join(part.data for part in self._parts)
                    self.messages.append(data.decode() if self._parts[0].opcode is Opcode.TEXT else data)
                    self._parts.clear()
            case Opcode.CLOSE:
                received = self._protocol.close_rcvd
                self.closed = received and Close(received.code, received.reason)

    def output(self) -> bytes:
        return b"".join(self._protocol.data_to_send())

    def sends(self, message: str | bytes) -> None:
        if isinstance(message, str):
            self._protocol.send_text(message.encode())
        else:
            self._protocol.send_binary(message)

    def pings(self, payload: bytes) -> None:
        self._protocol.send_ping(payload)

    def closes(self, code: int, reason: str) -> None:
        self._protocol.send_close(code, reason)


class Wsproto:
    """wsproto's server."""

    def __init__(self, compression: bool) -> None:
        self._extensions = [PerMessageDeflate()] if compression else []
        self._protocol = WSConnection(ConnectionType.SERVER)
        self._output = b""
        self._parts: list[Any] = []
        self.messages: list[str | bytes] = []
        self.closed: Close | None = None
        self.pongs: list[bytes] = []

    def receives(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        for event in self._protocol.events():
            match event:
                case Request():
                    subprotocol = "chat" if "chat" in event.subprotocols else None
                    accept = AcceptConnection(subprotocol=subprotocol, extensions=list(self._extensions))
                    self._output += self._protocol.send(accept)
                case TextMessage() | BytesMessage():
                    self._parts.append(event.data if isinstance(event.data, str) else bytes(event.data))
                    if event.message_finished:
                        self.messages.append(type(self._parts[0])().join(self._parts))
                        self._parts.clear()
                case Ping():
                    self._output += self._protocol.send(event.response())
                case Pong():
                    self.pongs.append(bytes(event.payload))
                case CloseConnection():
                    self.closed = Close(event.code, event.reason or "")
                    with contextlib.suppress(WsprotoMistake):  # the answer to its own
                        self._output += self._protocol.send(event.response())

    def output(self) -> bytes:
        output, self._output = self._output, b""
        return output

    def sends(self, message: str | bytes) -> None:
        self._output += self._protocol.send(
            TextMessage(data=message) if isinstance(message, str) else BytesMessage(data=message)
        )

    def pings(self, payload: bytes) -> None:
        self._output += self._protocol.send(Ping(payload=payload))

    def closes(self, code: int, reason: str) -> None:
        self._output += self._protocol.send(CloseConnection(code=code, reason=reason))


SERVERS: dict[str, type[Any]] = {"websockets": Websockets, "wsproto": Wsproto}
each_server = pytest.mark.parametrize("peer", SERVERS)


def exchange(connection: ClientConnection, server: Server, cut: int | None = None) -> None:
    """Carry bytes both ways until neither end has any."""
    while True:
        there, back = connection.data_to_send(), server.output()
        if not there and not back:
            return
        for piece in filter(None, pieces(there, cut)):
            server.receives(piece)
        for piece in pieces(back, cut):
            connection.receive_data(piece, now=0.0)


def opened(peer: str, compression: bool = False, cut: int | None = None) -> tuple[ClientConnection, Server]:
    config = Config(compression=compression, compression_min_size=0)
    connection = ClientConnection("ws://h/chat", config, now=0.0, random=os.urandom, subprotocols=["chat"])
    server: Server = SERVERS[peer](compression)
    exchange(connection, server, cut)
    assert (connection.state, connection.subprotocol) == (State.OPEN, "chat")
    response = connection.response
    assert response is not None
    assert compression == any(name == b"sec-websocket-extensions" for name, _ in response.headers)
    return connection, server


messages = st.lists(st.one_of(st.text(max_size=40), st.binary(max_size=40), st.just("ä" * 40_000)), max_size=5)


@each_server
@pytest.mark.parametrize("compression", [False, True])
@given(there=messages, back=messages, cut=st.sampled_from([None, None, 1000, 7]))
@few
def test_messages_both_ways(
    peer: str, compression: bool, there: list[str | bytes], back: list[str | bytes], cut: int | None
):
    """Both ends understand each other's messages, compressed or not, in any pieces."""
    connection, server = opened(peer, compression, cut)
    for message in there:
        connection.send(message, now=0.0)
    for message in back:
        server.sends(message)
    exchange(connection, server, cut)
    assert server.messages == there
    assert list(iter(lambda: connection.next_message(now=0.0), None)) == back


@each_server
@pytest.mark.parametrize("compression", [False, True])
def test_fragments(peer: str, compression: bool):
    """A message in fragments is one to an independent server, with an empty fragment in its middle and at its end."""
    connection, server = opened(peer, compression)
    for _ in range(2):
        for index, part in enumerate(["hello " * 20, "", "grüße " * 20, ""]):
            connection.send_fragment(part, final=index == 3, now=0.0)
    exchange(connection, server)
    assert server.messages == ["hello " * 20 + "grüße " * 20] * 2


@each_server
def test_pings_both_ways(peer: str):
    """Pings of both ends are answered by the other."""
    connection, server = opened(peer)
    payload = connection.ping(now=0.0)
    server.pings(b"abc")
    exchange(connection, server)
    assert connection.pongs_received() == [(payload, 0.0)]
    assert server.pongs == [b"abc"]


@each_server
def test_our_close(peer: str):
    """Our close is answered, and clean."""
    connection, server = opened(peer)
    connection.close(4000, "bye", now=0.0)
    exchange(connection, server)
    assert server.closed == Close(4000, "bye")
    info = connection.close_info
    assert info is not None
    assert (info.code, info.reason, info.clean) == (4000, "bye", True)
    assert connection.closing is Closing.NO


@each_server
def test_the_servers_close(peer: str):
    """The server's close is echoed."""
    connection, server = opened(peer)
    server.closes(4001, "go")
    exchange(connection, server)
    assert server.closed == Close(4001, "go")
    info = connection.close_info
    assert info is not None
    assert (info.cause, info.code, info.reason, info.clean) == ("peer", 4001, "go", True)


def test_a_refusal_of_websockets():
    """A refusal as websockets writes it is given with its body."""
    connection = ClientConnection("ws://h/chat", Config(), now=0.0, random=os.urandom)
    server = ServerProtocol()
    server.receive_data(connection.data_to_send())
    server.send_response(server.reject(403, "not you"))
    connection.receive_data(b"".join(server.data_to_send()), now=0.0)
    with pytest.raises(HandshakeRefused) as caught:
        connection.check_open()
    assert (caught.value.status, caught.value.body) == (403, b"not you")
