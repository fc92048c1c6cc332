"""The other end of a transport's socket: it writes bytes by hand, and takes apart what it reads."""

from __future__ import annotations

import array
import base64
import contextlib
import fcntl
import hashlib
import re
import socket
import termios

from tests.core.peer import PING

__all__ = ["OURS", "Peer", "Written", "acceptance"]

OURS = b"user"
"""How the payloads of pings begin that a test sends; those of keepalive are the product's affair."""

_KEY = re.compile(rb"(?i)(sec-websocket-key: )([^\r]*)")


class Written:
    """What one end has written: the head of the handshake, and frames, without what chance has chosen in them."""

    def __init__(self) -> None:
        self.items: list[object] = []
        self.rest = b""
        """Bytes that are no whole item, among them all of a response other than 101."""
        self.pings: list[bytes] = []
        """The payloads of keepalive's pings."""
        self.key = b""
        """Sec-WebSocket-Key, which chance has chosen."""
        self._framed = False

    def feed(self, data: bytes) -> None:
        self.rest += data
        if not self._framed:
            head, end, rest = self.rest.partition(b"\r\n\r\n")
            if not end or not head.startswith((b"HTTP/1.1 101", b"GET ")):
                return
            self._framed = True
            if key := _KEY.search(head):
                self.key = key[2]
            self.items.append(_KEY.sub(rb"\1", head))
            self.rest = rest
        while self._take_frame():
            pass

    def _take_frame(self) -> bool:
        data = self.rest
        if len(data) < 2:
            return False
        length, start = data[1] & 127, 2
        if length > 125:
            start += 2 if length == 126 else 8
            length = int.from_bytes(data[2:start])
        mask = data[start : start + 4] if data[1] > 127 else None
        start += 4 if mask else 0
        if len(data) < start + length:
            return False
        payload = data[start : start + length]
        if mask:
            key = (mask * (length // 4 + 1))[:length]
            payload = (int.from_bytes(payload) ^ int.from_bytes(key)).to_bytes(length)
        self.rest = data[start + length :]
        if data[0] & 0xF == PING and not payload.startswith(OURS):
            self.pings.append(payload)
            payload = b"(keepalive)"
        self.items.append((data[0], payload))
        return True


class Peer:
    """One end of a pair of AF_UNIX sockets, which it never waits for."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.socket = self._socket = sock
        self._unsent = b""
        self.written = Written()
        """By the transport."""
        self.reading = True
        self.ended = False
        """The transport has ended its side, or closed."""

    @property
    def gone(self) -> bool:
        """It has closed its socket."""
        return self._socket.fileno() < 0

    def sends(self, data: bytes) -> None:
        """Write, as far as there is room; the rest follows with `exchange`."""
        self._unsent += data
        self.exchange()

    def exchange(self) -> bool:
        """Write what waits and read what is there; tell whether anything moved."""
        if self.gone:
            return False
        moved = False
        if self._unsent:
            try:
                self._unsent = self._unsent[self._socket.send(self._unsent) :]
                moved = True
            except BlockingIOError:
                pass
            except OSError:
                self._unsent = b""  # closed at the other end, which reading tells
        while self.reading and not self.ended:
            try:
                data = self._socket.recv(2**20)
            except BlockingIOError:
                break
            except ConnectionResetError:
                data = b""
            self.ended = not data
            self.written.feed(data)
            moved = True
        return moved

    def reads(self, limit: int) -> int:
        """Read so many bytes at most, and tell how many there were: none once all is over."""
        if self._socket.fileno() < 0:
            return 0
        try:
            data = self._socket.recv(limit)
        except BlockingIOError:
            return 0
        except ConnectionResetError:
            data = b""
        self.ended = not data
        self.written.feed(data)
        return len(data)

    def ends(self) -> None:
        """End its side of the stream."""
        with contextlib.suppress(OSError):  # closed at the other end
            self._socket.shutdown(socket.SHUT_WR)

    def vanishes(self) -> bool:
        """Close; tell whether the other end is told by a reset, which is so where something was left unread."""
        unread = array.array("i", [0])
        fcntl.ioctl(self._socket.fileno(), termios.FIONREAD, unread)
        self._socket.close()
        return unread[0] > 0

    def closes(self) -> None:
        """Close, whether closed or not."""
        self._socket.close()


def acceptance(key: bytes) -> bytes:
    """Write a server's answer to a handshake (RFC 6455 4.2.2)."""
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    lines = [b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade"]
    return b"\r\n".join([*lines, b"Sec-WebSocket-Accept: " + accept, b"", b""])
