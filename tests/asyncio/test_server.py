"""What only the asyncio server has: a context manager, an end at once beside the graceful one, and one writer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import struct
import sys
from typing import Any

import pytest
from tests.core.peer import head, read_frames

from wscore import ClientDisconnected, ServerConfig
from wscore_asyncio import serve


def test_an_abort_cuts_a_graceful_end_short() -> None:
    """`abort` during `close` ends both, though the application would never answer its lifespan's shutdown."""
    asked = asyncio.Event()

    async def stubborn(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "lifespan"
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        asked.set()
        await asyncio.Event().wait()

    async def main() -> None:
        config = ServerConfig(shutdown_grace=3600, close_timeout=3600)
        async with serve(stubborn, config=config) as server:
            closing = asyncio.create_task(server.close())
            await asked.wait()
            server.abort()
            await asyncio.wait_for(closing, 60)

    asyncio.run(main())


async def flood(scope: Any, receive: Any, send: Any) -> None:
    """Fill one buffer after another, until the client has gone."""
    await receive()
    await send({"type": "websocket.accept"})
    while True:
        await send({"type": "websocket.send", "bytes": bytes(2**16)})


def test_an_application_that_only_sends_leaves_others_their_turn() -> None:
    """Its client reads whatever comes, so that it never has to wait; the loop goes on for others all the same."""

    async def main() -> None:
        async with serve(flood, lifespan="off") as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(head())
            await reader.readuntil(b"\r\n\r\n")
            frames = read_frames(await reader.readexactly(200 * (10 + 2**16)))
            assert {each.payload for each in frames} == {bytes(2**16)}
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    asyncio.run(asyncio.wait_for(main(), 60))


def test_nothing_is_written_to_a_connection_that_was_reset(caplog: pytest.LogCaptureFixture) -> None:
    """asyncio would say so in the log, from the fifth time on; the application hears of it by ClientDisconnected."""
    ended: asyncio.Future[BaseException]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await flood(scope, receive, send)
        except BaseException as error:
            ended.set_result(error)
            raise

    async def main() -> None:
        nonlocal ended
        ended = asyncio.get_running_loop().create_future()
        async with serve(app, lifespan="off") as server:
            with socket.create_connection(("127.0.0.1", server.port)) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close resets
                sock.sendall(head())
                await readable(sock)
            assert isinstance(await ended, ClientDisconnected)

    with caplog.at_level(logging.WARNING, "asyncio"):
        asyncio.run(asyncio.wait_for(main(), 60))
    assert caplog.messages == []


async def readable(sock: socket.socket) -> None:
    """Wait until something has come."""
    arrived = asyncio.Event()
    asyncio.get_running_loop().add_reader(sock, arrived.set)
    try:
        await arrived.wait()
    finally:
        asyncio.get_running_loop().remove_reader(sock)


def test_a_connection_that_cannot_be_made_is_not_waited_for() -> None:
    """With the context of a client no TLS can be begun: each client is hung up on, the loop reports why, and the server
    does not wait at its end for connections that never were."""
    reported: list[Any] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: reported.append(context["exception"]))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        config = ServerConfig(shutdown_grace=3600, close_timeout=3600)
        async with serve(flood, lifespan="off", ssl=context, config=config) as server:
            for _ in range(2):
                reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
                assert await reader.read() == b""
                writer.close()
                await writer.wait_closed()

    asyncio.run(asyncio.wait_for(main(), 60))
    assert [type(error) for error in reported] == [ssl.SSLError] * 2


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks are Python 3.12's")
def test_an_application_that_never_waits_leaves_nothing_behind_on_an_eager_loop() -> None:
    """Its task is over before anybody has it; its connection is over with it, and makes room for the next."""

    async def refuse(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.close"})

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(getattr(asyncio, "eager_task_factory"))  # noqa: B009
        async with serve(refuse, config=ServerConfig(max_connections=2), lifespan="off") as server:
            for _ in range(5):
                reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
                writer.write(head())
                assert (await reader.read()).startswith(b"HTTP/1.1 403 ")
                writer.close()
                await writer.wait_closed()
                await asyncio.sleep(0.05)

    asyncio.run(asyncio.wait_for(main(), 60))
