"""Servers for clients: applications for ours, those of others, and ones that misbehave."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import re
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import sniffio
import trio
import websockets.sync.server
from aiohttp import WSMsgType, web
from anyio.from_thread import start_blocking_portal

from ..conformance.harness import PATIENCE

BACKENDS = ("asyncio", "trio")
LOOPS: Any = [
    pytest.param(("asyncio", {}), id="asyncio"),
    pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop"),
    pytest.param(("trio", {}), id="trio"),
]
"""For an `anyio_backend` of tests that run on every event loop."""

Script = Callable[[socket.socket], object]


def tasks() -> int:
    """How many tasks there are."""
    if sniffio.current_async_library() == "trio":
        return int(trio.lowlevel.current_statistics().tasks_living)
    return len(asyncio.all_tasks())


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Send everything back; takes the first subprotocol that is offered."""
    await receive()
    offered = scope["subprotocols"]
    await send({"type": "websocket.accept", "subprotocol": offered[0] if offered else None})
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


@contextlib.contextmanager
def scripted(play: Script) -> Iterator[int]:
    """Accept one connection and play it in a thread; gives the port. What the script raises is raised here."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            sock, _ = listener.accept()
            with sock:
                sock.settimeout(PATIENCE)
                play(sock)
        except BaseException as error:
            failures.append(error)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(PATIENCE)
        assert not thread.is_alive(), "the script did not end"
        for failure in failures:
            raise failure


@contextlib.contextmanager
def nobody_listens() -> Iterator[int]:
    """Give a port that refuses connections; it is held meanwhile, since one that is free is soon anybody's."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


def read_request(sock: socket.socket) -> bytes:
    """Read a request head."""
    head = b""
    while b"\r\n\r\n" not in head:
        more = sock.recv(4096)
        assert more, "the client is gone"
        head += more
    return head


def read_to_end(sock: socket.socket) -> bytes:
    """Read until the client ends its side or resets."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while more := sock.recv(65536):
            data += more
    return data


def upgrade(sock: socket.socket, *more: str) -> bytes:
    """Answer an opening handshake as a server should; gives the request."""
    head = read_request(sock)
    found = re.search(rb"(?i)sec-websocket-key: *(\S+)", head)
    assert found is not None
    digest = hashlib.sha1(found[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()  # RFC 6455 1.3
    lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", *more]
    lines.append(f"Sec-WebSocket-Accept: {base64.b64encode(digest).decode()}")
    sock.sendall("\r\n".join([*lines, "", ""]).encode())
    return head


@contextlib.contextmanager
def websockets_server(**options: Any) -> Iterator[int]:
    """Serve an echo with the library `websockets`."""

    def handler(connection: websockets.sync.server.ServerConnection) -> None:
        for message in connection:
            connection.send(message)

    with websockets.sync.server.serve(handler, "127.0.0.1", 0, **options) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.socket.getsockname()[1]
        server.shutdown()
        thread.join(PATIENCE)


@contextlib.asynccontextmanager
async def _aiohttp_port() -> AsyncIterator[int]:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(protocols=("chat",))
        await ws.prepare(request)
        async for message in ws:
            if message.type is WSMsgType.TEXT:
                await ws.send_str(message.data)
            else:
                await ws.send_bytes(message.data)
        return ws

    app = web.Application()
    app.router.add_get("/", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@contextlib.contextmanager
def aiohttp_server() -> Iterator[int]:
    """Serve an echo with aiohttp."""
    with start_blocking_portal("asyncio") as portal, portal.wrap_async_context_manager(_aiohttp_port()) as port:
        yield port


class Proxy:
    """An HTTP proxy on loopback that connects whoever asks; `asked` are the heads of their requests.

    It takes every name for 127.0.0.1, so that a client's own idea of a name is of no help to it. It runs in a thread
    of its own, and there in one event loop: two threads must not use one `ssl.SSLSocket`, one reading, one writing.
    """

    def __init__(self, tls: ssl.SSLContext | None = None, hints: bytes = b"") -> None:
        self.asked: list[bytes] = []
        self.port = 0
        self._tls = tls
        self._hints = hints
        self._connections: list[asyncio.Task[None]] = []
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Proxy:
        with contextlib.ExitStack() as stack:
            portal = stack.enter_context(start_blocking_portal("asyncio"))
            self.port = stack.enter_context(portal.wrap_async_context_manager(self._running()))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    @contextlib.asynccontextmanager
    async def _running(self) -> AsyncIterator[int]:
        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._connections.append(asyncio.create_task(self._serve(reader, writer)))

        server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=self._tls)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            if self._connections:
                ended, left = await asyncio.wait(self._connections, timeout=PATIENCE)
                assert not left, "a connection through the proxy has not ended"
                for connection in ended:
                    connection.result()

    async def _serve(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        async with _closing(to_client):
            try:
                head = await from_client.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                return
            self.asked.append(head)
            port = int(head.split(b" ")[1].rpartition(b":")[2])
            from_server, to_server = await asyncio.open_connection("127.0.0.1", port)
            async with _closing(to_server):
                to_client.write(self._hints + b"HTTP/1.1 200 Connection established\r\n\r\n")
                await asyncio.gather(_copy(from_client, to_server), _copy(from_server, to_client))


@contextlib.asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    """Have a connection closed at the end; that its peer is gone is no error of the proxy's."""
    with contextlib.suppress(OSError):
        try:
            yield
        finally:
            writer.close()
            await writer.wait_closed()


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Copy until the end of `source`, and pass that on: a half-close, or in TLS, which has none, close_notify."""
    with contextlib.suppress(OSError):
        while data := await source.read(2**16):
            sink.write(data)
            await sink.drain()
    with contextlib.suppress(OSError):
        if sink.can_write_eof():
            sink.write_eof()
        else:
            sink.close()
