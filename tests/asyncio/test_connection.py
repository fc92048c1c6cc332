"""A server's connection on asyncio: what it asks of the loop, how it is cut, and what is left of it."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.core import peer as frames
from tests.transports.peer import Peer
from tests.transports.steps import ACCEPT

from wscore import Config
from wscore.testing import virtual_asyncio as virtual
from wscore_asyncio import serve
from wscore_asyncio._connection import Connection


def visit(path: Path) -> Peer:
    """Connect, and ask for a WebSocket."""
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(str(path))
    peer = Peer(sock)
    peer.sends(frames.head())
    return peer


def connections() -> set[Connection]:
    """All that there are."""
    gc.collect()
    return {each for each in gc.get_objects() if isinstance(each, Connection)}


def test_what_is_sent_in_one_step_is_one_call_of_the_loop(tmp_path: Path) -> None:
    """However many messages an application sends before it waits, the loop is asked once to write them."""
    planned = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        await asyncio.sleep(1)
        loop: Any = asyncio.get_running_loop()
        call_soon: Callable[..., object] = loop.call_soon

        def counting(callback: Any, *args: Any, **options: Any) -> object:
            nonlocal planned
            planned += 1
            return call_soon(callback, *args, **options)

        loop.call_soon = counting
        for _ in range(10):
            await send({"type": "websocket.send", "text": "x"})
        loop.call_soon = call_soon

    async def main() -> None:
        async with serve(app, uds=str(tmp_path / "s"), config=Config(compression=False), lifespan="off"):
            peer = visit(tmp_path / "s")
            await asyncio.sleep(2)
            peer.exchange()
            assert peer.written.items[1:11] == [(0x81, b"x")] * 10
            peer.closes()

    virtual.run(main)
    assert planned == 1


def test_an_abort_cancels_the_applications(tmp_path: Path) -> None:
    """Those too that wait for something else than their client."""
    cancelled: list[float] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            cancelled.append(asyncio.get_running_loop().time())
            raise

    async def main() -> None:
        async with serve(app, uds=str(tmp_path / "s"), lifespan="off") as server:
            peer = visit(tmp_path / "s")
            await asyncio.sleep(2)
            server.abort()
            await virtual.settled()
            assert cancelled == [asyncio.get_running_loop().time()]
            peer.closes()

    virtual.run(main)


def test_a_server_keeps_nothing_of_a_connection_that_is_over(tmp_path: Path) -> None:
    """Its memory does not grow with the clients that have come and gone."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        await receive()

    async def main() -> None:
        async with serve(app, uds=str(tmp_path / "s"), lifespan="off"):
            for _ in range(3):
                peer = visit(tmp_path / "s")
                await virtual.settled()
                peer.closes()
                await virtual.settled()
            assert connections() <= before

    before = connections()  # other tests may have left one
    virtual.run(main)
