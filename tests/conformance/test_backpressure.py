"""What an application's `send` waits for while a client reads too slowly, and how much of it is held."""

from __future__ import annotations

import queue
import socket
import ssl
from typing import Any

import anyio
import anyio.lowlevel
import pytest
import trustme

from .harness import PATIENCE, Notes, Running, proportioned, quick
from .wire import BINARY, CLOSE, Wire, request

pytestmark = pytest.mark.uvloop_too

ACCEPT = {"type": "websocket.accept"}
LARGE = 12 * 2**20  # more than a system takes by itself
PATIENT = quick(ping_interval=None, accept_timeout=PATIENCE, close_timeout=PATIENCE)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(params=["ws", "wss"])
def dial(request: pytest.FixtureRequest, serve: Any, authority: trustme.CA) -> Any:
    """Serve an application, and connect to it: without TLS, and with."""
    if request.param == "ws":
        return lambda app, config: serve(app, config=config).connect()
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server_side)
    client_side = ssl.create_default_context()
    authority.configure_trust(client_side)

    def connect(app: Any, config: Any) -> Wire:
        server: Running = serve(app, config=config, ssl=server_side)
        plain = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
        wire = Wire(client_side.wrap_socket(plain, server_hostname="localhost"))
        server.clients.callback(wire.close)
        return wire

    return connect


def test_a_large_message_is_waited_for(dial: Any) -> None:
    """`send` returns when no more than the limit waits, and not before."""
    notes = Notes()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        await send({"type": "websocket.send", "bytes": bytes(LARGE)})
        notes.put("sent")

    wire = dial(app, PATIENT)
    wire.upgrade()
    with pytest.raises(queue.Empty):
        notes.get(timeout=0.3)
    assert len(wire.read_binary()) == LARGE
    assert notes.next() == "sent"
    assert wire.read_close().code == 1000


def test_a_send_that_was_cancelled_leaves_nothing_behind(dial: Any) -> None:
    """A timeout around every `send` to a client that does not read bounds memory; what arrives is whole."""
    notes = Notes()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        for _ in range(60):
            with anyio.move_on_after(0.01):
                await send({"type": "websocket.send", "bytes": bytes(2**20)})
        notes.put("over")

    wire = dial(app, PATIENT)
    wire.upgrade()
    assert notes.next() == "over"
    arrived = 0
    while (message := wire.read_frame()).opcode == BINARY:
        assert len(message.payload) == 2**20
        arrived += 1
    assert message.opcode == CLOSE
    assert message.code == 1000
    assert 1 <= arrived < 20


def test_a_piece_of_a_denial_that_was_cancelled_leaves_nothing_behind(dial: Any) -> None:
    """A denial's body is bounded in the same way."""
    notes = Notes()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.http.response.start", "status": 402})
        for _ in range(60):
            with anyio.move_on_after(0.01):
                await send({"type": "websocket.http.response.body", "body": bytes(2**20), "more_body": True})
        notes.put("over")
        await send({"type": "websocket.http.response.body", "body": b"end"})

    wire = dial(app, PATIENT)
    wire.send(request())
    assert notes.next() == "over"
    assert wire.read_response().status == 402
    body = wire.read_to_end()
    assert body.endswith(b"\r\n3\r\nend\r\n0\r\n\r\n")
    assert 2**20 < len(body) < 20 * 2**20


def test_a_close_waits_for_no_room(dial: Any) -> None:
    """An application can close a connection whose client does not read: the close timeout ends it."""
    notes = Notes()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        with anyio.move_on_after(0.3):
            while True:
                await send({"type": "websocket.send", "bytes": bytes(2**20)})
        with anyio.CancelScope(shield=True):
            await send({"type": "websocket.close", "code": 4000})
        notes.put((await receive())["code"])

    wire = dial(app, proportioned(ping_interval=None))
    wire.upgrade()
    assert notes.next() == 4000


def test_an_application_that_only_sends_gives_way(serve: Any) -> None:
    """However small its messages are, and though it never has to wait, other tasks have their turns."""
    notes = Notes()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                await anyio.lowlevel.checkpoint()
                turns += 1

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(count)
            for _ in range(4000):
                await send({"type": "websocket.send", "text": "x"})
            tasks.cancel_scope.cancel()
        notes.put(turns)

    serve(app).open()
    assert notes.next() >= 10
