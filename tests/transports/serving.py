"""A server of either library on a unix socket, under virtual time, and peers for it."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import trio

import wscore_asyncio
import wscore_trio
from wscore import Config

from .peer import Peer

__all__ = ["Serving", "serving"]


class Serving:
    """A running server."""

    def __init__(self, address: str, close: Callable[[], object], over: anyio.Event) -> None:
        self.address = address
        """Path of the unix socket."""
        self.close = close
        """Begins its graceful end."""
        self.peers: list[Peer] = []
        self.over = over
        """Set when that is done."""

    def connect(self) -> Peer:
        """Connect; the server has yet to accept."""
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(self.address)
        self.peers.append(Peer(sock))
        return self.peers[-1]


@asynccontextmanager
async def serving(library: str, app: Any, config: Config, **more: Any) -> AsyncIterator[Serving]:
    """Serve `app`, with `more` arguments; what still runs at the end of the block is cancelled."""
    over = anyio.Event()
    options: dict[str, Any] = {"config": config, "lifespan": "off", "access_log": False, **more}
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{folder}/s")
        async with anyio.create_task_group() as tasks:
            close: Callable[[], object]
            if library == "asyncio":
                server = await wscore_asyncio.serve(app, sock=listener, **options).__aenter__()

                async def end() -> None:
                    await server.close()
                    over.set()

                def close() -> object:
                    return tasks.start_soon(end)

            else:

                async def serve(*, task_status: trio.TaskStatus[wscore_trio.Server]) -> None:
                    await wscore_trio.serve(app, sock=listener, task_status=task_status, **options)
                    over.set()

                close = (await tasks.start(serve)).close
            serving = Serving(f"{folder}/s", close, over)
            try:
                yield serving
            finally:
                for peer in serving.peers:
                    peer.closes()
                tasks.cancel_scope.cancel()
