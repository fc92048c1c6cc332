"""Broadcasts through both transports: what members receive, whether it leaves at once or through their queues."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from wscore import Config
from wscore.app import App, Member, Registry, WebSocket

from ..real_time import PATIENCE
from ..serving import BACKENDS, serving

LARGE = "x" * 2**16


def room(**options: Any) -> App:
    """Everybody is in one room, and is told so; what one says goes to all, and "end" comes behind it."""
    app = App(registry=Registry(**options))

    @app.websocket("/")
    async def talk(websocket: WebSocket, member: Member, registry: Registry) -> None:
        await websocket.accept()
        member.enter("all")
        await member.send("welcome")
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            data = message.get("text") or message.get("bytes")
            await member.send("mine")
            registry.broadcast("all", data)
            await member.send("end")

    return app


def through_queues(app: App) -> Any:
    """The same application behind a middleware, which only queues can obey."""

    async def middleware(scope: Any, receive: Any, send: Any) -> None:
        async def passes_on(message: Any) -> None:
            await send(message)

        await app(scope, receive, passes_on if scope["type"] == "websocket" else send)

    return middleware


@contextmanager
def members(port: int, count: int, **options: Any) -> Iterator[list[ClientConnection]]:
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(f"ws://127.0.0.1:{port}/", **options)) for _ in range(count)]
        for client in clients:
            assert client.recv(PATIENCE) == "welcome"
        yield clients


@contextmanager
def not_reading(port: int) -> Iterator[socket.socket]:
    """A member with a small buffer that reads nothing behind the welcome."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(PATIENCE)
        sock.connect(("127.0.0.1", port))
        lines = [
            "GET / HTTP/1.1",
            "Host: localhost",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version: 13",
        ]
        sock.sendall("\r\n".join([*lines, "", ""]).encode())
        data = b""
        while not data.endswith(b"\x81\x07welcome"):
            data += sock.recv(1)
        yield sock


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_middleware_sees_broadcasts(backend: str) -> None:
    """Whoever wraps `send` gets every message, however well the receiver reads: none takes the short cut past it."""
    app = room()

    async def shouting(scope: Any, receive: Any, send: Any) -> None:
        async def shout(message: Any) -> None:
            await send({**message, "text": message["text"].upper()} if "text" in message else message)

        await app(scope, receive, shout if scope["type"] == "websocket" else send)

    with serving(shouting, backend) as port, ExitStack() as stack:
        one, other = (stack.enter_context(connect(f"ws://127.0.0.1:{port}/")) for _ in range(2))
        assert [client.recv(PATIENCE) for client in (one, other)] == ["WELCOME"] * 2
        one.send("hello")
        assert other.recv(PATIENCE) == "HELLO"
        assert [one.recv(PATIENCE) for _ in range(3)] == ["MINE", "HELLO", "END"]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("through", [lambda app: app, through_queues], ids=["at once", "queued"])
def test_the_short_cut_is_there_for_who_has_the_servers_send(backend: str, through: Any) -> None:
    """A handler's connection has it on both transports, and behind a middleware that wraps `send` it has not."""
    app = App()

    @app.websocket("/")
    async def tell(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("queued" if websocket._send_nowait is None else "at once")

    with serving(through(app), backend) as port, connect(f"ws://127.0.0.1:{port}/") as client:
        assert client.recv(PATIENCE) == ("queued" if through is through_queues else "at once")


@pytest.mark.parametrize("compression", [None, "deflate"])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("through", [lambda app: app, through_queues], ids=["at once", "queued"])
def test_what_members_receive_does_not_depend_on_the_way(backend: str, through: Any, compression: Any) -> None:
    """Text, bytes and more than a buffer holds, in order between a member's own messages, and the same for all."""
    payloads: list[str | bytes] = ["a text", b"\xff\0", "\u00e9" * 5000, LARGE, LARGE.encode(), '{"a": 1}' * 500]
    config = Config(max_output_size=2**14)
    with serving(through(room()), backend, config=config) as port, members(port, 3, compression=compression) as clients:
        for payload in payloads:
            clients[0].send(payload)
            assert [clients[0].recv(PATIENCE) for _ in range(3)] == ["mine", payload, "end"]
        for client in clients[1:]:
            assert [client.recv(PATIENCE) for _ in payloads] == payloads


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("slow", ["skip", "close"])
def test_a_member_that_does_not_read_harms_nobody(backend: str, slow: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Behind the buffers its queue fills, and then the policy decides; everybody else gets everything at once."""
    app = room(max_queue=2, slow=slow)
    config = Config(max_output_size=2**14, close_timeout=0.1)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**16)  # or the system would take a few megabytes first
    listener.bind(("127.0.0.1", 0))
    options = {"sock": listener, "config": config}
    with serving(app, backend, **options) as port, not_reading(port), members(port, 2) as (one, other):
        for _ in range(2000):
            one.send(LARGE)
            assert other.recv(PATIENCE) == LARGE
            assert [one.recv(PATIENCE) for _ in range(3)] == ["mine", LARGE, "end"]
            if "reads too slowly" in caplog.text:
                break
        assert ("misses messages" if slow == "skip" else "is closed") in caplog.text


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_member_that_was_reset_is_no_error(backend: str, caplog: pytest.LogCaptureFixture) -> None:
    """What is sent to it goes nowhere, and the others get theirs."""
    app = room()
    with serving(app, backend) as port, members(port, 1) as (client,):
        for _ in range(20):
            with not_reading(port) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.send("still here")
            assert [client.recv(PATIENCE) for _ in range(3)] == ["mine", "still here", "end"]
    assert [record for record in caplog.records if record.levelname in {"WARNING", "ERROR"}] == []
