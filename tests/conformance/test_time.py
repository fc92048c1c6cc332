"""Deadlines, losses, and our last bytes: rows T1-T15, as a peer sees them. Real time passes here, and little of it."""

from __future__ import annotations

from typing import Any

import pytest

from wscore import ClientDisconnected

from ..real_time import PATIENCE, scaled
from .apps import Noting, echo
from .harness import Gate, Notes, proportioned, quick
from .wire import BINARY, PING, PONG, TEXT, close_frame, frame, request

ACCEPT = {"type": "websocket.accept"}


@pytest.mark.uvloop_too
def test_t1_pings(serve: Any) -> None:
    """T1: an idle peer is pinged again and again as long as it answers."""
    wire = serve(echo, config=quick(ping_interval=0.05)).open()
    for _ in range(3):
        ping = wire.read_frame()
        assert ping.opcode == PING
        wire.send(frame(PONG, ping.payload))


def test_t2_no_pong(serve: Any) -> None:
    """T2: a peer that does not answer its ping gets 1011, the application 1006, and then the connection ends."""
    app = Noting()
    wire = serve(app, config=quick(ping_interval=0.05, ping_timeout=0.1, close_timeout=0.2)).open()
    assert wire.read_frame().opcode == PING
    closing = wire.read_close()
    assert (closing.code, closing.reason) == (1011, "keepalive ping timeout")
    assert app.disconnect()[0] == 1006
    assert wire.read_to_any_end() == b""


@pytest.mark.uvloop_too
def test_pings_begin_though_the_handshakes_deadline_was_nearer(serve: Any) -> None:
    """T1, T2: with the defaults' proportions an idle peer is pinged, again after its pong, and ended without one."""
    app = Noting()
    wire = serve(app, config=proportioned()).open()
    for _ in range(2):
        ping = wire.read_frame()
        assert ping.opcode == PING
        wire.send(frame(PONG, ping.payload))
    assert wire.read_frame().opcode == PING
    wire.send(frame(PONG, "not its payload"))  # life, which moves the deadline on without any other change
    assert wire.read_close().code == 1011
    assert app.disconnect()[0] == 1006


@pytest.mark.uvloop_too
def test_an_answer_is_overdue_though_the_handshakes_deadline_was_nearer(serve: Any) -> None:
    """T12: with the defaults' proportions an application that never accepts is answered for with 503."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        assert (await receive())["code"] == 1006

    wire = serve(app, config=proportioned()).connect()
    wire.send(request())
    assert wire.read_refusal().status == 503


async def close_at_once(scope: Any, receive: Any, send: Any) -> None:
    """Accept and close, refuse, or deny in two pieces, as the path says."""
    await receive()
    if scope["path"] == "/refused":
        return
    if scope["path"] == "/denied":
        await send({"type": "websocket.http.response.start", "status": 402})
        await send({"type": "websocket.http.response.body", "body": bytes(1000), "more_body": True})
        await send({"type": "websocket.http.response.body", "body": bytes(1000)})
        return
    await send(ACCEPT)
    if scope["path"] == "/closed":
        await send({"type": "websocket.close", "code": 4000})
    else:
        await receive()


HELD_OPEN: dict[str, bytes] = {
    "400": b"GET / HTTP/1.1\r\n\r\n",
    "426": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "500": request(target="/refused"),
    "402": request(target="/denied"),
    "4000": request(target="/closed"),
    "1002": request() + frame(BINARY, b"x", rsv=1),
    "408": b"GET / ",
}


@pytest.mark.uvloop_too
@pytest.mark.parametrize("case", HELD_OPEN)
def test_a_peer_that_keeps_its_side_open_is_cut(case: str, serve: Any, errors: Any) -> None:
    """T5, T15: whatever the answer was, a client that never ends its side is cut off, at the close timeout."""
    wire = serve(close_at_once, config=proportioned()).connect()
    wire.send(HELD_OPEN[case])
    assert wire._receive()
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        wire.send_for_ever(b"\x8a\x80\0\0\0\0" * 100)
    if case == "500":
        errors.take_one()  # which says that the application gave no answer


@pytest.mark.uvloop_too
def test_a_stuck_client_of_a_streamed_denial_is_cut(serve: Any) -> None:
    """T13: a client that does not collect a long denial holds up its application for no longer than for an answer."""
    notes = Notes()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.http.response.start", "status": 402})
        try:
            while True:
                await send({"type": "websocket.http.response.body", "body": bytes(2**20), "more_body": True})
        except OSError as error:
            notes.put(error)

    wire = serve(app, config=proportioned()).connect()
    wire.send(request())
    assert isinstance(notes.next(), ClientDisconnected)


def test_t5_no_answer_to_our_close(serve: Any) -> None:
    """T5: a peer that never answers our close is cut off after the close timeout."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)

    wire = serve(app, config=quick(close_timeout=0.2)).open()
    assert wire.read_close().code == 1000
    assert wire.read_to_any_end() == b""


