"""ASGI as types, and complete validation of an application's message before anything changes (ASGI www 2.5).

Rule of this file: every reader of a message either returns a value that the core can use without further checks, or
raises InvalidMessage with a text that names the key, the value received and what was expected. Values are copied, so
an application may modify its buffers and dicts afterwards (A18).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Literal, NamedTuple, NotRequired, Self, TypedDict

from ..close import Close, CloseCode
from ..errors import InvalidMessage
from ..grammar import CONNECTION_HEADERS, is_field_value, is_token
from ..lifecycle import Trigger
from ..outgoing import as_bytes, as_close, shown

__all__ = [
    "Accept",
    "Application",
    "Body",
    "ConnectMessage",
    "DisconnectMessage",
    "Headers",
    "Peer",
    "ReceiveMessage",
    "ReceivedMessage",
    "ResponseStart",
    "Scope",
]

Application = Callable[[Any, Any, Any], Awaitable[None]]
"""An ASGI 3 application, whatever types it declares for scope, receive and send."""

Headers = list[tuple[bytes, bytes]]
"""Header fields in order: lower-case names and values, duplicates kept."""


class Scope(TypedDict):
    """The scope of a websocket connection (ASGI www 2.5)."""

    type: Literal["websocket"]
    asgi: dict[str, str]
    http_version: str
    scheme: str
    path: str
    raw_path: bytes
    query_string: bytes
    root_path: str
    headers: Headers
    client: tuple[str, int] | None
    server: tuple[str, int | None] | None
    subprotocols: list[str]
    state: dict[str, Any]
    extensions: dict[str, dict[str, Any]]


class ConnectMessage(TypedDict):
    """`websocket.connect`: the first message of every connection."""

    type: Literal["websocket.connect"]


class ReceiveMessage(TypedDict):
    """`websocket.receive`: one complete message, with exactly one of `text` and `bytes`."""

    type: Literal["websocket.receive"]
    text: NotRequired[str]
    bytes: NotRequired[bytes]


class DisconnectMessage(TypedDict):
    """`websocket.disconnect`: the last message of every connection."""

    type: Literal["websocket.disconnect"]
    code: int
    reason: str


ReceivedMessage = ConnectMessage | ReceiveMessage | DisconnectMessage


class Peer(NamedTuple):
    """What a transport knows of a connection before any byte is read.

    Args:
        client: (host, port); None if unknown.
        server: (host, port), or (path of a Unix socket, None); None if unknown.
        tls: The content of ASGI's tls extension, see `tls_extension`; None on a plain connection.
    """

    client: tuple[str, int] | None = None
    server: tuple[str, int | None] | None = None
    tls: dict[str, Any] | None = None

    @classmethod
    def of(cls, peername: Any, sockname: Any, tls: dict[str, Any] | None = None) -> Self:
        """Make a Peer from the results of a socket's `getpeername` and `getsockname`.

        Args:
            peername: A pair, IPv6's four parts, a Unix path or None.
            sockname: Likewise. Linux's abstract names, which are bytes, are not paths and are ignored.
            tls: The content of ASGI's tls extension.
        """
        client = None if isinstance(peername, str | bytes | None) else (str(peername[0]), int(peername[1]))
        if isinstance(sockname, bytes):
            return cls(client, None, tls)
        if isinstance(sockname, str | None):
            return cls(client, (sockname, None) if sockname else None, tls)
        return cls(client, (str(sockname[0]), int(sockname[1])), tls)


class Accept(NamedTuple):
    """A validated `websocket.accept`."""

    subprotocol: str | None
    headers: Headers


class ResponseStart(NamedTuple):
    """A validated `websocket.http.response.start`; `content_length` is taken from its headers."""

    status: int
    headers: Headers
    content_length: int | None


class Body(NamedTuple):
    """A validated `websocket.http.response.body`."""

    data: bytes
    more: bool


TRIGGERS: Final[dict[str, Trigger]] = {
    "websocket.accept": Trigger.APP_ACCEPT,
    "websocket.close": Trigger.APP_CLOSE,
    "websocket.send": Trigger.APP_SEND,
    "websocket.http.response.start": Trigger.APP_RESPONSE,
    "websocket.http.response.body": Trigger.APP_BODY,  # or APP_LAST_BODY: both are in the same rows of the table
}

_LENGTH: Final = re.compile(rb"[0-9]{1,18}")  # with more digits int() may be quadratic, or raise a plain ValueError

# The handshake's own fields; wsproto lets an application add them to a 101, which they contradict.


def as_dict(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return an application's message as a dict, which nearly all are already. Raises InvalidMessage."""
    given: Any = message
    if not isinstance(given, Mapping):
        raise InvalidMessage(f"expected a dict with a 'type', got {shown(message)}")
    return dict(message)


