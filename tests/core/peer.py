"""A client at the other end of a `ServerConnection`: it writes any bytes by hand, and reads ours with others' parsers.

The rule of this file: nothing here uses how wscore reads or writes. What goes in is written by `wscore.testing.frames`
and `.handshakes`, from the RFC's own pictures, so that it can be as wrong as a test wants it; what comes out is read by
h11's client and by websockets' sans-IO client, who raise where it is not well-formed, and is then taken apart into
plain frames.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import h11
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.protocol import OPEN
from websockets.uri import parse_uri

from wscore import Config, Peer, ServerConnection
from wscore.testing.frames import (
    MASK,
    Compressor,
    Frame,
    binary,
    close,
    fragments,
    frame,
    ping,
    pong,
    text,
)
from wscore.testing.frames import read_frames as frames_of
from wscore.testing.handshakes import FIELDS, KEY
from wscore.testing.handshakes import request_head as head

__all__ = [
    "ACCEPT_OF_KEY",
    "BINARY",
    "CLOSE",
    "CONTINUATION",
    "DEFLATE",
    "FIELDS",
    "KEY",
    "MASK",
    "PING",
    "PONG",
    "TEXT",
    "Answer",
    "Client",
    "Compressor",
    "Frame",
    "binary",
    "close",
    "fragments",
    "frame",
    "head",
    "pieces",
    "ping",
    "pong",
    "read_frames",
    "read_response",
    "text",
]

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

ACCEPT_OF_KEY = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455 1.3
DEFLATE = b"permessage-deflate"


def pieces(data: bytes, size: int | None) -> Iterable[bytes]:
    """`data` cut into pieces of `size`, or whole."""
    return [data] if size is None else [data[at : at + size] for at in range(0, len(data), size)]


# -- what a client reads


class Answer(NamedTuple):
    """A whole HTTP response."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    rest: bytes
    """What followed it."""

    def values(self, name: bytes) -> list[bytes]:
        return [value for each, value in self.headers if each == name]


