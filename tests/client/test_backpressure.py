"""What waits while a server reads too slowly, and how much of it there is: on every event loop, over TLS and TCP."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from wscore import Config

from ..conformance.harness import PATIENCE, Gate, Notes
from .servers import LOOPS, read_to_end, upgrade

pytestmark = pytest.mark.anyio

CONFIG = Config(ping_interval=None, close_timeout=PATIENCE, compression=False)
LARGE = 12 * 2**20  # more than a system takes by itself


@pytest.fixture(params=LOOPS)
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(params=["ws", "wss"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def read(sock: socket.socket, size: int) -> bytes:
    """Read so many bytes."""
    data = bytearray()
    while len(data) < size:
        more = sock.recv(2**18)
        assert more, f"the end after {len(data)} bytes"
        data += more
    return bytes(data)


async def test_a_large_message_is_waited_for(
    connect: Any, script: Callable[..., int], scheme: str, server_side: ssl.SSLContext, client_side: ssl.SSLContext
) -> None:
    """`send` returns when no more than the limit waits, and all of the message arrives, the close behind it."""
    reading = threading.Event()
    came: list[bytes] = []

    def play(sock: socket.socket) -> None:
        with sock if scheme == "ws" else server_side.wrap_socket(sock, server_side=True) as stream:
            upgrade(stream)
            assert reading.wait(PATIENCE)
            came.append(read(stream, 14 + LARGE + 8))  # a message, and a close frame with a code

    tls = {} if scheme == "ws" else {"ssl": client_side}
    sent = anyio.Event()
    async with anyio.create_task_group() as tasks:

        async def talk() -> None:
            async with connect(f"{scheme}://127.0.0.1:{script(play)}/", config=CONFIG, **tls) as ws:
                await ws.send(bytes(LARGE))
                sent.set()

        tasks.start_soon(talk)
        with anyio.move_on_after(0.3):
            await sent.wait()
        waited = not sent.is_set()
        reading.set()
    assert waited
    assert came[0][-8:-6] == b"\x88\x82"


async def test_a_send_that_was_cancelled_leaves_nothing_behind(
    connect: Any, serve: Callable[..., int], scheme: str, server_side: ssl.SSLContext, client_side: ssl.SSLContext
) -> None:
    """A timeout around every `send` to a server that does not read bounds memory; what arrives is whole."""
    reading, notes = Gate(), Notes()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await reading.wait()
        while (message := await receive())["type"] == "websocket.receive":
            notes.put(message["bytes"])

    async def pieces() -> AsyncIterator[bytes]:
        yield bytes(2**20)

    port = serve(app, ssl=None if scheme == "ws" else server_side)
    tls = {} if scheme == "ws" else {"ssl": client_side}
    async with connect(f"{scheme}://127.0.0.1:{port}/", config=CONFIG, **tls) as ws:
        for n in range(60):
            with anyio.move_on_after(0.01):
                await ws.send(bytes(2**20) if n < 30 else pieces())
        reading.open()
    arrived = notes.qsize()
    assert 1 <= arrived < 20
    assert {len(notes.next()) for _ in range(arrived)} == {2**20}
    assert ws.close_code == 1000


async def test_a_task_that_only_sends_gives_way(connect: Any, script: Callable[..., int]) -> None:
    """However small its messages are, and though it never has to wait, other tasks have their turns."""

    def play(sock: socket.socket) -> None:
        upgrade(sock)
        read_to_end(sock)

    turns = 0
    config = Config(close_timeout=0.1)
    async with connect(f"ws://127.0.0.1:{script(play)}/", config=config) as ws, anyio.create_task_group() as tasks:

        async def count() -> None:
            nonlocal turns
            while True:
                await anyio.lowlevel.checkpoint()
                turns += 1

        tasks.start_soon(count)
        for _ in range(4000):
            await ws.send("x")
        tasks.cancel_scope.cancel()
    assert turns >= 10
