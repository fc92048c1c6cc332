"""What an application may do, and what it and the peer then see: rows A1-A19 (ASGI www 2.5)."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from wscore import ClientDisconnected, InvalidMessage, LocalProtocolError

from .apps import Noting, echo
from .harness import Gate, Notes, quick
from .wire import BINARY, TEXT, Wire, close_frame, frame, request

ACCEPT = {"type": "websocket.accept"}


class Attempting:
    """Tell the test how each attempt ended that an application makes."""

    def __init__(self) -> None:
        self.notes = Notes()

    async def attempt(self, send: Any, message: Any) -> None:
        try:
            await send(message)
        except Exception as error:
            self.notes.put(error)
        else:
            self.notes.put(None)


def read_denial(wire: Wire) -> tuple[int, bytes]:
    """Read a whole HTTP response, however its end is told, and the end of the stream."""
    response = wire.read_response()
    body = wire.read_to_end()
    if response.get("transfer-encoding") == "chunked":
        assert response.get("content-length") is None
        content = b""
        while True:
            size, _, body = body.partition(b"\r\n")
            if size == b"0":
                assert body == b"\r\n"
                return response.status, content
            content += body[: int(size, 16)]
            assert body[int(size, 16) :][:2] == b"\r\n"
            body = body[int(size, 16) + 2 :]
    if response.status not in (204, 304):
        assert len(body) == int(response.get("content-length") or -1)
    assert "close" in (response.get("connection") or "")
    return response.status, body


@pytest.mark.uvloop_too
def test_a1_send_before_accept(serve: Any, errors: Any) -> None:
    """A1: a send before the accept is a LocalProtocolError; that exception gives 500, and is logged once."""
    notes = Notes()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await send({"type": "websocket.send", "text": "x"})
        except Exception as error:
            notes.put(error)
            raise

    wire = serve(app).connect()
    wire.send(request())
    assert wire.read_refusal().status == 500
    error = notes.next()
    assert isinstance(error, LocalProtocolError)
    assert isinstance(error, RuntimeError)
    record = errors.take_one()
    assert record.exc_info
    assert isinstance(record.exc_info[1], LocalProtocolError)


def test_a1_state_is_unchanged(serve: Any) -> None:
    """A1: after a refused send the application may still accept."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        with pytest.raises(LocalProtocolError):
            await send({"type": "websocket.send", "text": "x"})
        await echo(scope, receive, send)

    wire = serve(app).open()
    wire.send(frame(TEXT, "fine"))
    assert wire.read_text() == "fine"


REFUSED_WHILE_OPEN: dict[str, tuple[Any, type[Exception]]] = {
    "a2_accept_twice": (ACCEPT, LocalProtocolError),
    "a3_both": ({"type": "websocket.send", "text": "x", "bytes": b"x"}, InvalidMessage),
    "a3_neither": ({"type": "websocket.send"}, InvalidMessage),
    "a3_none": ({"type": "websocket.send", "text": None, "bytes": None}, InvalidMessage),
    "a3_bytes_as_text": ({"type": "websocket.send", "text": b"x"}, InvalidMessage),
    "a3_text_as_bytes": ({"type": "websocket.send", "bytes": "x"}, InvalidMessage),
    "a4_lone_surrogate": ({"type": "websocket.send", "text": "a\ud800b"}, InvalidMessage),
    "a11_response_while_open": ({"type": "websocket.http.response.start", "status": 404}, LocalProtocolError),
    "a19_unknown_type": ({"type": "websocket.sned", "text": "x"}, InvalidMessage),
    "a19_no_type": ({"text": "x"}, InvalidMessage),
    "a19_http_type": ({"type": "http.response.start", "status": 200}, InvalidMessage),
    "a19_no_dict": (None, InvalidMessage),
    "a19_code_as_str": ({"type": "websocket.close", "code": "1000"}, InvalidMessage),
    "a19_code_1005": ({"type": "websocket.close", "code": 1005}, InvalidMessage),
    "a19_code_999": ({"type": "websocket.close", "code": 999}, InvalidMessage),
    "a19_reason_too_long": ({"type": "websocket.close", "reason": "x" * 124}, InvalidMessage),
}


