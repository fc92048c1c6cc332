"""Cancelled at any wait, nothing is lost, nothing is half, and nothing is left behind."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from wscore import Config, ConnectionClosed

from ..conformance.harness import Gate, Notes
from ..conformance.wire import PONG, TEXT, frame, masked
from .servers import echo, read_to_end, tasks, upgrade

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("scheme", ["ws", "wss"])
async def test_connecting(connect: Any, script: Callable[..., int], scheme: str) -> None:
    """Cancelled in TLS or in the handshake, connecting leaves no socket and no task."""
    before = tasks()
    context = connect(f"{scheme}://127.0.0.1:{script(read_to_end)}/")
    async with anyio.create_task_group() as group:
        group.start_soon(context.__aenter__)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    await anyio.wait_all_tasks_blocked()
    assert tasks() == before


async def test_connecting_cancelled_after_any_number_of_steps(connect: Any, serve: Callable[..., int]) -> None:
    """Wherever cancelling hits, connecting leaves no socket and no task, or a connection that works."""
    before = tasks()
    uri = f"ws://127.0.0.1:{serve(echo)}/"
    for steps in range(12):
        with anyio.CancelScope() as scope:

            async def cancel(scope: anyio.CancelScope = scope, steps: int = steps) -> None:
                for _ in range(steps):
                    await anyio.lowlevel.checkpoint()
                scope.cancel()

            async with anyio.create_task_group() as group:
                group.start_soon(cancel)
                async with connect(uri, config=Config(close_timeout=0.1)) as ws:
                    await ws.send("x")
                    assert await ws.recv() == "x"
    await anyio.wait_all_tasks_blocked()
    assert tasks() == before


async def test_a_given_socket(connect: Any, script: Callable[..., int]) -> None:
    """A socket that was given is closed, too."""
    sock = socket.create_connection(("127.0.0.1", script(read_to_end)))
    with anyio.move_on_after(0.05):
        await connect("ws://localhost/", sock=sock).__aenter__()
    await anyio.wait_all_tasks_blocked()
    assert sock.fileno() == -1


async def test_receiving(connect: Any, serve: Callable[..., int]) -> None:
    """A task that is cancelled while it waits for messages, again and again, loses none."""
    async with connect(f"ws://127.0.0.1:{serve(echo)}/") as ws:
        got: list[Any] = []

        async def take() -> None:
            while True:
                got.append(await ws.recv())

        for n in range(200):
            await ws.send(str(n))
            async with anyio.create_task_group() as group:
                group.start_soon(take)
                for _ in range(n % 7):
                    await anyio.lowlevel.checkpoint()
                group.cancel_scope.cancel()
        while len(got) < 200:
            got.append(await ws.recv())
        assert got == [str(n) for n in range(200)]


@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
async def test_sending(
    connect: Any, serve: Callable[..., int], server_side: ssl.SSLContext, client_side: ssl.SSLContext, secure: bool
) -> None:
    """Of messages whose sending was cancelled, each arrives whole or not at all, and the next one behind them."""
    gate, notes = Gate(), Notes()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        del scope
        await receive()
        await send({"type": "websocket.accept"})
        await gate.wait()
        while (message := await receive())["type"] == "websocket.receive":
            notes.put(message.get("text") or len(message["bytes"]))

    options: dict[str, Any] = {"ssl": server_side} if secure else {}
    uri = f"{'wss' if secure else 'ws'}://localhost:{serve(app, **options)}/"
    options = {"ssl": client_side} if secure else {}
    async with connect(uri, config=Config(compression=False), **options) as ws:
        for n in range(20):
            async with anyio.create_task_group() as group:
                group.start_soon(ws.send, bytes(300_000))
                for _ in range(n % 3):
                    await anyio.lowlevel.checkpoint()
                group.cancel_scope.cancel()
        gate.open()
        await ws.send("end")
    got = [notes.next()]
    while got[-1] != "end":
        got.append(notes.next())
    assert set(got) == {300_000, "end"}


async def test_sending_fragments(connect: Any, serve: Callable[..., int]) -> None:
    """A message in fragments that was cancelled halfway closes the connection; before the first, nothing happened."""

    async def never() -> AsyncIterator[str]:
        await anyio.sleep_forever()
        yield ""

    async def half() -> AsyncIterator[str]:
        yield "half"
        await anyio.sleep_forever()

    async with connect(f"ws://127.0.0.1:{serve(echo)}/") as ws:
        for message in (never(), half()):
            async with anyio.create_task_group() as group:
                group.start_soon(ws.send, message)
                await anyio.wait_all_tasks_blocked()
                assert ws.close_code is None
                group.cancel_scope.cancel()
        with pytest.raises(ConnectionClosed, match="1011"):
            await ws.recv()


async def test_pinging(connect: Any, script: Callable[..., int]) -> None:
    """A ping that was cancelled leaves the connection as it was; its pong is nobody's."""

    def play(sock: socket.socket) -> None:
        upgrade(sock)
        head = sock.recv(14, socket.MSG_WAITALL)
        payload = masked(head[6:], head[2:6])
        sock.sendall(frame(PONG, payload, mask=None) + frame(TEXT, "after", mask=None))
        read_to_end(sock)

    async with connect(f"ws://127.0.0.1:{script(play)}/", config=Config(close_timeout=0.1)) as ws:
        async with anyio.create_task_group() as group:
            group.start_soon(ws.ping)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
        assert await ws.recv() == "after"


async def test_closing(connect: Any, script: Callable[..., int]) -> None:
    """A close that was cancelled goes on: nothing can be sent any more, and the end comes by itself."""

    def play(sock: socket.socket) -> None:
        upgrade(sock)
        read_to_end(sock)

    async with connect(f"ws://127.0.0.1:{script(play)}/", config=Config(close_timeout=0.1)) as ws:
        async with anyio.create_task_group() as group:
            group.start_soon(ws.close, 4000)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
        with pytest.raises(ConnectionClosed, match="4000"):
            await ws.send("more")
        await ws.close()
    assert ws.close_code == 4000


async def test_leaving(connect: Any, script: Callable[..., int]) -> None:
    """Cancelled on leaving the context, a client cuts the connection, however long the server would take."""
    before = tasks()

    def play(sock: socket.socket) -> None:
        upgrade(sock)
        read_to_end(sock)

    context = connect(f"ws://127.0.0.1:{script(play)}/")
    async with anyio.create_task_group() as group:
        left = anyio.Event()

        async def client() -> None:
            async with context:
                left.set()

        group.start_soon(client)
        await left.wait()
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    await anyio.wait_all_tasks_blocked()
    assert tasks() == before
