"""The blocking client, on both backends: what a test sees of its application, and that no test hangs."""

from __future__ import annotations

import asyncio
import math
import threading
from functools import partial
from typing import Any, Literal

import anyio
import pytest
import trio

from wscore import Config, HandshakeRefused, InvalidMessage, InvalidURI, StartupFailed
from wscore.testing import TestClient, WebSocketDenialResponse, WebSocketDisconnect, WrongFrameType
from wscore.testing._thread import LoopThread

from .apps import Failure, echo, lively

Backend = Literal["asyncio", "trio"]

SHORT = 0.05


# -- the handshake


def test_it_is_a_conversation(backend: Backend) -> None:
    """Text, binary and JSON go there and come back, empty and large ones too."""
    with TestClient(echo, backend=backend).websocket_connect("/ws") as ws:
        for text in ("hello", "", "h\xe4\u20ac\U0001f600", "x" * 1_000_000):
            ws.send_text(text)
            assert ws.receive_text() == text
        ws.send_bytes(b"\x00\xff")
        assert ws.receive_bytes() == b"\x00\xff"
        ws.send_json({"a": [1, "\xe4"]})
        assert ws.receive_json() == {"a": [1, "\xe4"]}
        ws.send_json([2], mode="binary")
        assert ws.receive_json(mode="binary") == [2]


def test_json_is_compact(backend: Backend) -> None:
    """JSON is written as Starlette's client writes it: compact, and not in ASCII."""
    with TestClient(echo, backend=backend).websocket_connect("/") as ws:
        ws.send_json({"a": "\xe4", "b": 1})
        assert ws.receive_text() == '{"a":"\xe4","b":1}'


def test_the_application_gets_the_scope_of_a_server(backend: Backend) -> None:
    """Path, query, headers, subprotocols, addresses and scheme are in the scope, as on a server."""
    scopes: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await receive()
        await send({"type": "websocket.accept"})
        await receive()

    client = TestClient(app, backend=backend, headers={"x-all": "1"}, client=("192.0.2.7", 1234))
    with client.websocket_connect("/a%20b/\xe4?q=1", ["one", "two"], headers=[("x-one", "2")], origin="http://o.org"):
        pass
    (scope,) = scopes
    assert (scope["type"], scope["scheme"], scope["http_version"]) == ("websocket", "ws", "1.1")
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/a b/\xe4", b"/a%20b/%C3%A4", b"q=1")
    assert scope["subprotocols"] == ["one", "two"]
    assert (scope["client"], scope["server"]) == (("192.0.2.7", 1234), ("testserver", 80))
    headers = scope["headers"]
    assert [pair for pair in headers if pair[0].startswith(b"x-")] == [(b"x-all", b"1"), (b"x-one", b"2")]
    assert (b"origin", b"http://o.org") in headers
    assert headers[0] == (b"host", b"testserver")


@pytest.mark.parametrize(
    ("base_url", "url", "scheme", "server"),
    [
        ("ws://testserver", "/ws", "ws", ("testserver", 80)),
        ("http://example.org:81/", "ws", "ws", ("example.org", 81)),
        ("https://example.org", "/ws", "wss", ("example.org", 443)),
        ("ws://testserver", "wss://other.org:444/ws", "wss", ("other.org", 444)),
    ],
)
def test_the_url_says_host_and_scheme(base_url: str, url: str, scheme: str, server: Any) -> None:
    """A path is below the base URL, whose scheme may be http's; a whole URL stands for itself."""
    scopes: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await send({"type": "websocket.accept"})

    with TestClient(app, base_url=base_url).websocket_connect(url):
        pass
    assert (scopes[0]["scheme"], scopes[0]["server"], scopes[0]["path"]) == (scheme, server, "/ws")
    assert ("tls" in scopes[0]["extensions"]) == (scheme == "wss")


def test_the_session_has_what_was_accepted(backend: Backend) -> None:
    """The subprotocol, the application's own headers, and the whole response with them."""
    with TestClient(echo, backend=backend).websocket_connect("/", ["chat", "other"]) as ws:
        assert ws.accepted_subprotocol == "chat"
        assert ws.extra_headers == [(b"x-app", b"echo")]
        assert ws.response is not None
        assert ws.response.status == 101
    with TestClient(echo, backend=backend).websocket_connect("/") as ws:
        assert ws.accepted_subprotocol is None