@pytest.mark.parametrize("case", REFUSED_WHILE_OPEN)
def test_refused_while_open(case: str, serve: Any) -> None:
    """I10: a refused message raises a typed error, writes nothing, and the connection is still usable."""
    message, kind = REFUSED_WHILE_OPEN[case]
    trying = Attempting()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        await trying.attempt(send, message)
        await send({"type": "websocket.send", "text": "still here"})
        await receive()

    wire = serve(app).open()
    assert wire.read_text() == "still here"
    assert isinstance(trying.notes.next(), kind)
    wire.send(close_frame(1000))
    assert wire.read_close().code == 1000


BAD_ACCEPTS: dict[str, dict[str, Any]] = {
    **{
        f"a5_{name}": {"headers": [(name.encode(), value)]}
        for name, value in {
            "connection": b"close",
            "upgrade": b"h2c",
            "content-length": b"0",
            "transfer-encoding": b"chunked",
            "sec-websocket-protocol": b"x",
            "sec-websocket-accept": b"x",
            "sec-websocket-extensions": b"x",
            "Sec-WebSocket-Anything": b"x",
            ":status": b"200",
            "x y": b"1",
            "": b"1",
        }.items()
    },
    "a5_cr": {"headers": [(b"x", b"a\rb")]},
    "a5_lf": {"headers": [(b"x", b"a\nb: c")]},
    "a5_nul": {"headers": [(b"x", b"a\0b")]},
    "a5_lf_in_name": {"headers": [(b"x\ny", b"a")]},
    "a5_str": {"headers": [("x", "y")]},
    "a5_no_pairs": {"headers": [b"xyz"]},
    "a6_subprotocol_not_offered": {"subprotocol": "b"},
}


@pytest.mark.parametrize("case", BAD_ACCEPTS)
def test_bad_accepts(case: str, serve: Any, errors: Any) -> None:
    """A5, A6: an accept that would break the handshake is an InvalidMessage, and the client gets a real 500."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT | BAD_ACCEPTS[case])

    wire = serve(app).connect()
    wire.send(request(("Sec-WebSocket-Protocol", "a")))
    assert wire.read_refusal().status == 500
    record = errors.take_one()
    assert record.exc_info
    assert isinstance(record.exc_info[1], InvalidMessage)


@pytest.mark.uvloop_too
def test_a7_close_before_accept(serve: Any) -> None:
    """A7: a close before the accept is a 403 with `Connection: close`; the application then sees 1006."""
    notes = Notes()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.close", "code": 4000})
        notes.put(await receive())

    wire = serve(app).connect()
    wire.send(request())
    response = wire.read_refusal()
    assert response.status == 403
    assert response.get("connection") == "close"
    assert notes.next()["code"] == 1006


def test_a7_reason_before_the_accept(serve: Any) -> None:
    """A7: the reason of a close before the accept goes nowhere, so that its type is nobody's trouble."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.close", "code": 1008, "reason": [{"type": "missing"}]})

    wire = serve(app).connect()
    wire.send(request())
    assert wire.read_refusal().status == 403


def test_a8_denial_without_body(serve: Any, errors: Any) -> None:
    """A8: an application that starts a denial and returns before its body gives 500."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.http.response.start", "status": 404, "headers": []})

    wire = serve(app).connect()
    wire.send(request())
    assert wire.read_refusal().status == 500
    assert "returned before" in errors.take_one().getMessage()


START, BODY = "websocket.http.response.start", "websocket.http.response.body"
DENIALS: dict[str, tuple[list[dict[str, Any]], int, bytes]] = {
    "whole": ([{"type": START, "status": 401}, {"type": BODY, "body": b"who?"}], 401, b"who?"),
    "a9_no_body_key": ([{"type": START, "status": 404}, {"type": BODY}], 404, b""),
    "streamed": (
        [{"type": START, "status": 418}, *({"type": BODY, "body": b"x" * n, "more_body": n < 4} for n in range(5))],
        418,
        b"x" * 10,
    ),
    "a10_204": ([{"type": START, "status": 204}, {"type": BODY, "body": b"none"}], 204, b""),
    "a10_304": ([{"type": START, "status": 304}, {"type": BODY, "body": b"none"}], 304, b""),
    "own_length": (
        [{"type": START, "status": 400, "headers": [(b"content-length", b"4")]}, {"type": BODY, "body": b"four"}],
        400,
        b"four",
    ),
    "own_hop_by_hop_headers": (
        [
            {"type": START, "status": 400, "headers": [(b"connection", b"keep-alive"), (b"transfer-encoding", b"x")]},
            {"type": BODY, "body": b"four"},
        ],
        400,
        b"four",
    ),
}


@pytest.mark.parametrize("case", DENIALS)
def test_denials(case: str, serve: Any) -> None:
    """A9, A10: a denial is one whole HTTP response, and then the end."""
    messages, status, body = DENIALS[case]
    notes = Notes()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        for message in messages:
            await send(message)
        notes.put(await receive())

    wire = serve(app).connect()
    wire.send(request())
    assert read_denial(wire) == (status, body)
    assert notes.next()["code"] == 1006


@pytest.mark.parametrize("status", [100, 101, 103, 199, 600, "404", None, True])
def test_a10_status(status: Any, serve: Any) -> None:
    """A10: a denial with 1xx, 101 or what is no status is an InvalidMessage, and nothing has changed."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        with pytest.raises(InvalidMessage):
            await send({"type": START, "status": status})
        await echo(scope, receive, send)

    serve(app).open()


