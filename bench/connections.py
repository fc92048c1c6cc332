"""Connections of the load generator: plain blocking sockets, opened and closed many at a time."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from bench.frames import CLOSE

__all__ = ["Declined", "Target", "WrongReply", "connect", "open_many", "opened", "receive_exactly", "receive_head"]

PATIENCE: Final = 10.0
BATCH: Final = 32
DEFLATE: Final = "permessage-deflate; client_max_window_bits"  # as browsers offer it

_HEAD: Final = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{extra}\r\n"
)
# What Chrome sends besides: twelve fields in all. It would offer compression as well, which has a mode of its own.
_BROWSERS: Final = (
    "Pragma: no-cache\r\nCache-Control: no-cache\r\nOrigin: https://chat.example.org\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 "
    "Safari/537.36\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-GB,en-US;q=0.9,en;q=0.8\r\n"
    "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n"
)
_ACCEPT: Final = re.compile(rb"\r\nsec-websocket-accept: *s3pPLMBiTxaQ9kYGzzhZRbK\+xOo= *\r\n", re.IGNORECASE)
_EXTENSIONS: Final = re.compile(rb"\r\nsec-websocket-extensions: *([^\r]*)\r\n", re.IGNORECASE)


class WrongReply(Exception):
    """The server sent something else than it had to."""


class Declined(Exception):
    """The server does not do what the mode is about."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where the load goes."""

    port: int
    websocket: bool
    """False for a plain TCP echo, which has no handshake and no frames."""

    def request(self, path: str = "/", *, deflate: bool = False, browser: bool = False) -> bytes:
        """Make the opening handshake; nothing for a plain TCP echo."""
        extra = f"Sec-WebSocket-Extensions: {DEFLATE}\r\n" if deflate else ""
        extra += _BROWSERS if browser else ""
        return _HEAD.format(path=path, port=self.port, extra=extra).encode() if self.websocket else b""


def connect(target: Target) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", target.port), timeout=PATIENCE)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def receive_exactly(sock: socket.socket, size: int) -> bytes:
    """Read `size` bytes; WrongReply where the stream ends before."""
    data = sock.recv(size)
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise WrongReply(f"end of stream after {data[:200]!r}")
        data += more
    return data


def receive_head(sock: socket.socket) -> bytes:
    """Read the answer to the handshake, and give its extensions; WrongReply for anything but a correct 101."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        more = sock.recv(4096)
        if not more:
            raise WrongReply(f"end of stream after {head[:200]!r}")
        head += more
    if not head.startswith(b"HTTP/1.1 101 ") or not _ACCEPT.search(head):
        raise WrongReply(f"no handshake: {head[:200]!r}")
    extensions = _EXTENSIONS.search(head)
    return extensions[1] if extensions else b""


def open_many(target: Target, count: int, path: str = "/", *, browser: bool = False) -> Iterator[socket.socket]:
    """Open connections in batches: a batch's handshakes are all sent before the first answer is read."""
    request = target.request(path, browser=browser)
    for start in range(0, count, BATCH):
        batch = [connect(target) for _ in range(min(BATCH, count - start))]
        if target.websocket:
            for sock in batch:
                sock.sendall(request)
            for sock in batch:
                receive_head(sock)
        yield from batch


@contextmanager
def opened(target: Target, count: int, path: str = "/", *, browser: bool = False) -> Iterator[Sequence[socket.socket]]:
    """Have `count` connections; they end with a close frame, or servers would complain in their logs."""
    sockets: list[socket.socket] = []
    try:
        for sock in open_many(target, count, path, browser=browser):
            sockets.append(sock)
        yield sockets
    finally:
        for sock in sockets:
            with contextlib.suppress(OSError):
                if target.websocket:
                    sock.setblocking(False)
                    sock.send(CLOSE)
            sock.close()