def test_what_cannot_be_asked_is_refused_before_the_application_is_called(backend: Backend) -> None:
    """A wrong URL, header or subprotocol is the test's own mistake."""
    client = TestClient(echo, backend=backend)
    with pytest.raises(InvalidURI), client.websocket_connect("http://example.org/"):
        pass
    with pytest.raises(InvalidMessage), client.websocket_connect("/", headers={"a": "b\r\nc: d"}):
        pass
    with pytest.raises(InvalidMessage), client.websocket_connect("/", ["not a token"]):
        pass
    with pytest.raises(InvalidURI):
        TestClient(echo, base_url="example.org")
    with pytest.raises(ValueError, match=r"expected 'asyncio' or 'trio'"):
        TestClient(echo, backend="curio")  # type: ignore[arg-type]


# -- refusals


def denies(status: int, body: list[bytes], headers: Any = ()) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.http.response.start", "status": status, "headers": list(headers)})
        for part in body:
            await send({"type": "websocket.http.response.body", "body": part, "more_body": True})
        await send({"type": "websocket.http.response.body", "body": b""})

    return app


def test_a_denial_is_an_exception_that_carries_the_response(backend: Backend) -> None:
    """Status, headers and body are there, under the core's names and Starlette's; it is a WebSocketDisconnect too."""
    app = denies(401, [b'{"detail":', b'"who?"}'], [(b"x-why", b"unknown")])
    with pytest.raises(WebSocketDenialResponse) as refused, TestClient(app, backend=backend).websocket_connect("/"):
        pass
    error = refused.value
    assert isinstance(error, HandshakeRefused)
    assert isinstance(error, WebSocketDisconnect)
    assert (error.status, error.status_code, error.code) == (401, 401, 1006)
    assert (b"x-why", b"unknown") in error.headers
    assert error.body == error.content == b'{"detail":"who?"}'
    assert error.json() == {"detail": "who?"}
    assert error.text == '{"detail":"who?"}'
    assert "401" in str(error)


def test_a_close_before_the_accept_is_a_403(backend: Backend) -> None:
    """As over a network: the code that the application gave is seen by nobody."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.close", "code": 4000})

    with pytest.raises(WebSocketDenialResponse) as refused, TestClient(app, backend=backend).websocket_connect("/"):
        pass
    assert (refused.value.status, refused.value.reason) == (403, "closed before the accept")


def test_a_redirection_says_where_to(backend: Backend) -> None:
    """Nothing follows it."""
    app = denies(307, [], [(b"location", b"/elsewhere")])
    with pytest.raises(WebSocketDenialResponse) as refused, TestClient(app, backend=backend).websocket_connect("/"):
        pass
    assert refused.value.location == "ws://testserver/elsewhere"


def test_an_application_that_returns_without_an_answer_is_a_500(backend: Backend) -> None:
    """The exception says what the application did."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()

    with (
        pytest.raises(WebSocketDenialResponse, match="application returned without an answer") as refused,
        TestClient(app, backend=backend).websocket_connect("/"),
    ):
        pass
    assert refused.value.status == 500


async def fails_at_once(scope: Any, receive: Any, send: Any) -> None:
    raise Failure("at once")


def test_an_application_that_raises_without_an_answer_raises_in_the_test(backend: Backend) -> None:
    """The application's own exception, with its traceback."""
    with pytest.raises(Failure) as raised, TestClient(fails_at_once, backend=backend).websocket_connect("/"):
        pass
    assert raised.traceback[-1].name == "fails_at_once"


def test_or_it_is_a_500_with_the_exception_chained(backend: Backend) -> None:
    """Without raise_server_exceptions the test sees what a client on a network would, and the cause."""
    client = TestClient(fails_at_once, backend=backend, raise_server_exceptions=False)
    with pytest.raises(WebSocketDenialResponse) as refused, client.websocket_connect("/"):
        pass
    assert refused.value.status == 500
    assert isinstance(refused.value.__cause__, Failure)