def test_a10_content_length_that_does_not_match(serve: Any) -> None:
    """A10: a body that does not match its content-length is refused; the application may send the right one."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": START, "status": 400, "headers": [(b"content-length", b"4")]})
        for wrong in (b"three", b"12", b""):
            with pytest.raises(InvalidMessage):
                await send({"type": BODY, "body": wrong})
        await send({"type": BODY, "body": b"four"})

    wire = serve(app).connect()
    wire.send(request())
    assert read_denial(wire) == (400, b"four")


def test_a10_content_length_that_is_never_met(serve: Any, errors: Any) -> None:
    """A10: the end of an application whose body was refused is a 500, as nothing was written."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": START, "status": 400, "headers": [(b"content-length", b"4")]})
        await send({"type": BODY, "body": b"three"})

    wire = serve(app).connect()
    wire.send(request())
    assert wire.read_refusal().status == 500
    assert errors.take_one().exc_info


def test_a11_wrong_order(serve: Any) -> None:
    """A11: a denial's body before its start, and an accept or close after the start, are LocalProtocolErrors."""
    trying = Attempting()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await trying.attempt(send, {"type": BODY, "body": b"x"})
        await trying.attempt(send, {"type": START, "status": 404})
        await trying.attempt(send, ACCEPT)
        await trying.attempt(send, {"type": "websocket.close"})
        await trying.attempt(send, {"type": START, "status": 404})
        await trying.attempt(send, {"type": BODY, "body": b"x"})
        await trying.attempt(send, {"type": BODY, "body": b"x"})

    wire = serve(app).connect()
    wire.send(request())
    assert read_denial(wire) == (404, b"x")
    kinds = [type(trying.notes.next()) for _ in range(7)]
    wrong, fine = LocalProtocolError, type(None)
    assert kinds == [wrong, fine, wrong, wrong, wrong, fine, wrong]


def test_a11_denials_stream(serve: Any) -> None:
    """A11: each part of a denial is written as it comes."""
    go = Gate()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": START, "status": 429, "headers": [(b"content-length", b"10")]})
        await send({"type": BODY, "body": b"first", "more_body": True})
        await go.wait()
        await send({"type": BODY, "body": b"later"})

    wire = serve(app).connect()
    wire.send(request())
    assert wire.read_response().status == 429
    assert wire.read(5) == b"first"
    go.open()
    assert wire.read_to_end() == b"later"


def test_a11_client_leaves_within_a_denial(serve: Any) -> None:
    """A11: a client that leaves while a denial is streamed makes the next body a ClientDisconnected."""
    go, trying = Gate(), Attempting()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": START, "status": 429})
        await send({"type": BODY, "body": b"first", "more_body": True})
        trying.notes.put((await receive())["code"])
        await trying.attempt(send, {"type": BODY, "body": b"later"})

    wire = serve(app).connect()
    wire.send(request())
    wire.read_response()
    wire.close()
    go.open()
    assert trying.notes.next() == 1006
    assert isinstance(trying.notes.next(), ClientDisconnected)


