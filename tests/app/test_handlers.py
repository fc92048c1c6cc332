"""The kinds of handlers: how they are recognised, what they get, what becomes of what they return, and the end."""

from __future__ import annotations

from functools import partial
from typing import Any

import anyio
import pytest

from wscore.app import App, Events, InjectionError, Route, WebSocket, WebSocketDisconnect

from .memory import connected, settled

pytestmark = pytest.mark.anyio


def app_with(endpoint: Any) -> App:
    return App([Route("/", endpoint)])


def events(**functions: Any) -> Events:
    found = Events()
    for event, function in functions.items():
        found.on(event)(function)
    return found


# -- what is recognised


async def by_connection(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(f"got {text}")


async def by_message(message: str) -> str:
    return f"got {message}"


def by_message_in_a_thread(message: str) -> str:
    return f"got {message}"


class ByMethods:
    async def receive(self, message: str) -> str:
        return f"got {message}"


class ByPlainMethods:
    def receive(self, message: str) -> str:
        return f"got {message}"


async def asgi3(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": f"got {event['text']}"})


def asgi2(scope: Any) -> Any:
    return partial(asgi3, scope)


class Asgi2Class:
    def __init__(self, scope: Any) -> None:
        self.scope = scope

    async def __call__(self, receive: Any, send: Any) -> None:
        await asgi3(self.scope, receive, send)


class Asgi3Object:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await asgi3(scope, receive, send)


class Asgi3Class:
    """As Starlette's endpoints are: called with the three, and awaited."""

    def __init__(self, scope: Any, receive: Any, send: Any) -> None:
        self.run = partial(asgi3, scope, receive, send)

    def __await__(self) -> Any:
        return self.run().__await__()


@pytest.mark.parametrize(
    "endpoint",
    [
        by_connection,
        by_message,
        by_message_in_a_thread,
        ByMethods,
        ByPlainMethods,
        events(message=by_message),
        asgi3,
        asgi2,
        Asgi2Class,
        Asgi3Object(),
        Asgi3Class,
        App([Route("/", by_message)]),
        partial(by_message),
    ],
    ids=lambda endpoint: getattr(endpoint, "__name__", type(endpoint).__name__),
)
async def test_every_kind_serves_a_route(endpoint: Any) -> None:
    """Functions of the connection and of each message, classes, Events, and ASGI applications of both versions."""
    async with connected(app_with(endpoint)) as peer:
        await peer.accepted()
        peer.say("a")
        peer.say("b")
        assert [await peer.text(), await peer.text()] == ["got a", "got b"]
        peer.leave()
        assert await peer.over() is None


async def nothing_to_be_told_by() -> None: ...


async def without_annotation(websocket) -> None: ...  # type: ignore[no-untyped-def]


class WithoutReceive:
    async def connect(self) -> None: ...


class WithoutMessage:
    async def receive(self, text: str) -> None: ...


class Needy:
    def __init__(self, database: dict[str, int]) -> None: ...

    async def receive(self, message: str) -> None: ...


class NeedyConnect:
    async def connect(self, n: int) -> None: ...

    async def receive(self, message: str) -> None: ...


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        (nothing_to_be_told_by, "nothing_to_be_told_by(): expected a parameter annotated WebSocket"),
        (without_annotation, "without_annotation(websocket): expected a parameter annotated WebSocket"),
        (WithoutReceive, "class WithoutReceive: expected a method receive(self, message)"),
        (WithoutMessage, "WithoutMessage.receive: "),
        (Needy, "Needy: nobody provides parameter 'database'"),
        (NeedyConnect, "NeedyConnect.connect: nobody provides parameter 'n'"),
        (events(message=without_annotation), "without_annotation (on message): nobody provides parameter 'websocket'"),
        (3, "3: expected a function, a class, Events or an ASGI application"),
        ("chat", "'chat': expected a function"),
    ],
)
def test_wrong_shapes_fail_at_registration(endpoint: Any, words: str) -> None:
    """The message names the handler, and what was expected of it."""
    with pytest.raises(InjectionError) as caught:
        app_with(endpoint)
    assert words in str(caught.value)


def test_an_event_that_there_is_not() -> None:
    """The message names it, and those there are."""
    with pytest.raises(
        InjectionError, match="no event is called 'open'; expected one of connect, message, close, error"
    ):
        Events().on("open")