def read_response(data: bytes, method: bytes = b"GET") -> Answer:
    """Read a whole HTTP response with h11's client. Raises where it is none, or not all there."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "h"), ("Upgrade", "x")]))
    client.send(h11.EndOfMessage())
    client.receive_data(data)
    response = client.next_event()
    if isinstance(response, h11.InformationalResponse):
        return Answer(response.status_code, list(response.headers), b"", client.trailing_data[0])
    assert isinstance(response, h11.Response), response
    body = b""
    while isinstance(event := client.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage), event
    return Answer(response.status_code, list(response.headers), body, client.trailing_data[0])


def read_frames(data: bytes) -> list[Frame]:
    """Take whole server frames apart. Fails on a fragment, a mask, RSV2 or RSV3, a frame cut short."""
    frames = frames_of(data)
    assert all(each.fin for each in frames), "wscore writes whole messages"
    assert all(each.rsv & 0b011 == 0 for each in frames)
    return frames


class Client:
    """A scripted client and the connection at whose other end it is; `app_...` is the application's side.

    `now` is the clock, and stands still unless a test moves it. With `cut`, all that the client sends arrives in
    pieces of so many bytes. `written` is all that the server ever wrote.
    """

    def __init__(
        self,
        config: Config | None = None,
        *,
        peer: Peer | None = None,
        state: dict[str, Any] | None = None,
        cut: int | None = None,
        now: float = 0.0,
        root_path: str = "",
    ) -> None:
        self.now = now
        self.cut = cut
        self.connection = ServerConnection(
            config or Config(), peer=peer or Peer(), now=now, state=state, root_path=root_path
        )
        self.written = b""
        self._unread = b""
        self._oracle: ClientProtocol | None = None

    def sends(self, *data: bytes) -> None:
        """Let the connection read these bytes, in a buffer that is used again at once, as a transport may."""
        for piece in pieces(b"".join(data), self.cut):
            buffer = bytearray(piece)
            self.connection.receive_data(memoryview(buffer), now=self.now)
            buffer[:] = b"\xaa" * len(buffer)
            self.take_output()
            self.goes_on()

    def goes_on(self) -> None:
        """Let the connection do what is due at once, as a transport does before it reads again."""
        while self.connection.work_pending and self.connection.next_timeout() is not None:
            self.connection.handle_timeout(now=self.now)
            self.take_output()

    def ends_its_stream(self) -> None:
        self.connection.receive_eof(now=self.now)
        self.take_output()

    def opens(self, request: bytes | None = None, **accept: Any) -> Answer:
        """Have a whole opening handshake: the application takes `websocket.connect`, and accepts."""
        self.sends(head() if request is None else request)
        assert self.app_receives() == [{"type": "websocket.connect"}]
        self.app_sends("websocket.accept", **accept)
        return self.reads_response()

    def opens_compressed(self, offer: bytes = DEFLATE) -> Answer:
        """Have an opening handshake that agrees on permessage-deflate."""
        answer = self.opens(head(b"Sec-WebSocket-Extensions: " + offer))
        assert answer.values(b"sec-websocket-extensions") != []
        return answer

    def app_sends(self, kind: str, **keys: Any) -> None:
        self.connection.send({"type": kind, **keys}, now=self.now)
        self.take_output()

    def app_receives(self) -> list[Any]:
        """All messages that the application can take now; asking once more than there are."""
        messages: list[Any] = []
        while (message := self.connection.next_message(now=self.now)) is not None:
            messages.append(message)
        self.take_output()
        return messages

    def take_output(self) -> None:
        data = self.connection.data_to_send()
        self.written += data
        self._unread += data

    def reads(self) -> bytes:
        """Take what the server wrote since the client last read."""
        self.take_output()
        data, self._unread = self._unread, b""
        return data

    def reads_response(self) -> Answer:
        """Read the handshake's answer. After a 101, what follows it is left for `reads_frames`."""
        answer = read_response(self.reads())
        if answer.status == 101:
            self._unread = answer.rest
            self._oracle = _oracle(answer)
            return answer._replace(rest=b"")
        return answer

    def reads_frames(self) -> list[Frame]:
        """Read frames; websockets' client has to agree that they are in order, and none follows a close frame."""
        frames, _ = self._reads_both()
        return frames

    def reads_messages(self) -> list[str | bytes]:
        """Read messages, as websockets' client understands them, inflated."""
        _, events = self._reads_both()
        return [event.data.decode() if event.opcode == TEXT else event.data for event in events]

    def _reads_both(self) -> tuple[list[Frame], list[Any]]:
        data = self.reads()
        frames = read_frames(data)
        events: list[Any] = []
        assert all(each.opcode != CLOSE for each in frames[:-1]), "frames after a close frame"
        assert self._oracle is not None
        if data:
            assert self._oracle.close_rcvd is None, "frames after a close frame"
            self._oracle.receive_data(data)
            assert self._oracle.parser_exc is None, self._oracle.parser_exc
            events = self._oracle.events_received()
        return frames, events


def _oracle(answer: Answer, *, accept: bytes | None = ACCEPT_OF_KEY) -> ClientProtocol:
    """websockets' client, after a handshake with this answer."""
    assert accept is None or answer.values(b"sec-websocket-accept") == [accept]
    oracle = ClientProtocol(parse_uri("ws://server.example.com/chat"), state=OPEN, max_size=None)
    for value in answer.values(b"sec-websocket-extensions"):
        name, *parameters = [part.strip() for part in value.decode().split(";")]
        assert name == "permessage-deflate"
        agreed = dict(part.partition("=")[::2] for part in parameters)
        oracle.extensions = [
            PerMessageDeflate(
                remote_no_context_takeover="server_no_context_takeover" in agreed,
                local_no_context_takeover="client_no_context_takeover" in agreed,
                remote_max_window_bits=int(agreed.get("server_max_window_bits", 15)),
                # It reads alone, and makes a compressor all the same: zlib's has no 8.
                local_max_window_bits=max(9, int(agreed.get("client_max_window_bits", 15))),
            )
        ]
    return oracle
