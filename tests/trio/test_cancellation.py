"""Cancelling at any moment leaves nothing behind: no half-written frame, no task, no socket.

Each test runs the same program again and again, and cancels at its first checkpoint, its second, and so on, until the
program ends by itself.
"""

from __future__ import annotations

import contextlib
import socket
from functools import partial
from typing import Any

import pytest
import trio

from wscore import ServerConfig
from wscore_trio import serve

from ..conformance.harness import open_sockets
from ..conformance.wire import BINARY, CLOSE, TEXT, close_frame, frame, request, whole_frames

CONFIG = ServerConfig(close_timeout=0.5, shutdown_grace=0.2, max_output_size=1000)
MESSAGES = [(TEXT, 3), *[(BINARY, 50_000)] * 10, (TEXT, 5)]  # and their sizes
MOST = 400


class CancelAt(trio.abc.Instrument):
    """Cancel a scope when the task that entered it is about to run for the n-th time."""

    def __init__(self, step: int) -> None:
        self.scope = trio.CancelScope()
        self._left = step
        self._task: trio.lowlevel.Task | None = None

    def watch(self) -> None:
        """Count the steps of the calling task from here on."""
        self._task = trio.lowlevel.current_task()

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self._task:
            self._left -= 1
            if self._left == 0:
                self.scope.cancel()

    @property
    def too_late(self) -> bool:
        """The program ended before it came to that."""
        return self._left > 0


class Reader:
    """Reads a server's bytes, and tells whether they are whole frames."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream

    async def everything(self) -> bytes:
        data = b""
        while True:
            try:
                more = await self._stream.receive_some()
            except trio.BrokenResourceError:
                return data
            if not more:
                return data
            data += more


async def talk(port: int) -> bytes:
    """Be a client that sends a few messages and reads all there is; give what came behind the 101."""
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    async with stream:
        messages = [frame(opcode, bytes(size)) for opcode, size in MESSAGES]
        await stream.send_all(b"".join([request(), *messages, close_frame(1000)]))
        answer = await Reader(stream).everything()
    return answer.partition(b"\r\n\r\n")[2]


async def until_it_ends_by_itself(program: Any) -> int:
    for step in range(1, MOST):
        with trio.fail_after(20):
            if await program(step):
                return step
    raise AssertionError(f"still not at its end after {MOST} steps")


def run_with_leak_check(main: Any) -> Any:
    before = open_sockets()
    try:
        return trio.run(main)
    finally:
        assert open_sockets() <= before, "sockets that outlived the server"


def test_application_is_cancelled_at_every_checkpoint() -> None:
    """Wherever an application is cancelled in receive() or send(), its peer reads whole frames and a close frame."""

    async def program(step: int) -> bool:
        cancel = CancelAt(step)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "websocket.accept"})
            cancel.watch()
            with cancel.scope:
                while (message := await receive())["type"] == "websocket.receive":
                    await send({"type": "websocket.send", "text": message.get("text"), "bytes": message.get("bytes")})

        trio.lowlevel.add_instrument(cancel)
        try:
            async with trio.open_nursery() as nursery:
                server = await nursery.start(partial(serve, app, config=CONFIG, lifespan="off", access_log=False))
                frames = whole_frames(await talk(server.port))
                server.close()
        finally:
            trio.lowlevel.remove_instrument(cancel)
        assert frames[-1][0] == CLOSE
        assert frames[:-1] == MESSAGES[: len(frames) - 1]
        if cancel.too_late:
            assert len(frames) == len(MESSAGES) + 1
        return cancel.too_late

    assert run_with_leak_check(partial(until_it_ends_by_itself, program)) > 3


@pytest.mark.parametrize("lifespan", ["off", "on"])
def test_server_is_cancelled_at_every_checkpoint(lifespan: str) -> None:
    """Wherever `serve` is cancelled, from its first await on, it ends, and leaves no socket."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
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

    async def program(step: int) -> bool:
        cancel = CancelAt(step)
        started = trio.Event()
        servers: list[Any] = []

        class Status:
            def started(self, server: Any) -> None:
                servers.append(server)
                started.set()

        async def run_server() -> None:
            cancel.watch()
            with cancel.scope:
                await serve(app, config=CONFIG, lifespan=lifespan, access_log=False, task_status=Status())  # type: ignore[arg-type]
            started.set()

        trio.lowlevel.add_instrument(cancel)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(run_server)
                await started.wait()
                if servers and servers[0].sockets[0].fileno() >= 0:
                    with contextlib.suppress(OSError, trio.BrokenResourceError):
                        await talk(servers[0].port)
                if servers:
                    servers[0].close()
        finally:
            trio.lowlevel.remove_instrument(cancel)
        return cancel.too_late

    run_with_leak_check(partial(until_it_ends_by_itself, program))


@pytest.mark.parametrize("reads", [True, False])
def test_cancelled_between_two_connections(reads: bool) -> None:
    """Cancelling the server at any turn of the loop ends all its connections, whatever they are doing."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while reads and (await receive())["type"] == "websocket.receive":
            pass
        while not reads:
            await send({"type": "websocket.send", "bytes": bytes(10_000)})

    async def program(step: int) -> bool:
        async with trio.open_nursery() as nursery:
            server = await nursery.start(partial(serve, app, config=CONFIG, lifespan="off", access_log=False))
            with socket.create_connection(("127.0.0.1", server.port)) as client:
                client.sendall(request() + frame(TEXT, "x") * 10)
                for _ in range(step):
                    await trio.lowlevel.checkpoint()
                nursery.cancel_scope.cancel()
        return step >= 40

    run_with_leak_check(partial(until_it_ends_by_itself, program))
