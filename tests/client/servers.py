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

    It takes every name for 127.0.0.1, so that a client's own idea of a name is of no help to it.
    """

    def __init__(self, tls: ssl.SSLContext | None = None, hints: bytes = b"") -> None:
        self.asked: list[bytes] = []
        self._tls = tls
        self._hints = hints
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Proxy:
        self._start(self._accept)
        return self

    def __exit__(self, *error: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a connection through the proxy has not ended"

    def _start(self, target: Callable[..., None], *args: Any) -> None:
        self._threads.append(threading.Thread(target=target, args=args, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._start(self._serve, self._listener.accept()[0])

    def _serve(self, sock: socket.socket) -> None:
        sock.settimeout(PATIENCE)
        with contextlib.suppress(OSError), sock if self._tls is None else self._tls.wrap_socket(sock, True) as client:
            head = read_request(client)
            self.asked.append(head)
            port = int(head.split(b" ")[1].rpartition(b":")[2])
            with socket.create_connection(("127.0.0.1", port), PATIENCE) as server:
                client.sendall(self._hints + b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=self._copy, args=(server, client), daemon=True)
                back.start()
                self._copy(client, server)
                back.join(PATIENCE)

    @staticmethod
    def _copy(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(2**16):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
