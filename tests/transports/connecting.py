"""A client of either library under virtual time, whose server is played by hand."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio

import wscore_asyncio
import wscore_trio
from wscore import Config

from .model import URI
from .peer import Peer, acceptance

__all__ = ["connecting"]


@asynccontextmanager
async def connecting(
    library: str, config: Config, pair: tuple[socket.socket, socket.socket] | None = None
) -> AsyncIterator[tuple[Any, Peer]]:
    """Give what connects, not entered, and the server, which accepts the handshake as soon as it is entered.

    `pair` is the client's socket and the server's.
    """
    connect: Any = wscore_asyncio.connect if library == "asyncio" else wscore_trio.connect
    ours, theirs = pair or socket.socketpair()
    peer = Peer(theirs)

    async def accept() -> None:
        await anyio.wait_readable(theirs)
        peer.exchange()
        peer.sends(acceptance(peer.written.key))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(accept)
        try:
            yield connect(URI, sock=ours, config=config), peer
        finally:
            peer.closes()
            ours.close()
            tasks.cancel_scope.cancel()
