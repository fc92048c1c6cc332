"""A connection, with what a probe needs of it: pieces, half-closes, resets, how it ended, and all that came before."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from abc import ABC, abstractmethod
from collections import deque
from typing import Final, cast

from .steps import Gone

__all__ = ["Link", "NoHalfClose", "SocketLink", "TLSLink"]

MOST_UNREAD: Final = 256 * 2**20
"""Bytes that a peer may send unread; one that sends on is cut off."""
PIECE: Final = 256 * 1024
"""Bytes that are given to the system at a time."""
LINGER_NOT: Final = struct.pack("ii", 1, 0)
"""The value of SO_LINGER with which closing is a reset."""


class NoHalfClose(Exception):
    """The connection cannot end one half alone: TLS."""


class Link(ABC):
    """A connection: what came in is kept until it is asked for."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._received = bytearray()
        self._gone: Gone | None = None
        self._news = asyncio.Event()

    async def send(self, data: bytes, chop: int = 0) -> None:
        """Write bytes, whether or not the peer is there; with `chop`, in pieces between which the loop turns."""
        if not chop:
            self._write(data)
            return
        for at in range(0, len(data), chop):
            self._write(data[at : at + chop])
            await asyncio.sleep(0)

    async def receive(self, patience: float) -> bytes | Gone | None:
        """Return what has come, or how the connection ended; None if nothing moves for `patience` seconds.

        What moves is what comes in, and what of our own bytes still goes out.
        """
        while not self._received and self._gone is None:
            self._news.clear()
            unsent = self._unsent()
            try:
                async with asyncio.timeout(patience):
                    await self._news.wait()
            except TimeoutError:
                if self._unsent() >= unsent:
                    return None
        if self._received:
            data = bytes(self._received)
            self._received.clear()
            return data
        return self._gone

    def _take(self, data: bytes) -> None:
        self._received += data
        self._news.set()
        if len(self._received) > MOST_UNREAD:
            self.abort()

    def _end(self, gone: Gone) -> None:
        self._gone = self._gone or gone
        self._news.set()

    @abstractmethod
    def _write(self, data: bytes) -> None: ...

    @abstractmethod
    def _unsent(self) -> int: ...

    @abstractmethod
    def end_writing(self) -> None:
        """End our half. Raises NoHalfClose where there are no halves."""

    @abstractmethod
    def reset(self) -> None:
        """End the connection with a reset."""

    @abstractmethod
    def abort(self) -> None:
        """End the connection at once."""


class SocketLink(Link):
    """A connection without TLS.

    Not a transport of asyncio's: there a write that fails discards what came before, and whether a peer's close frame
    is seen would depend on what is written meanwhile.
    """

    def __init__(self, sock: socket.socket) -> None:
        """Take a connected socket."""
        super().__init__()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._outgoing: deque[bytes | None] = deque()  # None: the end of our half
        self._size = 0
        self._something = asyncio.Event()
        self._task = self._loop.create_task(self._run())
        self._task.add_done_callback(lambda _: sock.close())  # not `finally`: it may be cancelled before it begins

    @classmethod
    async def dial(cls, host: str, port: int) -> SocketLink:
        """Connect to the first of a name's addresses that can be connected to. Raises OSError."""
        loop = asyncio.get_running_loop()
        failure: OSError = OSError(f"{host} has no address")
        for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            sock = socket.socket(family, kind, protocol)
            sock.setblocking(False)
            try:
                await loop.sock_connect(sock, address)
            except OSError as error:
                sock.close()
                failure = error
            except BaseException:
                sock.close()
                raise
            else:
                return cls(sock)
        raise failure

    async def _run(self) -> None:
        await asyncio.gather(self._read(), self._send_all())

    async def _read(self) -> None:
        try:
            while data := await self._loop.sock_recv(self._sock, PIECE):
                self._take(data)
        except OSError:
            self._end(Gone.RESET)
        else:
            self._end(Gone.END)

    async def _send_all(self) -> None:
        with contextlib.suppress(OSError):  # the peer is gone: what it sent before can still be read
            while True:
                while not self._outgoing:
                    self._something.clear()
                    await self._something.wait()
                data = self._outgoing.popleft()
                if data is None:
                    self._sock.shutdown(socket.SHUT_WR)
                    return
                await self._loop.sock_sendall(self._sock, data)
                self._size -= len(data)

    def _write(self, data: bytes) -> None:
        self._outgoing.extend(data[at : at + PIECE] for at in range(0, len(data), PIECE))
        self._size += len(data)
        self._something.set()

    def _unsent(self) -> int:
        return self._size

    def end_writing(self) -> None:
        """End our half, behind what is still to be written."""
        self._outgoing.append(None)
        self._something.set()

    def reset(self) -> None:
        """End the connection with a reset."""
        with contextlib.suppress(OSError):
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
        self.abort()

    def abort(self) -> None:
        """End the connection at once."""
        self._task.cancel()
        self._end(Gone.END)


class TLSLink(Link, asyncio.Protocol):
    """A connection with TLS, on asyncio's transport: what came before a write that fails may be lost."""

    def __init__(self) -> None:
        """Begin before the connection is made."""
        super().__init__()
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def dial(cls, host: str, port: int, context: ssl.SSLContext) -> TLSLink:
        """Connect. Raises OSError, of which ssl.SSLError is one."""
        _, link = await asyncio.get_running_loop().create_connection(cls, host, port, ssl=context, server_hostname=host)
        return link

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Keep what the peer sent."""
        self._take(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end."""
        self._end(Gone.RESET if exc else Gone.END)

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _unsent(self) -> int:
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def end_writing(self) -> None:
        """Raise NoHalfClose."""
        raise NoHalfClose

    def reset(self) -> None:
        """End the connection with a reset."""
        if self._transport is not None and not self._transport.is_closing():
            sock: socket.socket = self._transport.get_extra_info("socket")
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
        self.abort()

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()