def test_a_request_that_the_server_refuses_never_reaches_the_application(backend: Backend) -> None:
    """The server's limits hold in memory too."""
    client = TestClient(fails_at_once, backend=backend, config=Config(max_head_size=1024))
    with (
        pytest.raises(WebSocketDenialResponse) as refused,
        client.websocket_connect("/", headers={"x-large": "x" * 2000}),
    ):
        pass
    assert refused.value.status == 431


# -- ends


def test_the_application_learns_the_code_and_reason_of_the_test(backend: Backend) -> None:
    """`close(code, reason)` arrives as the application's disconnect message."""
    ends: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["state"]["ends"] = ends
        await echo(scope, receive, send)

    with TestClient(app, backend=backend).websocket_connect("/") as ws:
        ws.close(4001, "bye")
    assert ends == [{"type": "websocket.disconnect", "code": 4001, "reason": "bye"}]


def test_leaving_closes_with_1000(backend: Backend) -> None:
    """A test that says nothing about the end ends in good order."""
    ends: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["state"]["ends"] = ends
        await echo(scope, receive, send)

    with TestClient(app, backend=backend).websocket_connect("/") as ws:
        pass
    assert [end["code"] for end in ends] == [1000]
    assert ws.close_info is not None
    assert ws.close_info.clean


def test_the_test_learns_the_code_and_reason_of_the_application(backend: Backend) -> None:
    """What was sent before the close is received first, then every use raises WebSocketDisconnect."""
    with TestClient(echo, backend=backend).websocket_connect("/") as ws:
        ws.send_text("last")
        ws.send_text("close 4002 enough said")
        assert ws.receive_text() == "last"
        for use in (ws.receive_text, ws.receive_bytes, ws.receive_json, lambda: ws.send_text("more")):
            with pytest.raises(WebSocketDisconnect) as end:
                use()
            assert (end.value.code, end.value.reason) == (4002, "enough said")
        ws.close()


def test_an_application_that_returns_closes_with_1000(backend: Backend) -> None:
    """As wscore's servers have it."""
    with TestClient(echo, backend=backend).websocket_connect("/") as ws:
        ws.send_text("return")
        with pytest.raises(WebSocketDisconnect) as end:
            ws.receive_text()
    assert end.value.code == 1000


def test_after_its_own_close_a_test_receives_nothing(backend: Backend) -> None:
    """The connection has ended with the code that the test gave."""
    with TestClient(echo, backend=backend).websocket_connect("/") as ws:
        ws.close(4003)
        with pytest.raises(WebSocketDisconnect) as end:
            ws.receive_text()
    assert end.value.code == 4003


def test_a_code_that_no_close_frame_can_carry_is_refused(backend: Backend) -> None:
    """The connection goes on."""
    with TestClient(echo, backend=backend).websocket_connect("/") as ws:
        with pytest.raises(InvalidMessage):
            ws.close(1006)
        ws.send_text("still here")
        assert ws.receive_text() == "still here"


# -- the application fails


def test_an_exception_of_the_application_is_raised_where_the_test_waits(backend: Backend) -> None:
    """After the messages that came before it, once; then the connection is one that ended with 1011."""
    with TestClient(echo, backend=backend).websocket_connect("/") as ws:
        ws.send_text("before")
        ws.send_text("fail")
        assert ws.receive_text() == "before"
        with pytest.raises(Failure, match="as asked"):
            ws.receive_text()
        with pytest.raises(WebSocketDisconnect) as end:
            ws.receive_text()
        assert end.value.code == 1011


def test_an_exception_that_nobody_met_is_raised_on_leaving(backend: Backend) -> None:
    """A test that does not wait for anything fails all the same."""
    with (
        pytest.raises(Failure, match="as asked"),
        TestClient(echo, backend=backend).websocket_connect("/") as ws,
    ):
        ws.send_text("fail")


def test_an_exception_comes_before_what_the_test_itself_raises(backend: Backend) -> None:
    """The application's is the cause more often than not; the test's is its context."""

    def test() -> None:
        with TestClient(echo, backend=backend).websocket_connect("/") as ws:
            ws.send_text("fail")
            raise AssertionError("something was missing")

    with pytest.raises(Failure) as raised:
        test()
    assert isinstance(raised.value.__context__, AssertionError)