def message_type(message: Mapping[str, Any]) -> str:
    """Read the type of an application's message. Raises InvalidMessage."""
    kind = message.get("type")
    if not isinstance(kind, str) or kind not in TRIGGERS:
        raise InvalidMessage(f"message type {shown(kind)}: expected one of {', '.join(TRIGGERS)}")
    return kind


def read_send(message: Mapping[str, Any]) -> str | bytes:
    """Read a `websocket.send`: its text, or its bytes. Raises InvalidMessage."""
    text = message.get("text")
    data = message.get("bytes")
    if data is None and isinstance(text, str):
        return text
    if text is not None:
        if data is not None:
            raise InvalidMessage("websocket.send: expected one of 'text' and 'bytes', got both")
        raise InvalidMessage(f"websocket.send: 'text' must be a str, got {shown(text)}")
    if data is None:
        raise InvalidMessage("websocket.send: expected one of 'text' and 'bytes', got neither")
    return as_bytes(data, "websocket.send: 'bytes'")


def read_accept(message: Mapping[str, Any], offered: list[str]) -> Accept:
    """Read a `websocket.accept`; `offered` are the client's subprotocols. Raises InvalidMessage."""
    subprotocol = message.get("subprotocol") or None  # "" means none: an empty header makes Chrome fail the handshake
    if subprotocol is not None and subprotocol not in offered:
        # RFC 6455 4.1: a client must fail the connection over a subprotocol that it did not offer.
        raise InvalidMessage(
            f"websocket.accept: subprotocol {shown(subprotocol)} was not offered by the client; it offered "
            + (", ".join(offered) or "none")
        )
    headers = _headers(message, "websocket.accept")
    for name, _ in headers:
        if name in CONNECTION_HEADERS or name.startswith(b"sec-websocket-"):
            raise InvalidMessage(
                f"websocket.accept: header {shown(name)} belongs to the handshake, not the application"
            )
    return Accept(subprotocol, headers)


def read_close(message: Mapping[str, Any]) -> Close:
    """Read a `websocket.close`. Raises InvalidMessage."""
    code, reason = message.get("code"), message.get("reason")
    return as_close(
        CloseCode.NORMAL_CLOSURE if code is None else code, "" if reason is None else reason, "websocket.close"
    )


def read_response_start(message: Mapping[str, Any]) -> ResponseStart:
    """Read a `websocket.http.response.start`. Raises InvalidMessage."""
    status = message.get("status")
    if not isinstance(status, int) or isinstance(status, bool) or not 200 <= status <= 599:
        raise InvalidMessage(
            f"websocket.http.response.start: 'status' must be an int from 200 to 599, got {shown(status)}; to open "
            "the connection send websocket.accept"
        )
    headers = _headers(message, "websocket.http.response.start")
    lengths = {value for name, value in headers if name == b"content-length"}
    if len(lengths) > 1 or not all(map(_LENGTH.fullmatch, lengths)):
        raise InvalidMessage(
            f"websocket.http.response.start: content-length {shown(sorted(lengths))} is not one number"
        )
    length = int(lengths.pop()) if lengths else None
    # The server decides how the body is delimited and whether the connection is kept (RFC 9112 6.1).
    own = [(name, value) for name, value in headers if name not in CONNECTION_HEADERS]
    return ResponseStart(int(status), own, length)


def read_body(message: Mapping[str, Any]) -> Body:
    """Read a `websocket.http.response.body`; its keys are optional. Raises InvalidMessage."""
    data = message.get("body")
    return Body(
        b"" if data is None else as_bytes(data, "websocket.http.response.body: 'body'"), bool(message.get("more_body"))
    )


def _headers(message: Mapping[str, Any], where: str) -> Headers:
    given: Any = message.get("headers")
    if given is None:
        return []
    try:
        pairs: list[Any] = list(given)
    except TypeError:
        raise InvalidMessage(f"{where}: 'headers' must be pairs of bytes, got {shown(given)}") from None
    headers: Headers = []
    for pair in pairs:
        try:
            name, value = pair
        except (TypeError, ValueError):
            raise InvalidMessage(f"{where}: a header must be a pair of bytes, got {shown(pair)}") from None
        name = as_bytes(name, f"{where}: a header's name").lower()
        value = as_bytes(value, f"{where}: the value of header {shown(name)}")
        if not is_token(name):  # pseudo headers (":status") among them
            raise InvalidMessage(f"{where}: {shown(name)} is no header name")
        if not is_field_value(value):
            raise InvalidMessage(f"{where}: the value of header {shown(name)} holds CR, LF, NUL or another control")
        headers.append((name, value))
    return headers
