"""A real socket, plugged into a socket of the network: what one reads, the other writes."""

from __future__ import annotations

import socket

import anyio

from .sockets import Socket

__all__ = ["Plug"]

_READ = 65_536


class Plug:
    """The user of a network's socket that passes everything on. Two tasks run `read` and `write`."""

    def __init__(self, end: Socket, sock: socket.socket) -> None:
        self.sock = sock
        self._end = end
        end.user = self
        self._unwritten = bytearray()
        self._ended = False
        self._gone = False
        self._news = anyio.Event()
        self._room = anyio.Event()

    # -- what the network says

    def receive_data(self, data: bytes) -> None:
        """As in `SocketUser`."""
        self._unwritten += data
        self._end.set_reading(False)  # until they are written, so that a reader who is slow holds up the sender
        self._news.set()

    def receive_eof(self) -> None:
        """As in `SocketUser`."""
        self._ended = True
        self._news.set()

    def output_drained(self) -> None:
        """As in `SocketUser`."""
        self._room.set()

    def lost(self, error: Exception | None = None) -> None:
        """As in `SocketUser`."""
        self._gone = True
        self._news.set()
        self._room.set()

    # -- what the real socket says

    async def read(self) -> None:
        """Pass on what the real socket's other end writes, until that ends."""
        while not self._gone:
            if not self._end.writable:
                self._room = anyio.Event()
                await self._room.wait()
                continue
            try:
                await anyio.wait_readable(self.sock)
                data = self.sock.recv(_READ)
            except (OSError, anyio.ClosedResourceError):
                self._fail()
                return
            if not data:
                self._end.shut_down_writing()
                return
            self._end.write(data)

    async def write(self) -> None:
        """Write to the real socket what comes from the network, until that ends."""
        try:
            while not self._gone:
                await self._news.wait()
                self._news = anyio.Event()
                while self._unwritten and not self._gone:
                    await anyio.wait_writable(self.sock)
                    del self._unwritten[: self.sock.send(self._unwritten)]
                if self._ended:
                    self.sock.shutdown(socket.SHUT_WR)
                    return
                self._end.set_reading(True)
        except OSError:
            self._fail()
        anyio.notify_closing(self.sock)
        self.sock.close()

    def _fail(self) -> None:
        """The real socket is broken: the other end of the network learns of that, and `write` closes it."""
        self._end.abort()
        self.lost()