def test_without_raise_server_exceptions_there_is_1011(backend: Backend) -> None:
    """What a client on a network sees of a crash."""
    client = TestClient(echo, backend=backend, raise_server_exceptions=False)
    with client.websocket_connect("/") as ws:
        ws.send_text("fail")
        with pytest.raises(WebSocketDisconnect) as end:
            ws.receive_text()
    assert (end.value.code, end.value.reason) == (1011, "internal error")


def test_an_application_that_lets_the_disconnect_out_has_not_failed(backend: Backend) -> None:
    """Each framework's WebSocketDisconnect, alone or in groups, is the news that the test has left."""
    for kind in (WebSocketDisconnect, type("WebSocketDisconnect", (Exception,), {})):
        for wrap in (lambda error: error, lambda error: ExceptionGroup("", [error])):

            async def app(scope: Any, receive: Any, send: Any, kind: Any = kind, wrap: Any = wrap) -> None:
                await receive()
                await send({"type": "websocket.accept"})
                await receive()
                raise wrap(kind(1000))

            with TestClient(app, backend=backend).websocket_connect("/"):
                pass


def test_a_disconnect_that_nobody_caused_is_a_failure(backend: Backend) -> None:
    """The connection was open: an application that raises it by itself has a mistake."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        raise WebSocketDisconnect(4000)

    with TestClient(app, backend=backend).websocket_connect("/") as ws:
        with pytest.raises(WebSocketDisconnect) as raised:
            ws.receive_text()
        assert raised.value.code == 4000


def test_an_application_that_only_sends_ends_with_its_client(backend: Backend) -> None:
    """Sending to who has left raises an OSError, as on a server; let out, it is no failure."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        while True:
            await send({"type": "websocket.send", "text": "tick"})

    with TestClient(app, backend=backend).websocket_connect("/") as ws:
        assert [ws.receive_text() for _ in range(200)] == ["tick"] * 200


def test_an_application_that_cancels_itself_has_failed() -> None:
    """The connection ends with 1011, and the test is told, not cancelled."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        raise asyncio.CancelledError

    with (
        pytest.raises(RuntimeError, match="the application was cancelled") as raised,
        TestClient(app).websocket_connect("/") as ws,
    ):
        ws.receive_text()
    assert isinstance(raised.value.__cause__, asyncio.CancelledError)


def test_a_mistake_of_the_application_is_raised_in_it_and_then_in_the_test(backend: Backend) -> None:
    """The core checks its messages as on a server."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send"})

    with (
        pytest.raises(InvalidMessage, match=r"websocket\.send"),
        TestClient(app, backend=backend).websocket_connect("/") as ws,
    ):
        ws.receive_text()


def test_a_test_that_fails_fails_with_its_own_exception(backend: Backend) -> None:
    """Neither wrapped in a group nor replaced, whatever kind it is of."""
    for kind in (KeyError, KeyboardInterrupt, pytest.skip.Exception):
        with pytest.raises(kind), TestClient(echo, backend=backend).websocket_connect("/"):
            raise kind("mine")


# -- a test never hangs