def test_a_wrong_function_for_an_event_fails_where_it_is_registered() -> None:
    """Once the route exists, a later registration is checked at once."""
    chat = App().events("/")
    with pytest.raises(InjectionError, match="nobody provides parameter 'websocket' without an annotation"):
        chat.on("message")(without_annotation)


async def test_a_later_function_takes_the_place_of_an_earlier_one() -> None:
    """One function for each event."""
    app = App()
    chat = app.events("/")
    chat.on("message")(lambda message: "first")
    chat.on("message")(lambda message: "second")
    async with connected(app) as peer:
        await peer.accepted()
        peer.say("x")
        assert await peer.text() == "second"


# -- messages


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("text", {"text": "text"}),
        ("", {"text": ""}),
        (b"bytes", {"bytes": b"bytes"}),
        (bytearray(b"bytes"), {"bytes": b"bytes"}),
        ({"a": [1, None, "é"]}, {"text": '{"a":[1,null,"é"]}'}),
        (0, {"text": "0"}),
        (False, {"text": "false"}),
    ],
)
async def test_what_a_function_returns_is_sent(value: Any, sent: dict[str, Any]) -> None:
    """Text and binary as they are, anything else as JSON in text."""
    async with connected(app_with(lambda message: value)) as peer:
        await peer.accepted()
        peer.say("x")
        assert await peer.next() == {"type": "websocket.send", **sent}


async def test_none_sends_nothing() -> None:
    """The next answer is the next thing sent."""
    async with connected(app_with(lambda message: message or None)) as peer:
        await peer.accepted()
        peer.say("")
        peer.say("x")
        assert await peer.text() == "x"


def echo_str(message: str) -> str:
    return repr(message)


def echo_bytes(message: bytes) -> str:
    return repr(message)


def echo_both(message: str | bytes) -> str:
    return repr(message)


def echo_any(message: Any) -> str:
    return repr(message)


def echo_json(message: dict[str, Any]) -> str:
    return repr(message)


def echo_names(message: dict[str, bytes]) -> str:
    return repr(message)


@pytest.mark.parametrize(
    ("handler", "data", "answer"),
    [
        (echo_str, "a", "'a'"),
        (echo_bytes, b"a", "b'a'"),
        (echo_both, "a", "'a'"),
        (echo_both, b"a", "b'a'"),
        (echo_any, b"a", "b'a'"),
        (lambda message: repr(message), b"a", "b'a'"),
        (echo_json, '{"a": 1}', "{'a': 1}"),
        (echo_json, b'{"a": 1}', "{'a': 1}"),
        (echo_names, '{"a": 1}', "{'a': 1}"),
    ],
)
async def test_the_annotation_says_what_message_is(handler: Any, data: str | bytes, answer: str) -> None:
    """Str or bytes: that kind; both, Any or nothing: whatever comes; anything else: JSON."""
    async with connected(app_with(handler)) as peer:
        await peer.accepted()
        peer.say(data)
        assert await peer.text() == answer


@pytest.mark.parametrize(
    ("handler", "data", "reason"),
    [
        (echo_str, b"a", "expected text messages"),
        (echo_bytes, "a", "expected binary messages"),
        (echo_json, "no json", "expected JSON"),
        (echo_json, b"\xff", "expected JSON"),
        (echo_json, "[" * 100_000, "expected JSON"),
    ],
    ids=["binary", "text", "no JSON", "no UTF-8", "too deep"],
)
@pytest.mark.parametrize("kind", ["function", "class", "events"])
async def test_a_message_of_the_wrong_kind_closes_with_1003(
    kind: str, handler: Any, data: str | bytes, reason: str
) -> None:
    """The client's mistake: no error is raised, and the close hook has the code."""
    ends: list[tuple[int, str]] = []

    class Handler:
        def receive(self, message: Any) -> str:
            raise AssertionError

        def disconnect(self, code: int, reason: str) -> None:
            ends.append((code, reason))

    Handler.receive.__annotations__["message"] = handler.__annotations__["message"]
    close = lambda code, reason: ends.append((code, reason))  # noqa: E731
    endpoint = {"function": handler, "class": Handler, "events": events(message=handler, close=close)}[kind]
    async with connected(app_with(endpoint)) as peer:
        await peer.accepted()
        peer.say(data)
        assert await peer.close() == (1003, reason)
        assert await peer.over() is None
    assert ends == ([(1003, reason)] if kind != "function" else [])


