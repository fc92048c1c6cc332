"""A client that is no WebSocket library: a blocking socket, and frames written and read by hand (RFC 6455 5.2).

What a correct client would never send has to be sent, and what a library would forgive has to be seen.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import zlib
from typing import NamedTuple

from ..real_time import PATIENCE

TEXT, BINARY, CLOSE, PING, PONG, CONTINUATION = 1, 2, 8, 9, 10, 0
KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455 1.3, and its answer:
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

UPGRADE = (
    ("Host", "localhost"),
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Key", KEY),
    ("Sec-WebSocket-Version", "13"),
)


def request(
    *more: tuple[str, str] | bytes,
    target: str = "/",
    method: str = "GET",
    version: str = "HTTP/1.1",
    without: tuple[str, ...] = (),
    end: bytes = b"\r\n",
) -> bytes:
    """Write an opening handshake with changes: headers left out, headers or raw lines added."""
    lines = [f"{method} {target} {version}".encode()]
    lines += [f"{name}: {value}".encode("latin-1") for name, value in UPGRADE if name.lower() not in without]
    lines += [line if isinstance(line, bytes) else f"{line[0]}: {line[1]}".encode("latin-1") for line in more]
    return end.join([*lines, b"", b""])


def frame(
    opcode: int,
    payload: bytes | str = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = b"\x37\xfa\x21\x3d",
    length: bytes | None = None,
) -> bytes:
    """Write a client's frame. `rsv` is 4 for RSV1, 2, 1; `length` overrides how the length is written."""
    payload = payload.encode() if isinstance(payload, str) else payload
    size = len(payload)
    if length is None:
        if size < 126:
            length = bytes([size])
        elif size < 65536:
            length = b"\x7e" + size.to_bytes(2)
        else:
            length = b"\x7f" + size.to_bytes(8)
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    second = length[0] | (0 if mask is None else 0x80)
    head = bytes([first, second]) + length[1:]
    return head + payload if mask is None else head + mask + masked(payload, mask)


def masked(payload: bytes, mask: bytes) -> bytes:
    repeated = (mask * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(payload) ^ int.from_bytes(repeated)).to_bytes(len(payload))


def close_frame(code: int | None = None, reason: str | bytes = b"") -> bytes:
    reason = reason.encode() if isinstance(reason, str) else reason
    return frame(CLOSE, b"" if code is None else code.to_bytes(2) + reason)


def deflated(data: bytes, *, bits: int = 15, final: bool = False) -> bytes:
    """Compress one message for itself, as RFC 7692 7.2.1 has it."""
    stream = zlib.compressobj(wbits=-bits)
    out = stream.compress(data)
    return out + stream.flush(zlib.Z_FINISH) + b"\0" if final else (out + stream.flush(zlib.Z_SYNC_FLUSH))[:-4]


def whole_frames(data: bytes) -> list[tuple[int, int]]:
    """Split a server's bytes into (opcode, size); a half frame at the end fails."""
    frames = []
    while data:
        assert len(data) >= 2, f"half a header: {data!r}"
        size, head = data[1] & 0x7F, 2
        if size == 126:
            size, head = int.from_bytes(data[2:4]), 4
        elif size == 127:
            size, head = int.from_bytes(data[2:10]), 10
        assert len(data) >= head + size, f"half a frame of {size} bytes: {len(data) - head} came"
        frames.append((data[0] & 15, size))
        data = data[head + size :]
    return frames


class Frame(NamedTuple):
    opcode: int
    payload: bytes
    fin: bool = True
    rsv: int = 0

    @property
    def code(self) -> int | None:
        assert self.opcode == CLOSE, f"expected a close frame, got {self}"
        return int.from_bytes(self.payload[:2]) if self.payload else None

    @property
    def reason(self) -> str:
        return self.payload[2:].decode()