def test_t6_sends_for_ever_after_our_close(serve: Any) -> None:
    """T6: a peer that keeps sending after our close is cut off at the close timeout all the same."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)

    wire = serve(app, config=quick(close_timeout=0.3)).open()
    assert wire.read_close().code == 1000
    burst = frame(BINARY, bytes(1000)) * 10
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        wire.send_for_ever(burst)


@pytest.mark.uvloop_too
@pytest.mark.parametrize("how", ["reset", "close"])
def test_t7_lost_while_sending(how: str, serve: Any) -> None:
    """T7: when a connection is lost whose writing was paused, every waiting send() wakes with ClientDisconnected."""
    import anyio

    notes, waiting = Notes(), Gate()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)

        async def flood() -> None:
            try:
                while True:
                    with anyio.move_on_after(0.2) as patience:
                        await send({"type": "websocket.send", "bytes": bytes(2**16)})
                    if patience.cancelled_caught:
                        waiting.open()
            except OSError as error:
                notes.put(error)

        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(flood)

    wire = serve(app).open()
    waiting.reached()
    wire.reset() if how == "reset" else wire.close()
    for _ in range(3):
        assert isinstance(notes.next(), ClientDisconnected)


@pytest.mark.parametrize("loss", ["eof", "reset"])
def test_t10_lost_while_the_application_waits(loss: str, serve: Any) -> None:
    """T9, T10: an end of stream and then a reset are one disconnect 1006."""
    app = Noting()
    wire = serve(app).open()
    if loss == "eof":
        wire.send_eof()
        assert app.disconnect()[0] == 1006
        wire.reset()
    else:
        wire.reset()
        assert app.disconnect()[0] == 1006


def test_t12_no_answer_to_the_handshake(serve: Any) -> None:
    """T12: an application that neither accepts nor denies in time: 503, and a disconnect 1006."""
    notes = Notes()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        notes.put(await receive())

    wire = serve(app, config=quick(accept_timeout=0.1)).connect()
    wire.send(request())
    assert wire.read_refusal().status == 503
    assert notes.next()["code"] == 1006


@pytest.mark.realtime
def test_t13_next_part_of_a_denial(serve: Any) -> None:
    """T13: an application that does not go on with its denial in time is cut off."""
    notes = Notes()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.http.response.start", "status": 400})
        await send({"type": "websocket.http.response.body", "body": b"x", "more_body": True})
        notes.put(await receive())

    wire = serve(app, config=quick(accept_timeout=scaled(0.5))).connect()  # the beginning has to be in time
    wire.send(request())
    assert wire.read_response().status == 400
    assert not wire.read_to_any_end().endswith(b"0\r\n\r\n")
    assert notes.next()["code"] == 1006


LAST_WORDS: dict[str, tuple[bytes, bytes]] = {
    "431": (b"GET / HTTP/1.1\r\nX-A: " + b"b" * 17_000, b"HTTP/1.1 431 "),
    "400": (b"\x16\x03\x01" + bytes(100), b"HTTP/1.1 400 "),
    "405": (request(method="POST"), b"HTTP/1.1 405 "),
    "1009": (request() + frame(BINARY, bytes(2000)), b"\x03\xf1"),
    "1002": (request() + frame(BINARY, b"x", rsv=1), b"\x03\xea"),
    "1007": (request() + frame(TEXT, b"\xff"), b"\x03\xef"),
}


@pytest.mark.uvloop_too
@pytest.mark.parametrize("case", LAST_WORDS)
def test_t15_our_last_bytes_arrive(case: str, serve: Any) -> None:
    """T15: our last bytes arrive, and then the end of the stream, although the client sent far more than was read."""
    start, words = LAST_WORDS[case]
    wire = serve(echo, config=quick(max_message_size=1000)).connect()
    wire.send_regardless(start + b"\0" * 500_000)
    assert words in wire.read_to_end()
    wire.send_regardless(b"\0" * 500_000)
    wire.send_eof()


def test_t15_last_message_before_our_close_arrives(serve: Any) -> None:
    """T15: what an application sends last arrives whole, although the client has sent much that is unread."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        await send({"type": "websocket.send", "bytes": bytes(300_000)})

    wire = serve(app).open()
    wire.send(frame(BINARY, bytes(50_000)) * 4)
    assert wire.read_binary() == bytes(300_000)
    assert wire.read_close().code == 1000
    wire.send(close_frame(1000))
    assert wire.read_to_end() == b""