def test_returns_within_a_denial(serve: Any) -> None:
    """A denial whose head is written and that is then left is cut off: the client can tell that it is not whole."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": START, "status": 429})
        await send({"type": BODY, "body": b"first", "more_body": True})

    wire = serve(app).connect()
    wire.send(request())
    assert not wire.read_to_any_end().endswith(b"0\r\n\r\n")


def test_a12_a13_after_the_own_close(serve: Any) -> None:
    """A12, A13: after its own close an application cannot send or close; receive gives its own code at once."""
    trying = Attempting()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        await send({"type": "websocket.close", "code": 4001, "reason": "done"})
        await trying.attempt(send, {"type": "websocket.close"})
        await trying.attempt(send, {"type": "websocket.send", "text": "x"})
        trying.notes.put(await receive())
        try:
            await receive()
        except Exception as error:
            trying.notes.put(error)

    wire = serve(app).open()
    closing = wire.read_close()
    assert (closing.code, closing.reason) == (4001, "done")
    assert isinstance(trying.notes.next(), LocalProtocolError)
    assert isinstance(trying.notes.next(), LocalProtocolError)
    assert trying.notes.next() == {"type": "websocket.disconnect", "code": 4001, "reason": "done"}
    assert isinstance(trying.notes.next(), LocalProtocolError)
    wire.send(close_frame(4001))
    assert wire.read_to_end() == b""


@pytest.mark.uvloop_too
def test_a14_both_close(serve: Any) -> None:
    """A14: when both close at once there is one disconnect, no second close frame, and a clean close."""
    go, notes = Gate(), Notes()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        await go.wait()
        with contextlib.suppress(ClientDisconnected):  # the peer was first
            await send({"type": "websocket.close", "code": 4001})
        notes.put(await receive())

    wire = serve(app).open()
    go.open()
    wire.send(close_frame(4002))
    assert wire.read_close().code in (4001, 4002)
    assert wire.read_to_end() == b""
    assert notes.next()["code"] in (4001, 4002)


def test_a15_returns_with_unread_messages(serve: Any) -> None:
    """A15: an application that returns with messages unread closes with 1000."""
    go = Gate()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        await go.wait()

    wire = serve(app).open()
    wire.send(frame(TEXT, "unread") * 5)
    go.open()
    assert wire.ends_with(1000)


@pytest.mark.uvloop_too
def test_raises_after_the_accept(serve: Any, errors: Any) -> None:
    """An application that raises after the accept closes with 1011 and is logged once; others hear nothing of it."""
    other_app = Noting(answer=True)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/other":
            return await other_app(scope, receive, send)
        await receive()
        await send(ACCEPT)
        raise ZeroDivisionError("on purpose")

    server = serve(app)
    other = server.open(target="/other")
    wire = server.open()
    assert wire.ends_with(1011)
    record = errors.take_one()
    assert record.exc_info
    assert isinstance(record.exc_info[1], ZeroDivisionError)
    other.send(frame(TEXT, "unharmed"))
    assert other.read_text() == "unharmed"


@pytest.mark.parametrize("answer", ["returns", "raises"])
def test_ends_without_an_answer(answer: str, serve: Any, errors: Any) -> None:
    """An application that returns or raises before it answers gives 500, and the log says why."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if answer == "raises":
            raise ZeroDivisionError("on purpose")

    wire = serve(app).connect()
    wire.send(request())
    assert wire.read_refusal().status == 500
    assert ("failed" if answer == "raises" else "returned before") in errors.take_one().getMessage()


def test_a16_cancelled_by_itself(serve: Any) -> None:
    """A16: an application that is cancelled from within closes with 1011, and the server goes on."""
    import anyio

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/echo":
            return await echo(scope, receive, send)
        await receive()
        await send(ACCEPT)
        with anyio.CancelScope() as inner:
            inner.cancel()
            await receive()
        await send({"type": "websocket.send", "text": "cancelled"})
        with anyio.move_on_after(0.01):
            await receive()
        await send({"type": "websocket.send", "text": "timed out"})

    server = serve(app)
    wire = server.open()
    assert [wire.read_text(), wire.read_text()] == ["cancelled", "timed out"]
    assert wire.ends_with(1000)
    server.open(target="/echo")


def test_a17_messages_before_the_disconnect(serve: Any) -> None:
    """A17: the disconnect comes after all messages that were completed before the close."""
    go = Gate()
    app = Noting(hold=go)
    wire = serve(app).open()
    wire.send(*[frame(TEXT, str(n)) for n in range(30)], close_frame(4000))
    go.open()
    assert [app.messages.next()["text"] for _ in range(30)] == [str(n) for n in range(30)]
    assert app.disconnect() == (4000, "")


