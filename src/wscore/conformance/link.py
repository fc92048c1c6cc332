"""A TCP connection on asyncio, with what a probe needs of it: pieces, half-closes, resets, and how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import Final, cast

from .steps import Gone

__all__ = ["Link", "NoHalfClose"]

MOST_UNREAD: Final = 256 * 2**20
"""Bytes that a peer may send unread; one that sends on is cut off."""


class NoHalfClose(Exception):
    """The connection cannot end one half alone: TLS."""


class Link(asyncio.Protocol):
    """A connection, ours or the peer's."""

    def __init__(self) -> None:
        """Begin before the connection is made."""
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._gone: Gone | None = None
        self._news = asyncio.Event()
        self._ended = False  # our half

    # -- called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Keep what the peer sent."""
        self._received += data
        self._news.set()
        if len(self._received) > MOST_UNREAD:
            self.abort()

    def eof_received(self) -> bool:
        """Note the peer's end, and leave our half open: a TLS connection has no halves."""
        self._gone = self._gone or Gone.END
        self._news.set()
        return self._is_plain

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end."""
        self._gone = self._gone or (Gone.RESET if exc else Gone.END)
        self._news.set()

    # -- called by the runner

    @property
    def _open(self) -> asyncio.Transport | None:
        transport = self._transport
        return None if transport is None or self._ended or transport.is_closing() else transport

    @property
    def _is_plain(self) -> bool:
        return self._transport is not None and self._transport.get_extra_info("ssl_object") is None

    async def send(self, data: bytes, chop: int = 0) -> None:
        """Write bytes, whether or not the peer is there; with `chop`, in pieces between which the loop turns."""
        for at in range(0, len(data), chop or len(data) or 1):
            if (transport := self._open) is not None:
                transport.write(data[at : at + chop] if chop else data)
            if chop:
                await asyncio.sleep(0)

    async def receive(self, patience: float) -> bytes | Gone | None:
        """Return what has come, or how the connection ended; None if nothing moves for `patience` seconds.

        What moves is what comes in, and what of our own bytes still goes out.
        """
        while not self._received and self._gone is None:
            self._news.clear()
            unsent = self._unsent
            try:
                async with asyncio.timeout(patience):
                    await self._news.wait()
            except TimeoutError:
                if self._unsent >= unsent:
                    return None
        if self._received:
            data = bytes(self._received)
            self._received.clear()
            return data
        return self._gone

    @property
    def _unsent(self) -> int:
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def end_writing(self) -> None:
        """End our half. Raises NoHalfClose where there are no halves."""
        if not self._is_plain:
            raise NoHalfClose
        if (transport := self._open) is not None:
            self._ended = True
            with contextlib.suppress(OSError):  # the peer may have reset the connection
                transport.write_eof()

    def reset(self) -> None:
        """End the connection with a reset."""
        if self._transport is not None and not self._transport.is_closing():
            sock: socket.socket = self._transport.get_extra_info("socket")
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.abort()

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()
