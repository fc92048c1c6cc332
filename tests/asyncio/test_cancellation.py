"""Cancelling at any moment leaves nothing behind: no half-written frame, no task, no socket.

Each test runs the same program again and again, and cancels in the first turn of the loop, the second, and so on, until
the program ends by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from wscore import ServerConfig
from wscore_asyncio import serve

from ..conformance.harness import PATIENCE, open_sockets
from ..conformance.wire import BINARY, CLOSE, TEXT, close_frame, frame, request, whole_frames

CONFIG = ServerConfig(close_timeout=0.5, shutdown_grace=0.2, max_output_size=1000)
MESSAGES = [(TEXT, 3), *[(BINARY, 50_000)] * 10, (TEXT, 5)]  # and their sizes
MOST = 400


async def turns(count: int) -> None:
    """Let the loop turn."""
    for _ in range(count):
        await asyncio.sleep(0)


async def talk(port: int) -> bytes:
    """Be a client that sends a few messages and reads all there is; give what came behind the 101."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        messages = [frame(opcode, bytes(size)) for opcode, size in MESSAGES]
        writer.write(b"".join([request(), *messages, close_frame(1000)]))
        answer = b""
        try:
            while data := await reader.read(65536):
                answer += data
        except ConnectionError:
            pass
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    return answer.partition(b"\r\n\r\n")[2]


async def echo(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message.get("text"), "bytes": message.get("bytes")})


def until_it_ends_by_itself(program: Callable[[int], Awaitable[bool]]) -> int:
    """Run `program` with 0, 1, 2 ... until it says that it was not cancelled any more."""
    before = open_sockets()

    async def once(step: int) -> bool:
        async with asyncio.timeout(PATIENCE):
            over = await program(step)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        if left:  # what was cancelled may need another turn
            _, left = await asyncio.wait(left, timeout=PATIENCE)
        assert not left, f"tasks that outlived the server: {left}"
        return over

    for step in range(MOST):
        over = asyncio.run(once(step))
        assert open_sockets() <= before, f"sockets that outlived the server, cancelled at {step}"
        if over:
            return step
    raise AssertionError(f"still not at its end after {MOST} steps")


def test_application_is_cancelled_at_every_turn() -> None:
    """Whenever an application is cancelled in receive() or send(), its peer reads whole frames and a close frame."""

    async def program(step: int) -> bool:
        cancelled = False

        async def app(scope: Any, receive: Any, send: Any) -> None:
            nonlocal cancelled
            inner = asyncio.ensure_future(echo(scope, receive, send))
            await turns(step)
            cancelled = inner.cancel()
            await asyncio.wait({inner})
            if not cancelled:
                return
            with contextlib.suppress(OSError, RuntimeError):
                await send({"type": "websocket.accept"})  # where it did not come to that

        async with serve(app, config=CONFIG, lifespan="off", access_log=False) as server:
            assert server.port is not None
            frames = whole_frames(await talk(server.port))
        assert frames[-1][0] == CLOSE
        assert frames[:-1] == MESSAGES[: len(frames) - 1]
        if not cancelled:
            assert len(frames) == len(MESSAGES) + 1
        return not cancelled

    assert until_it_ends_by_itself(program) > 3


@pytest.mark.parametrize("lifespan", ["off", "on"])
@pytest.mark.parametrize("how", ["cancel", "abort"])
def test_server_is_cancelled_at_every_turn(how: str, lifespan: Any) -> None:
    """Whenever the task that serves is cancelled, or the server is aborted, no task and no socket is left."""

    async def program(step: int) -> bool:
        servers: list[Any] = []

        async def run_server() -> None:
            async with serve(echo, config=CONFIG, lifespan=lifespan, access_log=False) as server:
                servers.append(server)
                client = asyncio.ensure_future(talk(server.port or 0))
                try:
                    await asyncio.wait({client})
                finally:
                    client.cancel()
                    await asyncio.wait({client})
                    if not client.cancelled():
                        client.exception()

        task = asyncio.ensure_future(run_server())
        await turns(step)
        if task.done():
            await task
            return True
        if how == "abort" and servers:
            servers[0].abort()
        else:
            task.cancel()
        await asyncio.wait({task})
        return False

    until_it_ends_by_itself(program)


@pytest.mark.parametrize("reads", [True, False])
def test_aborted_between_two_turns(reads: bool) -> None:
    """An abort in any turn of the loop ends all connections, whatever they are doing."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while reads and (await receive())["type"] == "websocket.receive":
            pass
        while not reads:
            await send({"type": "websocket.send", "bytes": bytes(10_000)})

    async def program(step: int) -> bool:
        import socket

        async with serve(app, config=CONFIG, lifespan="off", access_log=False) as server:
            with socket.create_connection(("127.0.0.1", server.port or 0)) as client:
                client.sendall(request() + frame(TEXT, "x") * 10)
                await turns(step)
                server.abort()
        return step >= 40

    until_it_ends_by_itself(program)