async def test_messages_are_handled_in_order_and_never_at_once() -> None:
    """A message waits for the one before it."""
    running: list[str] = []
    gate = anyio.Event()

    async def handler(message: str) -> str:
        running.append(message)
        if message == "slow":
            await gate.wait()
        return message

    async with connected(app_with(handler)) as peer:
        await peer.accepted()
        peer.say("slow")
        peer.say("quick")
        await settled()
        assert running == ["slow"]
        gate.set()
        assert [await peer.text(), await peer.text()] == ["slow", "quick"]


# -- the opening


async def test_the_connect_hooks_value_is_sent_first() -> None:
    """It runs before the connection is accepted, and what it returns is sent after."""
    order: list[str] = []

    def connect(websocket: WebSocket) -> str:
        order.append(websocket.application_state.name)
        return "welcome"

    async with connected(app_with(events(connect=connect, message=by_message))) as peer:
        await peer.accepted()
        assert await peer.text() == "welcome"
    assert order == ["CONNECTING"]


@pytest.mark.parametrize("kind", ["class", "events"])
async def test_the_connect_hook_may_refuse(kind: str) -> None:
    """`close()` there is a refusal, and the close hook hears nothing of a connection that never was."""
    closed: list[int] = []

    class Handler:
        async def connect(self, websocket: WebSocket) -> None:
            await websocket.close()

        async def receive(self, message: str) -> None: ...

        def disconnect(self, code: int) -> None:
            closed.append(code)

    async def connect(websocket: WebSocket) -> None:
        await websocket.close()

    endpoint = Handler if kind == "class" else events(connect=connect, close=lambda code: closed.append(code))
    async with connected(app_with(endpoint)) as peer:
        assert await peer.close() == (1000, "")
        assert await peer.over() is None
    assert closed == []


async def test_the_connect_hook_may_accept_by_itself() -> None:
    """With a subprotocol, say; it is not accepted twice."""

    async def connect(websocket: WebSocket) -> str:
        await websocket.accept("chat")
        return "welcome"

    async with connected(app_with(events(connect=connect))) as peer:
        assert (await peer.next())["subprotocol"] == "chat"
        assert await peer.text() == "welcome"


async def test_a_class_has_one_object_per_connection() -> None:
    """What a connection keeps is its own."""

    class Counter:
        def __init__(self) -> None:
            self.n = 0

        def receive(self, message: str) -> str:
            self.n += 1
            return f"{message} {self.n}"

    app = app_with(Counter)
    async with connected(app) as one, connected(app) as two:
        for peer in (one, two):
            await peer.accepted()
            peer.say("x")
            peer.say("x")
        assert [await one.text(), await one.text(), await two.text(), await two.text()] == ["x 1", "x 2"] * 2


# -- the end


@pytest.mark.parametrize("kind", ["class", "events"])
@pytest.mark.parametrize("end", ["client", "application", "crash", "crash in connect", "gone", "cancellation"])
async def test_the_close_hook_runs_once_with_the_code(kind: str, end: str) -> None:
    """Whoever ended it, and however: once, with the code and reason of the connection's end."""
    ends: list[tuple[int, str]] = []

    async def connect(websocket: WebSocket) -> None:
        if end == "crash in connect":
            await websocket.accept()
            raise LookupError("on purpose")

    async def talk(message: str, websocket: WebSocket) -> str | None:
        if message == "application":
            await websocket.close(4000, "enough")
        if message == "crash":
            raise LookupError("on purpose")
        if message == "cancellation":
            await anyio.sleep_forever()
        return "answer"

    def close(code: int, reason: str) -> None:
        ends.append((code, reason))

    class Handler:
        async def connect(self, websocket: WebSocket) -> None:
            await connect(websocket)

        async def receive(self, message: str, websocket: WebSocket) -> str | None:
            return await talk(message, websocket)

        async def disconnect(self, code: int, reason: str) -> None:
            await anyio.lowlevel.checkpoint()
            close(code, reason)

    endpoint = Handler if kind == "class" else events(connect=connect, message=talk, close=close)
    async with connected(app_with(endpoint)) as peer:
        await peer.accepted()
        if end == "client":
            peer.leave(4001, "bye")
        elif end == "gone":
            peer.say("x")
            peer.vanish()
        else:
            peer.say(end)
        if end == "cancellation":
            await settled()
            peer.cancel_scope.cancel()
        error = await peer.over()
    assert isinstance(error, LookupError) is end.startswith("crash")
    expected = {
        "client": (4001, "bye"),
        "application": (4000, "enough"),
        "crash": (1011, ""),
        "crash in connect": (1011, ""),
        "gone": (1006, ""),
        "cancellation": (1006, ""),
    }
    assert ends == [expected[end]]


