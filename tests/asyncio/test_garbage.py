"""A connection that is over is freed at once, at both ends, all that asyncio holds of it included."""

from __future__ import annotations

import asyncio
import gc
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.core.peer import head

from wscore_asyncio import connect, serve

MANY = 1000


async def echo(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


async def talks(port: int) -> None:
    """Exchange a message, and close."""
    async with connect(f"ws://127.0.0.1:{port}/") as ws:
        await ws.send("x")
        await ws.recv()


async def resets(port: int) -> None:
    """Open a connection, and cut it with a reset."""
    loop = asyncio.get_running_loop()
    with socket.socket() as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, ("127.0.0.1", port))
        await loop.sock_sendall(sock, head())
        await loop.sock_recv(sock, 2**16)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize("backend", ["asyncio", "uvloop"])
@pytest.mark.parametrize("visit", [talks, resets])
def test_a_thousand_connections_leave_no_garbage(visit: Callable[[int], Awaitable[None]], backend: str) -> None:
    """However they end, the collector finds nothing at all."""
    factory: Any = pytest.importorskip("uvloop").new_event_loop if backend == "uvloop" else None

    async def main() -> Counter[str]:
        async with serve(echo, lifespan="off", access_log=False) as server:
            assert server.port is not None
            await visit(server.port)  # makes what is made once
            await asyncio.sleep(0.01)
            gc.collect()
            gc.disable()
            gc.set_debug(gc.DEBUG_SAVEALL)
            try:
                for _ in range(MANY):
                    await visit(server.port)
                gc.collect()
                return Counter(type(each).__qualname__ for each in gc.garbage)
            finally:
                gc.set_debug(0)
                gc.garbage.clear()
                gc.enable()

    with asyncio.Runner(loop_factory=factory) as runner:
        left = runner.run(main())
    assert left.total() < 20, left  # what is left once and not a thousand times is nobody's concern