def test_a18_buffers(serve: Any) -> None:
    """A18: bytearray and memoryview are accepted, and what the application changes later changes nothing."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        message: dict[str, Any] = {"type": "websocket.accept", "headers": [(bytearray(b"X-A"), memoryview(b"1"))]}
        await send(message)
        buffer = bytearray(b"before")
        for payload in (buffer, memoryview(buffer)):
            message = {"type": "websocket.send", "bytes": payload}
            await send(message)
            message["bytes"] = b"changed"
        buffer[:] = b"after!"
        await receive()

    wire = serve(app).connect()
    assert wire.upgrade().get("x-a") == "1"
    assert [wire.read_binary(), wire.read_binary()] == [b"before", b"before"]


def test_a19_defaults(serve: Any) -> None:
    """A19: code None is 1000 and reason None is ""."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept", "subprotocol": None, "headers": None})
        await send({"type": "websocket.close", "code": None, "reason": None})

    wire = serve(app).open()
    assert wire.ends_with(1000).payload == b"\x03\xe8"


ENDS = ["close", "empty_close", "eof", "reset", "violation"]


@pytest.mark.uvloop_too
@pytest.mark.parametrize("end", ENDS)
def test_send_after_the_end(end: str, serve: Any) -> None:
    """Every message after an end by the peer is a ClientDisconnected, an OSError, and is not logged when it escapes."""
    trying = Attempting()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        trying.notes.put((await receive())["code"])
        for message in (
            {"type": "websocket.send", "text": "x"},
            {"type": "websocket.close"},
            ACCEPT,
            {"type": START, "status": 404},
            {"type": BODY},
        ):
            await trying.attempt(send, message)
        await send({"type": "websocket.send", "bytes": b"escapes"})

    wire = serve(app).open()
    expected = 1006
    match end:
        case "close":
            wire.send(close_frame(4000))
            expected = 4000
        case "empty_close":
            wire.send(close_frame())
            expected = 1005
        case "eof":
            wire.send_eof()
        case "reset":
            wire.reset()
        case "violation":
            wire.send(frame(TEXT, b"\xff"))
            expected = 1007
    assert trying.notes.next() == expected
    for _ in range(5):
        error = trying.notes.next()
        assert isinstance(error, ClientDisconnected)
        assert isinstance(error, OSError)


def test_wrapped_disconnect_is_not_logged(serve: Any) -> None:
    """What was raised while a ClientDisconnected was handled is not logged either."""
    done = Gate()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        await receive()
        try:
            await send({"type": "websocket.send", "text": "x"})
        except OSError as error:
            done.open()
            raise RuntimeError("wrapped") from error

    wire = serve(app).open()
    wire.send(close_frame(1000))
    assert wire.read_close().code == 1000
    done.reached()


def test_failing_after_its_close_is_logged(serve: Any, errors: Any) -> None:
    """An application that raises after its own close is logged, and the close stands."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        await send({"type": "websocket.close", "code": 4000})
        raise ZeroDivisionError("on purpose")

    wire = serve(app).open()
    assert wire.ends_with(4000)
    errors.take_one()


def test_receive_from_two_tasks_and_send_from_many(serve: Any) -> None:
    """An application may send from several tasks at once: each frame is whole."""
    import anyio

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)

        async def talk(letter: bytes) -> None:
            for _ in range(20):
                await send({"type": "websocket.send", "bytes": letter * 10_000})

        async with anyio.create_task_group() as group:
            for letter in b"abcde":
                group.start_soon(talk, bytes([letter]))

    wire = serve(app).open()
    counts: dict[bytes, int] = {}
    for _ in range(100):
        message = wire.read_frame()
        assert message.opcode == BINARY
        letter = message.payload[:1]
        assert message.payload == letter * 10_000
        counts[letter] = counts.get(letter, 0) + 1
    assert set(counts.values()) == {20}
    assert wire.ends_with(1000)


def test_a_slow_application_delays_no_other(serve: Any) -> None:
    """An application that never reads, and one whose client never reads, do not delay another connection."""
    never = Gate()
    stuck = Gate()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        if scope["path"] == "/deaf":
            await never.wait()
        elif scope["path"] == "/flood":
            stuck.open()
            while True:
                await send({"type": "websocket.send", "bytes": bytes(2**16)})
        else:
            while (message := await receive())["type"] == "websocket.receive":
                await send({"type": "websocket.send", "text": message["text"]})

    server = serve(app, config=quick(close_timeout=0.5))
    deaf = server.open(target="/deaf")
    deaf.sock.setblocking(False)
    try:
        while True:
            deaf.sock.send(frame(BINARY, bytes(2**16)))
    except BlockingIOError:
        pass
    server.open(target="/flood")
    stuck.reached()
    wire = server.open()
    for n in range(100):
        wire.send(frame(TEXT, str(n)))
        assert wire.read_text() == str(n)
    never.open()