async def silent(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    await receive()


def test_what_does_not_come_is_a_timeout(backend: Backend) -> None:
    """The error says what was awaited, how long, and what the application does; the connection goes on."""
    with TestClient(echo, backend=backend).websocket_connect("/") as ws:
        with pytest.raises(TimeoutError) as overdue:
            ws.receive_text(timeout=SHORT)
        assert str(overdue.value) == "receive_text(): no message within 0.05 s; the application waits in receive()"
        ws.send_text("late")
        assert ws.receive_text() == "late"


@pytest.mark.parametrize("name", ["receive_text", "receive_bytes", "receive_json"])
def test_the_clients_timeout_is_the_default(backend: Backend, name: str) -> None:
    """A test that gives no timeout has one."""
    client = TestClient(silent, backend=backend, timeout=SHORT)
    with pytest.raises(TimeoutError, match=rf"{name}\(\)"), client.websocket_connect("/", timeout=5) as ws:
        getattr(ws, name)()


def test_an_application_that_does_not_accept_is_a_timeout(backend: Backend) -> None:
    """The error says so, and the application is cancelled."""
    cancelled = threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.set()

    with (
        pytest.raises(TimeoutError, match=r"websocket_connect\(ws://testserver/\): no answer within 0\.05 s; the appl"),
        TestClient(app, backend=backend, timeout=SHORT).websocket_connect("/"),
    ):
        pass
    assert cancelled.is_set()


def test_the_servers_own_limit_for_the_accept_holds(backend: Backend) -> None:
    """With a short accept_timeout the client gets the 503 that a client on a network would."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["type"] != "websocket.disconnect":
            pass

    client = TestClient(app, backend=backend, config=Config(accept_timeout=SHORT))
    with pytest.raises(WebSocketDenialResponse, match="answer overdue") as refused, client.websocket_connect("/"):
        pass
    assert refused.value.status == 503


def test_an_application_that_does_not_return_is_a_timeout(backend: Backend) -> None:
    """One that goes on after its client has left would do so for ever on a server."""
    cancelled = threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.set()

    with (
        pytest.raises(TimeoutError, match=r"the application is at work 0\.05 s after its connection ended"),
        TestClient(app, backend=backend, timeout=SHORT).websocket_connect("/", timeout=5),
    ):
        pass
    assert cancelled.is_set()


def test_sending_to_an_application_that_does_not_read_is_a_timeout(backend: Backend) -> None:
    """The core holds so many messages and no more; then who sends waits."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await anyio.sleep_forever()

    def test() -> None:
        client = TestClient(app, backend=backend, config=Config(compression=False))
        with client.websocket_connect("/") as ws:
            for _ in range(1000):
                ws.send_bytes(b"x" * 10_000, timeout=SHORT)

    with pytest.raises(TimeoutError, match=r"send_bytes\(\): no room"):
        test()


def test_an_application_that_sends_more_than_is_received_waits(backend: Backend) -> None:
    """Backpressure is real: of very many messages only some are held, and all arrive in order."""
    sent = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal sent
        await send({"type": "websocket.accept"})
        for number in range(500):
            await send({"type": "websocket.send", "bytes": number.to_bytes(2) + b"x" * 10_000})
            sent += 1

    with TestClient(app, backend=backend, config=Config(compression=False)).websocket_connect("/") as ws:
        assert ws.receive_bytes()[:2] == b"\0\0"
        assert sent < 100
        for number in range(1, 500):
            assert ws.receive_bytes()[:2] == number.to_bytes(2)


def test_no_timeout_is_infinity(backend: Backend) -> None:
    """For a debugger, say."""
    with TestClient(echo, backend=backend, timeout=math.inf).websocket_connect("/") as ws:
        ws.send_text("a")
        assert ws.receive_text() == "a"


def test_a_message_of_the_other_kind_is_told(backend: Backend) -> None:
    """Text where binary was expected, and the other way round."""
    with TestClient(echo, backend=backend).websocket_connect("/") as ws:
        ws.send_text("a")
        with pytest.raises(WrongFrameType, match="expected a binary message, got the text one 'a'"):
            ws.receive_bytes()
        ws.send_bytes(b"a")
        with pytest.raises(WrongFrameType, match="expected a text message"):
            ws.receive_text()


# -- the lifespan


def test_the_lifespan_runs_around_the_client(backend: Backend) -> None:
    """Startup before the first connection, shutdown after the last; its state is in the scope."""
    log: list[str] = []
    with TestClient(lively(log), backend=backend) as client:
        assert log == ["startup"]
        for _ in range(2):
            with client.websocket_connect("/") as ws:
                assert ws.receive_text() == "kept"
        assert log == ["startup"]
    assert log == ["startup", "shutdown"]


def test_without_a_context_there_is_no_lifespan(backend: Backend) -> None:
    """As with Starlette's client."""
    log: list[str] = []
    with TestClient(lively(log), backend=backend).websocket_connect("/") as ws:
        assert ws.receive_text() == ""
    assert log == []


def test_a_client_may_be_entered_again(backend: Backend) -> None:
    """Each time the application starts anew."""
    log: list[str] = []
    client = TestClient(lively(log), backend=backend)
    for _ in range(2):
        with client:
            pass
    assert log == ["startup", "shutdown"] * 2


@pytest.mark.parametrize("answer", ["failed and raise", "failed"])
def test_a_startup_that_fails_is_raised(backend: Backend, answer: str) -> None:
    """What the application raised, or its own words."""
    expected, words = (Failure, "startup") if answer != "failed" else (StartupFailed, "no database")
    with pytest.raises(expected, match=words), TestClient(lively([], startup=answer), backend=backend):
        pytest.fail("it has not started")


@pytest.mark.parametrize("answer", ["failed and raise", "failed", "raise"])
def test_a_shutdown_that_fails_is_raised(backend: Backend, answer: str) -> None:
    """What the application raised, or its own words."""
    expected, words = (Failure, "shutdown") if answer != "failed" else (RuntimeError, "no database")
    with pytest.raises(expected, match=words), TestClient(lively([], shutdown=answer), backend=backend):
        pass


@pytest.mark.parametrize("event", ["startup", "shutdown"])
def test_a_lifespan_that_takes_too_long_is_a_timeout(backend: Backend, event: str) -> None:
    """Which of the two it was is in the text."""
    client = TestClient(lively([], **{event: "hang"}), backend=backend, timeout=SHORT)
    with pytest.raises(TimeoutError, match=f"the application's {event} took longer than 0.05 s"), client:
        pass


def test_an_application_without_lifespan_is_served(backend: Backend) -> None:
    """One that raises when asked has none, as on a server."""
    with TestClient(echo, backend=backend) as client, client.websocket_connect("/") as ws:
        ws.send_text("a")
        assert ws.receive_text() == "a"


def test_connections_of_one_client_share_a_loop(backend: Backend) -> None:
    """So that an application can hand a message from one to the other."""
    others: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise NotImplementedError
        await receive()
        await send({"type": "websocket.accept"})
        others.append(send)
        while (message := await receive())["type"] == "websocket.receive":
            for other in others:
                await other({"type": "websocket.send", "text": message["text"]})

    with (
        TestClient(app, backend=backend) as client,
        client.websocket_connect("/") as first,
        client.websocket_connect("/") as second,
    ):
        first.send_text("to all")
        assert first.receive_text() == second.receive_text() == "to all"


def test_the_test_fails_with_its_own_exception_though_the_lifespan_does(backend: Backend) -> None:
    """What happened first is what is told."""
    with pytest.raises(KeyError), TestClient(lively([], shutdown="failed"), backend=backend):
        raise KeyError("mine")


# -- ASGI's messages, as Starlette's client has them


def test_a_test_may_speak_in_messages(backend: Backend) -> None:
    """`send` and `receive` give and take ASGI's messages; the end is the last of them."""
    with TestClient(echo, backend=backend).websocket_connect("/") as ws:
        ws.send({"type": "websocket.receive", "text": "a"})
        assert ws.receive() == {"type": "websocket.send", "text": "a"}
        ws.send({"type": "websocket.receive", "bytes": b"b"})
        assert ws.receive() == {"type": "websocket.send", "bytes": b"b"}
        ws.send_text("close 4004 over")
        assert ws.receive() == {"type": "websocket.close", "code": 4004, "reason": "over"}
        with pytest.raises(WebSocketDisconnect):
            ws.send({"type": "websocket.receive", "text": "more"})


def test_a_test_may_leave_by_a_message(backend: Backend) -> None:
    """`websocket.disconnect` closes."""
    ends: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["state"]["ends"] = ends
        await echo(scope, receive, send)

    with TestClient(app, backend=backend).websocket_connect("/") as ws:
        ws.send({"type": "websocket.disconnect", "code": 1001})
    assert ends == [{"type": "websocket.disconnect", "code": 1001, "reason": ""}]


@pytest.mark.parametrize(
    "message", [{}, {"type": "websocket.send", "text": "a"}, {"type": "websocket.receive", "text": None}]
)
def test_any_other_message_is_refused(message: dict[str, Any]) -> None:
    """The text says what was expected; the connection goes on."""
    with TestClient(echo).websocket_connect("/") as ws:
        with pytest.raises(InvalidMessage, match=r"expected websocket\.receive with text or bytes"):
            ws.send(message)
        ws.send_text("still here")
        assert ws.receive_text() == "still here"


def test_what_had_arrived_before_the_close_can_be_received(backend: Backend) -> None:
    """As with any client; what came later is lost."""
    with TestClient(echo, backend=backend).websocket_connect("/") as ws:
        ws.send_text("first")
        ws.send_text("second")
        assert ws.receive_text() == "first"
        ws.send_text("third")
        assert ws.receive_text() == "second"
        ws.close()
        with pytest.raises(WebSocketDisconnect):
            [ws.receive_text() for _ in range(2)]


# -- the application is no application


def test_what_is_no_exception_fails_the_test_all_the_same(backend: Backend) -> None:
    """`sys.exit()` and `pytest.fail()` in an application arrive as they are."""
    for kind in (SystemExit, pytest.fail.Exception):

        async def app(scope: Any, receive: Any, send: Any, kind: Any = kind) -> None:
            await send({"type": "websocket.accept"})
            await receive()
            raise kind("in the application")

        with (
            pytest.raises(kind, match="in the application"),
            TestClient(app, backend=backend) as client,
            client.websocket_connect("/") as ws,
        ):
            ws.receive_text()


def test_an_application_that_blocks_its_loop_is_told_apart() -> None:
    """The error shows where it is; the test goes on, and the thread ends once the application lets it."""
    go_on = threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await receive()
        await receive()
        assert go_on.wait(60)

    def test() -> None:
        client = TestClient(app, timeout=SHORT)
        client._new_loop = partial(LoopThread, "asyncio", {}, patience=0.5)  # of 5: the test need not take so long
        with client.websocket_connect("/", timeout=20) as ws:
            ws.send_text("now")
            ws.receive_text()

    with pytest.raises(TimeoutError, match=r"(?s)the application blocks its event loop.*go_on\.wait"):
        test()
    go_on.set()
    for thread in threading.enumerate():
        if thread.name.startswith("wscore.testing"):
            thread.join(20)


def test_a_session_that_was_left_says_so(backend: Backend) -> None:
    """Its loop is gone, or its connection has ended."""
    with TestClient(echo, backend=backend).websocket_connect("/") as ws:
        pass
    with pytest.raises(RuntimeError, match="the client was left"):
        ws.receive_text()
    with TestClient(echo, backend=backend) as client:
        with client.websocket_connect("/") as ws:
            pass
        with pytest.raises(WebSocketDisconnect):
            ws.receive_text()


def test_a_client_is_entered_once_at_a_time(backend: Backend) -> None:
    """Two lifespans at once would share one state."""
    with (
        TestClient(echo, backend=backend) as client,
        pytest.raises(RuntimeError, match="entered already"),
    ):
        client.__enter__()


def test_a_query_may_hold_a_url() -> None:
    """Only a URL that starts with a scheme is whole."""
    queries: list[bytes] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        queries.append(scope["query_string"])
        await send({"type": "websocket.accept"})

    with TestClient(app).websocket_connect("/ws?next=http://example.org/"):
        pass
    assert queries == [b"next=http://example.org/"]


# -- which loop


def test_the_backend_is_what_was_asked_for(backend: Backend) -> None:
    """The application runs on it."""
    found: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        found.append("trio" if trio.lowlevel.in_trio_run() else "asyncio")
        await send({"type": "websocket.accept"})

    with TestClient(app, backend=backend).websocket_connect("/"):
        pass
    assert found == [backend]


def test_the_backends_options_are_anyios() -> None:
    """uvloop's event loop is one of them."""
    found: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        found.append(type(asyncio.get_running_loop()).__module__)
        await send({"type": "websocket.accept"})

    pytest.importorskip("uvloop")
    with TestClient(app, backend_options={"use_uvloop": True}).websocket_connect("/"):
        pass
    assert found == ["uvloop"]
