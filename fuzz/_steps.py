"""What may happen to a connection: the vocabulary of the target `connection`."""

from __future__ import annotations

from typing import Any, Final

from fuzz._wire import DEFLATE, REQUEST, frames, response
from wscore import (
    ClientDisconnected,
    Config,
    InvalidMessage,
    LocalProtocolError,
    ReceivedMessage,
    ServerConnection,
    State,
)

CONFIG: Final = Config(max_message_size=500, max_queue=3, max_queue_size=400, max_output_size=300, ping_timeout=7.0)
REFUSALS: Final = (LocalProtocolError, InvalidMessage, ClientDisconnected)
MASK: Final = bytes(4)

MESSAGES: Final[list[Any]] = [
    {"type": "websocket.accept"},
    {"type": "websocket.accept", "subprotocol": "not offered"},
    {"type": "websocket.accept", "headers": [(b"x-name", b"value"), [bytearray(b"X-2"), memoryview(b"\xff")]]},
    {"type": "websocket.accept", "headers": [(b"x", b"a\r\nb")]},
    {"type": "websocket.accept", "headers": [(b"sec-websocket-accept", b"x")]},
    {"type": "websocket.send", "text": "h\xe4llo"},
    {"type": "websocket.send", "bytes": bytes(200)},
    {"type": "websocket.send", "text": ""},
    {"type": "websocket.send", "text": "\ud800"},
    {"type": "websocket.send", "text": "a", "bytes": b"a"},
    {"type": "websocket.send"},
    {"type": "websocket.send", "bytes": "text"},
    {"type": "websocket.close"},
    {"type": "websocket.close", "code": 4000, "reason": "done"},
    {"type": "websocket.close", "code": 1005},
    {"type": "websocket.close", "code": "1000"},
    {"type": "websocket.close", "code": True},
    {"type": "websocket.close", "reason": "\xe4" * 62},
    {"type": "websocket.http.response.start", "status": 401, "headers": [(b"content-type", b"text/plain")]},
    {"type": "websocket.http.response.start", "status": 200, "headers": [(b"content-length", b"4")]},
    {"type": "websocket.http.response.start", "status": 204},
    {"type": "websocket.http.response.start", "status": 101},
    {"type": "websocket.http.response.start", "status": 599, "headers": [(b"content-length", b"-1")]},
    {"type": "websocket.http.response.body", "body": b"four"},
    {"type": "websocket.http.response.body", "body": b"four", "more_body": True},
    {"type": "websocket.http.response.body", "more_body": True},
    {"type": "websocket.http.response.body"},
    {"type": "websocket.http.response.body", "body": "text"},
    {"type": "websocket.connect"},
    {"type": None},
    {},
    None,
]

BYTES: Final = [
    REQUEST + b"\r\n",
    REQUEST + DEFLATE + b"\r\n",
    REQUEST + b"Sec-WebSocket-Protocol: chat\r\n\r\n",
    REQUEST,
    b"\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    b"\x81\x82" + MASK + b"hi",
    b"\x82\xfe\x01\x00" + MASK + bytes(256),
    b"\x01\x81" + MASK + b"a",
    b"\x80\x81" + MASK + b"b",
    b"\xc1\x87" + MASK + b"\xf2\x48\xcd\xc9\xc9\x07\x00",  # RFC 7692 7.2.3.1: "Hello"
    b"\x89\x81" + MASK + b"p",
    b"\x8a\x84" + MASK + b"\0\0\0\x01",  # the pong for the first keepalive ping
    b"\x88\x80" + MASK,
    b"\x88\x82" + MASK + b"\x03\xe8",
    b"\x82\xff" + bytes(6) + b"\x02\x00" + MASK,  # announces more than the limit
    b"\x81\x02no",
    b"\x81\x81" + MASK + b"\xff",
    b"\x89\x80" + MASK + b"\x81\x81" + MASK + b"x\x88\x80" + MASK,
    b"",
]


def network(connection: ServerConnection, what: int, how: int, now: float) -> None:
    """Something comes from the peer: bytes that mean something, or a byte of any value."""
    read = bytes([how]) if what % 8 == 2 else BYTES[(what + how) % len(BYTES)]
    connection.receive_data(read, now=now)


def tell(connection: ServerConnection, how: int, now: float) -> float:
    """Something else happens; give the time afterwards."""
    match how % 10:
        case 0:
            connection.receive_eof(now=now)
        case 1:
            connection.connection_lost(now=now)
        case 2:
            connection.application_returned(now=now)
        case 3:
            connection.application_raised(now=now)
        case 4:
            connection.begin_shutdown(now=now, reason="restart")
        case 5:
            connection.reject(now=now)
        case 6:
            connection.handle_timeout(now=now)
        case _:
            return now + how / 4
    return now


def levels(connection: ServerConnection) -> tuple[object, ...]:
    """Read all that a refused message must leave as it was."""
    return (
        connection.state,
        connection.output_size,
        connection.next_timeout(),
        connection.has_message,
        connection.wants_read,
        connection.closing,
        connection.response,
        connection.close_info,
        tuple(connection.access_records),
    )


def judge_output(connection: ServerConnection, output: bytes) -> None:
    """Read what was written: one whole response, and after a 101 whole frames, none after a close frame."""
    if connection.state is State.LINGERING or output.startswith(b"HTTP/1.1 101"):  # else a response may be unfinished
        status, rest = response(output)
        assert status == 101 or not rest, "bytes after the response"
        frames(rest)


def judge_end(connection: ServerConnection, taken: list[ReceivedMessage], now: float) -> None:
    """Let the clock alone end the connection, as it must, and look at all that the application got."""
    for _ in range(10):
        if (due := connection.next_timeout()) is not None:
            connection.handle_timeout(now=(now := max(now, due)))
    assert connection.state is State.CLOSED, "a connection that the clock does not end"
    taken += iter(lambda: connection.next_message(now=now), None)
    codes = [message["code"] for message in taken if message["type"] == "websocket.disconnect"]
    assert len(codes) == (connection.scope is not None), "not one disconnect for an application that was started"
    if codes:
        assert taken[-1]["type"] == "websocket.disconnect", "a message after the disconnect"
        assert type(codes[0]) is int, "a code that is no plain int"
