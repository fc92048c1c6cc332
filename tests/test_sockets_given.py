"""A server whose listening sockets others hold as well: several sockets, and an end that refuses nobody."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
from anyio.from_thread import start_blocking_portal
from websockets.sync.client import connect

import wscore_asyncio
import wscore_trio

from .real_time import TIMEOUT


async def echo(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "websocket":
        raise NotImplementedError
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": event["text"]})


@asynccontextmanager
async def on_asyncio(**options: Any) -> AsyncIterator[Any]:
    async with wscore_asyncio.serve(echo, **options) as server:
        yield server


@asynccontextmanager
async def on_trio(**options: Any) -> AsyncIterator[Any]:
    async with trio.open_nursery() as nursery:
        server = await nursery.start(partial(wscore_trio.serve, echo, **options))
        yield server
        server.close()


@pytest.fixture(params=["asyncio", "trio"])
def serve(request: pytest.FixtureRequest) -> Iterator[Callable[..., Callable[[], None]]]:
    """Serve on given sockets; gives a function that makes the server stop accepting."""
    backend: str = request.param
    with ExitStack() as stack:

        def start(*sockets: socket.socket) -> Callable[[], None]:
            portal = stack.enter_context(start_blocking_portal(backend))
            make: Any = {"asyncio": on_asyncio, "trio": on_trio}[backend]
            # A server closes what it is given: each gets descriptors of its own, as a process of its own would.
            running = make(sock=[each.dup() for each in sockets], access_log=False)
            server = stack.enter_context(portal.wrap_async_context_manager(running))
            return partial(portal.call, server.stop_accepting)

        yield start


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


def url(listener: socket.socket) -> str:
    return f"ws://127.0.0.1:{listener.getsockname()[1]}"


def test_several_sockets_are_served(serve, listener):
    """`sock` may be a sequence: a host name may well have two addresses."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        serve(listener, other)
        for each in (listener, other):
            with connect(url(each)) as client:
                client.send("hello")
                assert client.recv(TIMEOUT) == "hello"


def test_who_stops_accepting_serves_its_connections_on(serve, listener):
    """After `stop_accepting` a connection talks on, one in its handshake is served, and a new one is another's."""
    stop_accepting = serve(listener)
    with connect(url(listener)) as open_before, socket.create_connection(listener.getsockname()) as in_handshake:
        in_handshake.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        with connect(url(listener)):
            pass  # accepted after the other, so that one was accepted as well
        stop_accepting()
        open_before.send("still here")
        assert open_before.recv(TIMEOUT) == "still here"
        in_handshake.sendall(
            b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert in_handshake.recv(12) == b"HTTP/1.1 101"
        with socket.create_connection(listener.getsockname()) as waiting:  # in the system's queue
            serve(listener)
            waiting.sendall(
                b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            assert waiting.recv(12) == b"HTTP/1.1 101"


def test_to_stop_accepting_twice_is_to_do_it_once(serve, listener):
    """A second call has no effect, and the end that follows is the usual one."""
    stop_accepting = serve(listener)
    stop_accepting()
    stop_accepting()