@pytest.mark.parametrize("kind", ["function", "class", "events", "connection"])
async def test_a_crash_closes_with_1011_and_is_raised_to_the_server(kind: str) -> None:
    """The client hears of it, and the server logs it."""

    async def crash(message: str) -> None:
        raise LookupError(message)

    class Handler:
        async def receive(self, message: str) -> None:
            raise LookupError(message)

    async def connection(websocket: WebSocket) -> None:
        await websocket.accept()
        raise LookupError(await websocket.receive_text())

    endpoint = {"function": crash, "class": Handler, "events": events(message=crash), "connection": connection}[kind]
    async with connected(app_with(endpoint)) as peer:
        await peer.accepted()
        peer.say("on purpose")
        assert await peer.close() == (1011, "")
        assert repr(await peer.over()) == "LookupError('on purpose')"


async def test_the_error_hook_is_told_and_may_send_a_last_word() -> None:
    """It gets the error, what it returns is sent, and the connection is closed with 1011 all the same."""
    order: list[str] = []

    async def crash(message: str) -> None:
        raise LookupError("on purpose")

    def error(error: Exception) -> str:
        order.append(repr(error))
        return "sorry"

    endpoint = events(message=crash, error=error, close=lambda code: order.append(str(code)))
    async with connected(app_with(endpoint)) as peer:
        await peer.accepted()
        peer.say("x")
        assert await peer.text() == "sorry"
        assert await peer.close() == (1011, "")
        assert isinstance(await peer.over(), LookupError)
    assert order == ["LookupError('on purpose')", "1011"]


async def test_an_error_hook_that_cannot_send_loses_no_error() -> None:
    """The client has gone meanwhile: the handler's error is still raised to the server."""
    gate = anyio.Event()

    async def crash(message: str) -> None:
        await gate.wait()
        raise LookupError("on purpose")

    async with connected(app_with(events(message=crash, error=lambda error: "sorry"))) as peer:
        await peer.accepted()
        peer.say("x")
        await settled()
        peer.vanish()
        gate.set()
        assert isinstance(await peer.over(), LookupError)


async def test_an_error_hook_that_fails_keeps_the_first_error() -> None:
    """Both are in what the server logs; the client gets its 1011."""

    def crash(message: str) -> None:
        raise LookupError("first")

    def error(error: Exception) -> None:
        raise ValueError("second")

    async with connected(app_with(events(message=crash, error=error))) as peer:
        await peer.accepted()
        peer.say("x")
        assert await peer.close() == (1011, "")
        raised = await peer.over()
    assert isinstance(raised, ValueError)
    assert isinstance(raised.__context__, LookupError)


async def test_the_disconnect_of_another_connection_is_a_crash_like_any_other() -> None:
    """A handler that uses a connection which has ended is not taken for one whose own client has gone."""
    other = WebSocketDisconnect(1001, "not mine")

    async def handler(message: str) -> None:
        raise other

    async with connected(app_with(handler)) as peer:
        await peer.accepted()
        peer.say("x")
        assert await peer.close() == (1011, "")
        raised = await peer.over()
    assert isinstance(raised, RuntimeError)
    assert raised.__context__ is other
    assert "used another connection" in str(raised)


async def test_a_handler_need_not_mind_the_disconnect() -> None:
    """WebSocketDisconnect, not caught, is the end of the connection and no error."""

    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        while True:
            await websocket.receive_text()

    async with connected(app_with(handler)) as peer:
        await peer.accepted()
        peer.leave(1001)
        assert await peer.over() is None
