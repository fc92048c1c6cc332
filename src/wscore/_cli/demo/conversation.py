"""A conversation with the chat, over blocking sockets: said, heard and printed as it happens.

The client's side is wsproto's, so that a mistake of ours is not made on both ends. Every wait has an end.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, Final

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.extensions import PerMessageDeflate
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

__all__ = ["ConversationFailed", "hold_conversation"]

Show = Callable[[str], None]

TIMEOUT: Final = 5.0  # seconds, for each wait


class ConversationFailed(Exception):
    """Somebody heard something else than they had to, or nothing in time; the text says who and what."""


def hold_conversation(address: tuple[str, int], show: Show) -> None:
    """Let ada and bob talk in the chat at `address`; every step is given to `show`. Raises ConversationFailed."""
    with _person("ada", address, show) as ada, _person("bob", address, show) as bob:
        ada.joins("/lobby", compressed=True)
        ada.hears(TextMessage, "* ada joined, 1 here")
        bob.joins("/lobby")
        bob.hears(TextMessage, "* bob joined, 2 here")
        ada.hears(TextMessage, "* bob joined, 2 here")

        ada.says("hello, bob! ☕")
        bob.hears(TextMessage, "ada: hello, bob! ☕")
        ada.hears(TextMessage, "ada: hello, bob! ☕")
        bob.sends_bytes(b"\x00\x01\xfe\xff")
        ada.hears(BytesMessage, b"\x00\x01\xfe\xff")

        bob.pings(b"still there?")
        bob.hears(Pong, b"still there?")

        bob.closes(3001, "dinner")
        bob.hears(CloseConnection, (3001, "dinner"))
        ada.hears(TextMessage, "* bob left (3001 dinner)")

        ada.says("/quit")
        ada.hears(CloseConnection, (4000, "goodbye, ada"))
    with _person("eve", address, show) as eve:
        eve.is_denied("/lobby", name="", status=403)


@contextmanager
def _person(name: str, address: tuple[str, int], show: Show) -> Generator[_Person]:
    try:
        sock = socket.create_connection(address, TIMEOUT)
    except OSError as error:
        raise ConversationFailed(f"{name}: {error}") from error
    with sock:
        yield _Person(name, sock, show)


class _Person:
    """One client: a blocking socket and wsproto's connection. What is not expected raises ConversationFailed."""

    def __init__(self, name: str, sock: socket.socket, show: Show) -> None:
        self.name = name
        self._sock = sock
        self._connection = WSConnection(ConnectionType.CLIENT)
        self._events: Iterator[Event] = iter(())
        self._fragments: str | bytes | None = None
        self._show = show

    def joins(self, path: str, *, compressed: bool = False) -> None:
        """Shake hands for `path`, offering permessage-deflate if `compressed`."""
        self._request(f"{path}?name={self.name}", compressed=compressed)
        event = self._next()
        if not isinstance(event, AcceptConnection):
            raise ConversationFailed(f"{self.name}: the handshake was answered with {_describe(event)}")
        extensions = ", ".join(extension.name for extension in event.extensions)
        self._print("<-", "handshake", "101 Switching Protocols" + (f", {extensions}" if extensions else ""))

    def is_denied(self, path: str, *, name: str, status: int) -> None:
        """Ask to join, and be refused with the HTTP `status`."""
        self._request(f"{path}?name={name}", compressed=False)
        event = self._next()
        if not isinstance(event, RejectConnection) or event.status_code != status:
            raise ConversationFailed(f"{self.name}: expected HTTP {status}, got {_describe(event)}")
        self._print("<-", "handshake", f"HTTP {status}: the application denied it")

    def says(self, text: str) -> None:
        """Send a text message."""
        self._print("->", "text", repr(text))
        self._send(TextMessage(text))

    def sends_bytes(self, data: bytes) -> None:
        """Send a binary message."""
        self._print("->", "binary", data.hex(" "))
        self._send(BytesMessage(data))

    def pings(self, payload: bytes) -> None:
        """Send a ping."""
        self._print("->", "ping", repr(payload.decode()))
        self._send(Ping(payload))

    def closes(self, code: int, reason: str) -> None:
        """Send a close frame."""
        self._print("->", "close", f"{code} {reason!r}")
        self._send(CloseConnection(code, reason))

    def hears(self, kind: type[Event], expected: str | bytes | tuple[int, str]) -> None:
        """Wait for the next message or frame, which must be this one. A close is answered."""
        event = self._next()
        if type(event) is not kind or _content(event) != expected:
            wanted = _describe_content(kind, expected)
            raise ConversationFailed(f"{self.name}: expected {wanted}, got {_describe(event)}")
        self._print("<-", _KINDS[kind], _describe_content(kind, expected, named=False))
        if isinstance(event, CloseConnection) and self._connection.state.name == "REMOTE_CLOSING":
            self._print("->", "close", f"{event.code}")
            self._send(event.response())

    def _request(self, target: str, *, compressed: bool) -> None:
        self._print("->", "handshake", f"GET {target}")
        host, port = self._sock.getpeername()[:2]
        extensions = [PerMessageDeflate()] if compressed else []
        self._send(Request(host=f"{host}:{port}", target=target, extensions=list(extensions)))

    def _send(self, event: Event) -> None:
        try:
            self._sock.sendall(self._connection.send(event))
        except (OSError, LocalProtocolError) as error:
            raise ConversationFailed(f"{self.name}: {error}") from error

    def _next(self) -> Event:
        """Give the next whole message or frame; keepalive pings are answered on the way."""
        while True:
            for event in self._events:
                if isinstance(event, Ping):
                    self._send(event.response())
                elif isinstance(event, TextMessage | BytesMessage):
                    so_far: Any = self._fragments
                    data: Any = event.data
                    whole = data if so_far is None else so_far + data
                    self._fragments = None if event.message_finished else whole
                    if event.message_finished:
                        return type(event)(whole)
                else:
                    return event
            try:
                received = self._sock.recv(65536)
            except TimeoutError:
                raise ConversationFailed(f"{self.name}: heard nothing for {TIMEOUT:.0f} s") from None
            except OSError as error:
                raise ConversationFailed(f"{self.name}: {error}") from error
            if not received:
                raise ConversationFailed(f"{self.name}: the server ended the connection")
            try:
                self._connection.receive_data(received)
            except RemoteProtocolError as error:
                raise ConversationFailed(f"{self.name}: {error}") from error
            self._events = self._connection.events()

    def _print(self, arrow: str, kind: str, content: str) -> None:
        self._show(f"  {self.name} {arrow} {kind:<9}  {content}")


_KINDS: Final[dict[type[Event], str]] = {
    TextMessage: "text",
    BytesMessage: "binary",
    Ping: "ping",
    Pong: "pong",
    CloseConnection: "close",
}


def _content(event: Event) -> object:
    match event:
        case TextMessage():
            return event.data
        case BytesMessage():
            return bytes(event.data)
        case Pong():
            return bytes(event.payload)
        case CloseConnection():
            return (event.code, event.reason or "")
        case _:
            return None


def _describe(event: Event) -> str:
    if isinstance(event, RejectConnection):
        return f"HTTP {event.status_code}"
    return _describe_content(type(event), _content(event))


def _describe_content(kind: type[Event], content: Any, *, named: bool = True) -> str:
    if kind is CloseConnection:
        text = f"{content[0]} {content[1]!r}"
    elif kind is BytesMessage:
        text = content.hex(" ")
    elif kind is Pong:
        text = repr(content.decode(errors="replace"))
    else:
        text = repr(content)
    return f"{_KINDS.get(kind, kind.__name__)} {text}" if named else text