def test_a_peer_that_half_closes_gets_its_answers(serve: Any) -> None:
    """F32: a client that ends its side after its messages still gets all answers."""
    wire = serve(echo).open()
    wire.send(*[frame(BINARY, bytes(100_000))] * 5)
    wire.send_eof()
    for _ in range(5):
        assert wire.read_binary() == bytes(100_000)
    assert wire.read_to_end() == b""


def test_a_peer_that_half_closes_gets_the_answer_being_made(serve: Any) -> None:
    """A client that ends its side while its message is being worked on gets the answer; then the stream ends."""
    asked, go = Gate(), Gate()
    notes = Notes()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        await receive()
        asked.open()
        await go.wait()
        await send({"type": "websocket.send", "text": "answer"})
        notes.put(await receive())

    wire = serve(app, config=quick(read_poll_interval=0.01)).open()
    wire.send(frame(TEXT, b"question"))
    asked.reached()
    wire.send_eof()
    wire.sock.settimeout(0.1)
    with pytest.raises(TimeoutError):  # the server has seen it by then, and does not end
        wire.read_frame()
    wire.sock.settimeout(20)
    go.open()
    assert wire.read_text() == "answer"
    assert wire.read_to_end() == b""
    assert notes.next()["code"] == 1006


def test_backpressure_stops_reading(serve: Any) -> None:
    """A client that floods an application which does not read is stopped by TCP, and loses nothing once it reads."""
    go = Gate()
    app = Noting(hold=go)
    wire = serve(app).open()
    wire.sock.settimeout(0.5)
    sent = 0
    pending = b""
    try:
        while sent < 5000:
            pending = pending or frame(BINARY, sent.to_bytes(4) + bytes(9996))
            pending = pending[wire.sock.send(pending) :]
            sent += not pending
    except TimeoutError:
        pass
    assert sent < 5000
    go.open()
    wire.sock.settimeout(PATIENCE)
    wire.send(pending, close_frame(4000))
    count = sent + bool(pending)
    for n in range(count):
        assert app.messages.next()["bytes"][:4] == n.to_bytes(4)
    assert app.disconnect()[0] == 4000


@pytest.mark.uvloop_too
def test_a_peer_that_is_gone_behind_a_full_queue_is_found(serve: Any, access: Any) -> None:
    """T3: a client that fills the queue of an application that only pushes, and goes, is not kept."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        await Gate().wait()

    wire = serve(app, config=proportioned(ping_interval=0.3, ping_timeout=0.3)).open()
    wire.send(*[frame(TEXT, "x")] * 40)
    assert wire.read_frame().opcode == PING
    wire.close()
    assert "101" in access.take_one().getMessage()
    assert "1006" in access.take_one().getMessage()
