"""The graceful end: T8 in each state, the grace time, and then the abort; always bounded."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

import pytest

from .apps import Noting, echo
from .harness import Gate, Notes, quick
from .wire import TEXT, close_frame, frame, request

ACCEPT = {"type": "websocket.accept"}


@pytest.mark.uvloop_too
@pytest.mark.parametrize("code", [1012, 1001])
def test_t8_open(code: int, serve: Any) -> None:
    """T8: an open connection gets 1012, or 1001 by option; the application the same code."""
    app = Noting()
    server = serve(app, config=quick(shutdown_code=code))
    wire = server.open()
    server.begin_close()
    assert wire.read_close().code == code
    wire.send(close_frame(code))
    assert wire.read_to_end() == b""
    assert app.disconnect()[0] == code
    wire.close()
    server.wait_ended()


def test_t8_deciding(serve: Any) -> None:
    """T8: a connection whose application has not answered gets 503; the application 1012."""
    notes = Notes()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        notes.put("deciding")
        notes.put((await receive())["code"])

    server = serve(app)
    wire = server.connect()
    wire.send(request())
    assert notes.next() == "deciding"
    server.begin_close()
    assert wire.read_refusal().status == 503
    assert notes.next() == 1012
    wire.close()
    server.wait_ended()


def test_t8_reading_the_head(serve: Any) -> None:
    """T8: a connection whose head is not whole gets 503 or a plain close."""
    server = serve(echo)
    wire = server.connect()
    wire.send(request()[:50])
    server.open()  # by now the first has been accepted as well
    server.begin_close()
    answer = wire.read_to_any_end()
    assert answer == b"" or answer.startswith(b"HTTP/1.1 503 ")
    server.clients.close()
    server.wait_ended()


def test_t8_closing(serve: Any) -> None:
    """T8: a connection that is closing gets no second close frame."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        await send({"type": "websocket.close", "code": 4000})

    server = serve(app)
    wire = server.open()
    assert wire.read_close().code == 4000
    server.begin_close()
    wire.send(close_frame(4000))
    assert wire.read_to_end() == b""
    wire.close()
    server.wait_ended()


def test_t8_denying(serve: Any) -> None:
    """T8: a denial that is being streamed may finish within the grace time."""
    go = Gate()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.http.response.start", "status": 429, "headers": [(b"content-length", b"2")]})
        await send({"type": "websocket.http.response.body", "body": b"a", "more_body": True})
        await go.wait()
        await send({"type": "websocket.http.response.body", "body": b"b"})

    server = serve(app, config=quick(shutdown_grace=10.0))
    wire = server.connect()
    wire.send(request())
    assert wire.read_response().status == 429
    assert wire.read(1) == b"a"
    server.begin_close()
    go.open()
    assert wire.read_to_end() == b"b"
    wire.close()
    server.wait_ended()


def test_no_new_connections(serve: Any) -> None:
    """From the beginning of the shutdown on, nothing listens any more, while open connections end in peace."""
    held = Gate()
    app = Noting(hold=held)
    server = serve(app, config=quick(shutdown_grace=10.0))
    wire = server.open()
    server.begin_close()
    assert wire.read_close().code == 1012
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=5).close()
    held.open()
    wire.close()
    server.wait_ended()


def test_messages_within_the_grace_time(serve: Any) -> None:
    """An application that is still at work when the shutdown begins may finish it within the grace time."""
    working, go, done = Gate(), Gate(), Gate()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        assert (await receive())["text"] == "job"
        working.open()
        await go.wait()
        with contextlib.suppress(OSError):
            await send({"type": "websocket.send", "text": "too late for an answer"})
        done.open()

    server = serve(app, config=quick(shutdown_grace=10.0))
    wire = server.open()
    wire.send(frame(TEXT, "job"))
    working.reached()
    server.begin_close()
    assert wire.ends_with(1012)
    wire.close()
    go.open()
    done.reached()
    server.wait_ended()


@pytest.mark.uvloop_too
def test_a16_cancelled_after_the_grace_time(serve: Any) -> None:
    """A16: an application that goes on after the grace time is cancelled; the peer has seen 1012."""
    never, cancelled = Gate(), Gate()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        try:
            await never.wait()
        finally:
            cancelled.open()

    server = serve(app, config=quick(shutdown_grace=0.1, close_timeout=0.5))
    wire = server.open()
    server.begin_close()
    assert wire.ends_with(1012)
    cancelled.reached()
    server.wait_ended()


def test_an_application_that_swallows_everything(serve: Any) -> None:
    """An application that answers its disconnect by going on, and catches OSError, is cancelled like any other."""
    never = Gate()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        await receive()
        with contextlib.suppress(OSError):
            await send({"type": "websocket.send", "text": "x"})
        await never.wait()

    server = serve(app, config=quick(shutdown_grace=0.1, close_timeout=0.2))
    wire = server.open()
    server.begin_close()
    assert wire.read_close().code == 1012
    server.wait_ended()
    assert wire.read_to_any_end() == b""


def test_a_peer_that_never_answers(serve: Any) -> None:
    """A peer that never answers the close is cut off after the close timeout, and the server ends."""
    server = serve(echo, config=quick(shutdown_grace=0.1, close_timeout=0.2))
    wire = server.open()
    server.begin_close()
    server.wait_ended()
    assert wire.read_close().code == 1012
    assert wire.read_to_any_end() == b""


def test_a_peer_that_never_reads(serve: Any) -> None:
    """A peer that never reads, while an application floods it, does not hold up the end."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        while True:
            await send({"type": "websocket.send", "bytes": bytes(2**16)})

    server = serve(app, config=quick(shutdown_grace=0.2, close_timeout=0.2))
    server.open()
    server.begin_close()
    server.wait_ended()


@pytest.mark.uvloop_too
def test_abort(serve: Any) -> None:
    """An abort ends every connection at once, in whatever state, and cancels the applications."""
    never, cancelled = Gate(), Notes()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if scope["path"] == "/open":
            await send(ACCEPT)
        cancelled.put("started")
        try:
            await never.wait()
        finally:
            cancelled.put("cancelled")

    server = serve(app, config=quick(shutdown_grace=30.0, close_timeout=30.0))
    wire = server.open(target="/open")
    deciding = server.connect()
    deciding.send(request())
    silent = server.connect()
    assert [cancelled.next(), cancelled.next()] == ["started", "started"]
    server.abort()
    assert [cancelled.next(), cancelled.next()] == ["cancelled", "cancelled"]
    for client in (wire, deciding, silent):
        client.read_to_any_end()
    server.wait_ended()


def test_abort_within_the_graceful_end(serve: Any) -> None:
    """An abort cuts a graceful end short."""
    never = Gate()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        await never.wait()

    server = serve(app, config=quick(shutdown_grace=60.0, close_timeout=60.0))
    wire = server.open()
    server.begin_close()
    assert wire.read_close().code == 1012
    server.abort()
    server.wait_ended()


def test_many_connections(serve: Any) -> None:
    """A hundred open connections all get their 1012 and are gone."""
    server = serve(echo)
    wires = [server.open() for _ in range(100)]
    server.begin_close()
    for wire in wires:
        assert wire.read_close().code == 1012
        wire.close()
    server.wait_ended()
