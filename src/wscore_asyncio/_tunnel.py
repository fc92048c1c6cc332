"""The way through a proxy on asyncio: a `Protocol` that asks for it, until the connection's own takes over."""

from __future__ import annotations

import asyncio
from typing import cast

from wscore import HandshakeFailed
from wscore.connecting import ProxyHandshake

__all__ = ["Tunnel"]


class Tunnel(asyncio.Protocol):
    """Speaks to the proxy; afterwards its transport is paused, and leads to the server."""

    def __init__(self, handshake: ProxyHandshake) -> None:
        self._handshake = handshake
        self._transport: asyncio.Transport | None = None
        self._through: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._handshake.request())

    def data_received(self, data: bytes) -> None:
        """Take some of the answer; b"" is the end of it."""
        if self._through.done():
            return
        try:
            if self._handshake.feed(data):
                assert self._transport is not None
                self._transport.pause_reading()
                self._through.set_result(None)
        except HandshakeFailed as error:
            self._through.set_exception(error)

    def eof_received(self) -> None:
        """Take the end of the proxy's stream."""
        self.data_received(b"")

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the loss of the connection, likewise."""
        self.data_received(b"")

    async def through(self) -> asyncio.Transport:
        """Wait for the proxy's consent. Raises HandshakeFailed."""
        await self._through
        assert self._transport is not None
        return self._transport

    def abort(self) -> None:
        """Close the socket at once."""
        if self._transport is not None:
            self._transport.abort()