class Response(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    raw: bytes

    def get(self, name: str) -> str | None:
        """The value of a header that must not come twice."""
        values = [value for key, value in self.headers if key == name]
        assert len(values) < 2, f"{name} came {len(values)} times"
        return values[0] if values else None


class Wire:
    """One connection. Reads block; what does not come in time fails the test."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(PATIENCE)
        self.sock = sock
        self.buffer = b""

    def send(self, *pieces: bytes) -> None:
        self.sock.sendall(b"".join(pieces))

    def send_regardless(self, *pieces: bytes) -> None:
        """Send although the server may have ended the connection already."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.sock.sendall(b"".join(pieces))

    def send_for_ever(self, data: bytes) -> None:
        while True:
            self.sock.sendall(data)

    def send_bytewise(self, data: bytes) -> None:
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(data)):
            self.sock.sendall(data[i : i + 1])

    def _receive(self) -> bytes:
        data = self.sock.recv(65536)
        if not data:
            raise EOFError(f"end of stream after {self.buffer[:200]!r}")
        self.buffer += data
        return data

    def read(self, size: int) -> bytes:
        while len(self.buffer) < size:
            self._receive()
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    def read_response(self) -> Response:
        """Read a response's head; nothing but a response may come."""
        while (end := self.buffer.find(b"\r\n\r\n")) < 0:
            self._receive()
        raw = self.read(end + 4)
        status, *lines = raw[:-4].decode("latin-1").split("\r\n")
        match = re.fullmatch(r"HTTP/1\.1 ([0-9]{3}) [ -~]*", status)
        assert match, f"no status line: {status!r}"
        headers = [(name.lower(), value.strip()) for name, value in (line.split(":", 1) for line in lines)]
        return Response(int(match[1]), headers, raw)

    def read_refusal(self, *, content: bool = True) -> Response:
        """Read a whole final response: its content as long as it says (to HEAD: none), then the end of the stream."""
        response = self.read_response()
        body = self.read_to_end()
        assert len(body) == (int(response.get("content-length") or 0) if content else 0), (response, body)
        return response

    def upgrade(self, *more: tuple[str, str] | bytes, target: str = "/") -> Response:
        """Open the WebSocket connection."""
        self.send(request(*more, target=target))
        return self.read_101()

    def read_101(self) -> Response:
        response = self.read_response()
        assert response.status == 101, response
        assert response.get("sec-websocket-accept") == ACCEPT
        assert (response.get("upgrade") or "").lower() == "websocket"
        assert (response.get("connection") or "").lower() == "upgrade"
        return response

    def read_frame(self) -> Frame:
        first, second = self.read(2)
        assert not second & 0x80, "a server does not mask (RFC 6455 5.1)"
        size = second & 0x7F
        if size == 126:
            size = int.from_bytes(self.read(2))
        elif size == 127:
            size = int.from_bytes(self.read(8))
        return Frame(first & 15, self.read(size), bool(first & 0x80), first >> 4 & 7)

    def read_text(self) -> str:
        message = self.read_frame()
        assert message[2:] == (True, 0), message
        assert message.opcode == TEXT, message
        return message.payload.decode()

    def read_binary(self) -> bytes:
        message = self.read_frame()
        assert message[2:] == (True, 0), message
        assert message.opcode == BINARY, message
        return message.payload

    def read_close(self) -> Frame:
        """Read a close frame, and see that nothing follows it but, after our own, the end of the stream (I4)."""
        closing = self.read_frame()
        assert closing.opcode == CLOSE, closing
        return closing

    def ends_with(self, code: int | None) -> Frame:
        """Read a close frame with `code`, answer it, and read the end of the stream: no reset, no other byte."""
        closing = self.read_close()
        assert closing.code == code, closing
        self.send_regardless(close_frame(code))
        assert self.read_to_end() == b""
        return closing

    def read_to_end(self) -> bytes:
        """Read until the end of the stream; a reset is no end."""
        while True:
            try:
                self._receive()
            except EOFError:
                rest, self.buffer = self.buffer, b""
                return rest

    def read_to_any_end(self) -> bytes:
        """Read until the end of the stream or a reset."""
        try:
            return self.read_to_end()
        except (ConnectionResetError, BrokenPipeError, ssl.SSLError):
            rest, self.buffer = self.buffer, b""
            return rest

    def send_eof(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Close with a reset in place of an end of stream."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    def close(self) -> None:
        self.sock.close()
