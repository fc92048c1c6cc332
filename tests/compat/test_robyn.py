"""Robyn's WebSockets on real sockets: the programs of its page, and its behaviour row by row."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import socket
import struct
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as connect_client

from wscore.app import InjectionError
from wscore.compat.robyn import (
    QueryParams,
    Robyn,
    SubRouter,
    WebSocket,
    WebSocketAdapter,
    WebSocketConnector,
    WebSocketDisconnect,
    jsonify,
)

from ..real_time import PATIENCE
from ..serving import BACKENDS, serving
from . import robyn_programs as programs


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Client:
    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    def send(self, data: str | bytes) -> None:
        self.connection.send(data)

    def next(self) -> str | bytes:
        return self.connection.recv(timeout=PATIENCE)

    def says(self, data: str | bytes) -> str | bytes:
        self.send(data)
        return self.next()

    def ends(self) -> tuple[list[str | bytes], int | None]:
        """What still comes, and the code of the close frame; None where there was none."""
        rest: list[str | bytes] = []
        try:
            while True:
                rest.append(self.next())
        except ConnectionClosed as end:
            return rest, None if end.rcvd is None else end.rcvd.code

    def reset(self) -> None:
        sock = self.connection.socket
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()


class Server:
    def __init__(self, port: int, stack: contextlib.ExitStack) -> None:
        self.port = port
        self._stack = stack

    def connect(self, target: str = "/web_socket") -> Client:
        url = f"ws://127.0.0.1:{self.port}{target}"
        return Client(self._stack.enter_context(connect_client(url, open_timeout=PATIENCE)))


@contextlib.contextmanager
def served(app: Robyn, backend: str) -> Iterator[Server]:
    with serving(app, backend) as port, contextlib.ExitStack() as stack:
        yield Server(port, stack)


def program(text: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__file__": __file__}
    exec(compile(programs.PREAMBLE + text, "program", "exec", dont_inherit=True), names)
    return names


def until(true: Any) -> None:
    """Wait for what another thread brings about."""
    event = threading.Event()
    for _ in range(int(PATIENCE * 100)):
        if true():
            return
        event.wait(0.01)
    raise AssertionError("it did not come about")


def app_with(path: str = "/web_socket") -> tuple[Robyn, WebSocket]:
    app = Robyn(__file__)
    return app, WebSocket(app, path)


# -- the page's programs


def test_the_first_program_greets_and_answers(backend: str) -> None:
    """The connect handler's text comes first, and each message is answered; the handlers' names mean nothing."""
    with served(program(programs.HELLO)["app"], backend) as server:
        client = server.connect()
        assert client.next() == "Connected to ws"
        assert client.says("a") == "Hello world, from ws"
        assert client.says("b") == "Hello world, from ws"


@pytest.mark.parametrize(
    "text",
    [programs.SYNC_SEND_TO, programs.SYNC_SEND_TO_TYPED, programs.ASYNC_SEND_TO, programs.ASYNC_SEND_TO_TYPED],
    ids=["sync", "sync-typed", "async", "async-typed"],
)
def test_the_programs_that_send_to_themselves(backend: str, text: str) -> None:
    """What a handler sends comes before what it returns, and `return ""` is an empty frame; nobody else gets it."""
    with served(program(text)["app"], backend) as server:
        client, other = server.connect(), server.connect()
        assert [client.says("x"), client.next()] == ["This is a message to self", ""]
        assert [other.says("y"), other.next()] == ["This is a message to self", ""]


@pytest.mark.parametrize(
    "text",
    [programs.SYNC_BROADCAST, programs.SYNC_BROADCAST_TYPED, programs.ASYNC_BROADCAST, programs.ASYNC_BROADCAST_TYPED],
    ids=["sync", "sync-typed", "async", "async-typed"],
)
def test_the_programs_that_broadcast(backend: str, text: str) -> None:
    """A broadcast reaches everybody, its sender included."""
    with served(program(text)["app"], backend) as server:
        client, other = server.connect(), server.connect()
        assert [other.says("hello"), other.next()] == ["This is a message to self", ""]  # both are connected
        assert client.next() == "This is a message to self"
        assert [client.says("x"), client.next()] == ["This is a message to self", ""]
        assert other.next() == "This is a message to self"


@pytest.mark.parametrize("text", [programs.QUERY, programs.QUERY_TYPED], ids=["untyped", "typed"])
def test_the_programs_that_read_the_query(backend: str, text: str) -> None:
    """Query parameters decide what is said."""
    with served(program(text)["app"], backend) as server:
        gordon = server.connect("/web_socket?name=gordon&desg=commissioner")
        assert [gordon.says("x"), gordon.next()] == ["Gordon authorized to login!", ""]
        assert server.connect("/web_socket?name=joker&desg=commissioner").says("x") == ""


@pytest.mark.parametrize("text", [programs.CLOSE, programs.CLOSE_TYPED], ids=["untyped", "typed"])
def test_the_programs_that_close(backend: str, text: str) -> None:
    """`close()` takes effect once the returned text is sent, with a close frame and 1000; the registry forgets it."""
    app = program(text)["app"]
    with served(app, backend) as server:
        client, other = server.connect(), server.connect()
        assert client.says("hello") == "Message received"
        client.send("disconnect")
        assert client.ends() == (["Closing connection"], 1000)
        assert other.says("still there") == "Message received"
        until(lambda: len(app.registry) == 1)


# -- handlers


def test_an_event_that_is_none_fails_where_the_decorator_is_applied() -> None:
    """`on` itself takes any name; applying what it gives raises, with the name."""
    _, websocket = app_with()
    decorator = websocket.on("msg")
    with pytest.raises(Exception, match="Socket method msg does not exist"):
        decorator(lambda: None)


def test_the_decorator_gives_the_function_back() -> None:
    """A decorated function keeps its name."""
    _, websocket = app_with()

    def handler() -> None: ...

    assert websocket.on("message")(handler) is handler


def test_a_later_handler_takes_the_place_of_an_earlier_one(backend: str) -> None:
    """One handler per event: the last."""
    app, websocket = app_with()
    websocket.on("message")(lambda: "first")
    websocket.on("message")(lambda: "second")
    with served(app, backend) as server:
        assert server.connect().says("x") == "second"


def test_handlers_are_optional(backend: str) -> None:
    """Without any handler, a connection opens, takes messages and closes cleanly."""
    app, _ = app_with()
    with served(app, backend) as server:
        client = server.connect()
        client.send("x")
        client.connection.close()
        assert client.connection.close_code == 1000
        until(lambda: len(app.registry) == 0)


def test_parameters_are_bound_by_name_and_otherwise_in_order(backend: str) -> None:
    """`ws` and `msg` are known by name in any order; other names stand for ws, and then msg."""
    app = Robyn(__file__)
    kinds = {
        "/swapped": lambda msg, ws: f"{msg} {type(ws).__name__}",
        "/one": lambda msg: msg,
        "/other": lambda socket, text: f"{text} {type(socket).__name__}",
        "/mixed": lambda text, ws: f"{text} {type(ws).__name__}",
        "/four": lambda ws, msg, global_dependencies, router_dependencies: jsonify(
            [msg, global_dependencies, router_dependencies]
        ),
        "/dependencies": lambda router_dependencies, msg: jsonify([msg, router_dependencies]),
    }
    for path, handler in kinds.items():
        WebSocket(app, path).on("message")(handler)
    with served(app, backend) as server:
        answers = {path: server.connect(path).says("hey") for path in kinds}
    assert answers == {
        "/swapped": "hey WebSocketConnector",
        "/one": "hey",
        "/other": "hey WebSocketConnector",
        "/mixed": "hey WebSocketConnector",
        "/four": '["hey",{},{}]',
        "/dependencies": '["hey",{}]',
    }


def test_a_parameter_that_nobody_provides_fails_at_registration() -> None:
    """The message names handler and parameter."""
    _, websocket = app_with()

    def talk(ws: Any, msg: Any, logger: Any) -> None: ...

    with pytest.raises(InjectionError, match=r"talk: nobody provides parameter 'logger'"):
        websocket.on("message")(talk)


def test_msg_is_empty_where_nothing_came(backend: str) -> None:
    """Handlers for "connect" and "close" get "" as `msg`."""
    app, websocket = app_with()
    closed: list[str] = []
    websocket.on("connect")(lambda ws, msg: repr(msg))
    websocket.on("close")(lambda ws, msg: closed.append(msg))
    with served(app, backend) as server:
        client = server.connect()
        assert client.next() == "''"
        client.connection.close()
        until(lambda: closed)
    assert closed == [""]


def test_dependencies_are_injected(backend: str) -> None:
    """`inject` is the WebSocket's own, `inject_global` is for every WebSocket of the application."""
    app = Robyn(__file__)
    one, two = WebSocket(app, "/one"), WebSocket(app, "/two")
    one.inject(name="one")
    one.inject_global(shared=1)
    app.inject_global(more=2)

    def handler(global_dependencies: Any, router_dependencies: Any) -> str:
        return jsonify([global_dependencies, router_dependencies])

    one.on("message")(handler)
    two.on("message")(handler)
    with served(app, backend) as server:
        assert server.connect("/one").says("") == '[{"shared":1,"more":2},{"name":"one"}]'
        assert server.connect("/two").says("") == '[{"shared":1,"more":2},{}]'


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_what_a_handler_returns(backend: str, kind: str) -> None:
    """Text is a text frame, "" an empty one, None nothing, bytes a binary frame, anything else compact JSON."""
    values = {"text": "héllo", "empty": "", "none": None, "bytes": b"\0\1", "json": {"a": [1, "é"]}, "end": "end"}
    app, websocket = app_with()
    if kind == "sync":
        websocket.on("message")(lambda msg: values[msg])
    else:

        @websocket.on("message")
        async def handler(msg: str) -> Any:
            return values[msg]

    with served(app, backend) as server:
        client = server.connect()
        for name in values:
            client.send(name)
        assert [client.next() for _ in range(5)] == ["héllo", "", b"\0\1", '{"a":[1,"é"]}', "end"]


def test_binary_messages_reach_the_handler(backend: str) -> None:
    """A binary message comes as bytes."""
    app, websocket = app_with()
    websocket.on("message")(lambda msg: repr(msg))
    with served(app, backend) as server:
        assert server.connect().says(b"\xff\0") == r"b'\xff\x00'"


def test_a_ping_is_answered_and_no_handler_is_called(backend: str) -> None:
    """A ping gets its pong; the connect handler runs once."""
    app, websocket = app_with()
    websocket.on("connect")(lambda: "connected")
    websocket.on("message")(lambda msg: msg)
    with served(app, backend) as server:
        client = server.connect()
        assert client.next() == "connected"
        assert client.connection.ping().wait(PATIENCE)
        assert client.says("x") == "x"


def test_messages_of_one_connection_are_handled_in_order_and_never_at_once(backend: str) -> None:
    """An async handler that waits keeps the next message waiting, and other connections not."""
    import anyio

    app, websocket = app_with()
    free = threading.Event()
    running: list[str] = []

    @websocket.on("message")
    async def talk(msg: str) -> str:
        running.append(msg)
        if msg == "slow":
            await anyio.to_thread.run_sync(free.wait, PATIENCE)
        return f"{msg} done"

    with served(app, backend) as server:
        client, other = server.connect(), server.connect()
        client.send("slow")
        client.send("quick")
        until(lambda: running == ["slow"])
        assert other.says("other") == "other done"
        assert running == ["slow", "other"]
        free.set()
        assert [client.next(), client.next()] == ["slow done", "quick done"]


def test_sync_handlers_do_not_block_others(backend: str) -> None:
    """A plain def runs in a worker thread."""
    app, websocket = app_with()
    meeting = threading.Barrier(2)

    @websocket.on("message")
    def talk(msg: str) -> str:
        meeting.wait(PATIENCE)
        return str(threading.get_ident())

    with served(app, backend) as server:
        one, two = server.connect(), server.connect()
        one.send("x")
        two.send("x")  # each waits for the other, within its handler
        assert one.next() != two.next()


# -- sending


def test_the_id_is_a_uuid_and_stays(backend: str) -> None:
    """`ws.id` is a UUID's text, the same in every handler of a connection, and another for each."""
    app, websocket = app_with()
    websocket.on("connect")(lambda ws: ws.id)
    websocket.on("message")(lambda ws: ws.id)
    with served(app, backend) as server:
        one, two = server.connect(), server.connect()
        id = one.next()
        assert isinstance(id, str)
        assert str(uuid.UUID(id)) == id
        assert one.says("x") == id != two.next()


def test_a_message_to_another(backend: str) -> None:
    """An id that one connection knows of another is an address."""
    app, websocket = app_with()
    websocket.on("connect")(lambda ws: ws.id)
    websocket.on("message")(lambda ws, msg: ws.sync_send_to(msg, "psst"))
    with served(app, backend) as server:
        one, two = server.connect(), server.connect()
        one.next()
        one.send(str(two.next()))
        assert two.next() == "psst"


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_an_unknown_id_is_logged_and_no_error(backend: str, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """A UUID that nobody has, a text that is none, and an id of another endpoint are a warning each."""
    app, websocket = app_with()
    other = WebSocket(app, "/other")
    other.on("connect")(lambda ws: ws.id)
    if kind == "sync":

        @websocket.on("message")
        def send(ws: WebSocketConnector, msg: str) -> str:
            assert ws.sync_send_to(msg, "x") is None
            return "went on"
    else:

        @websocket.on("message")
        async def send(ws: WebSocketConnector, msg: str) -> str:
            assert await ws.async_send_to(msg, "x") is None
            return "went on"

    with served(app, backend) as server, caplog.at_level(logging.WARNING, "wscore.robyn"):
        client, stranger = server.connect(), server.connect("/other")
        ids = [str(uuid.uuid4()), "no uuid", str(stranger.next())]
        assert [client.says(id) for id in ids] == ["went on"] * 3
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        f"No client found for id: {id}" for id in ids
    ]


def test_a_broadcast_stays_within_its_endpoint(backend: str) -> None:
    """Connections to another endpoint of the application get nothing."""
    app = Robyn(__file__)
    for path in ("/a", "/b"):
        WebSocket(app, path).on("message")(lambda ws, msg: ws.sync_broadcast(msg))
    with served(app, backend) as server:
        a, b = server.connect("/a"), server.connect("/b")
        assert a.says("for a") == "for a"
        assert b.says("for b") == "for b"


def test_the_sync_methods_work_from_any_thread(backend: str) -> None:
    """A thread of the application's own sends, broadcasts and closes."""
    app, websocket = app_with()
    connectors: list[WebSocketConnector] = []
    websocket.on("connect")(lambda ws: connectors.append(ws) or "hello")
    with served(app, backend) as server:
        client = server.connect()
        assert client.next() == "hello"
        ws = connectors[0]

        def work() -> None:
            ws.sync_send_to(ws.id, "one")
            ws.sync_broadcast("two")
            ws.close()

        thread = threading.Thread(target=work)
        thread.start()
        thread.join(PATIENCE)
        assert client.ends() == (["one", "two"], 1000)
        until(lambda: len(app.registry) == 0)
    ws.sync_broadcast("to nobody")  # the server has ended: no error, and no thread that waits for ever
    ws.close()


def test_from_a_handler_of_another_connection_a_connection_can_be_closed(backend: str) -> None:
    """`close()` on another's connector closes that one, after what was sent to it, and runs its close handler."""
    app, websocket = app_with()
    connectors: list[WebSocketConnector] = []
    closed: list[str] = []
    websocket.on("connect")(lambda ws: connectors.append(ws) or "hello")
    websocket.on("close")(lambda ws: closed.append(ws.id))

    @websocket.on("message")
    async def kick(ws: WebSocketConnector, msg: str) -> str:
        ws.sync_send_to(connectors[0].id, "out")
        connectors[0].close()
        return "kicked"

    with served(app, backend) as server:
        victim = server.connect()
        assert victim.next() == "hello"
        other = server.connect()
        assert other.next() == "hello"
        assert other.says("kick") == "kicked"
        assert victim.ends() == (["out"], 1000)
        until(lambda: closed == [connectors[0].id])


def test_the_text_connection_closed_is_a_text_as_any_other(backend: str) -> None:
    """No magic string closes a receiver."""
    app, websocket = app_with()
    websocket.on("message")(lambda ws, msg: ws.sync_broadcast("Connection closed") or "after")
    with served(app, backend) as server:
        client = server.connect()
        assert [client.says("x"), client.next()] == ["Connection closed", "after"]


# -- the end


def test_close_sends_the_return_value_then_the_close_handlers_then_the_frame(backend: str) -> None:
    """The order after `close()`: what the handler returned, what the close handler returned, the close frame."""
    app, websocket = app_with()
    websocket.on("close")(lambda: "goodbye")

    @websocket.on("message")
    def talk(ws: WebSocketConnector, msg: str) -> str:
        ws.close()
        ws.sync_send_to(ws.id, "still here")
        return "returned"

    with served(app, backend) as server:
        client = server.connect()
        client.send("x")
        client.send("never handled")
        assert client.ends() == (["still here", "returned", "goodbye"], 1000)


def test_close_in_the_connect_handler(backend: str) -> None:
    """A connect handler may close, and its text is sent before."""
    app, websocket = app_with()
    websocket.on("connect")(lambda ws: ws.close() or "not now")
    with served(app, backend) as server:
        assert server.connect().ends() == (["not now"], 1000)


@pytest.mark.parametrize("end", ["close", "reset", "server", "crash"])
def test_the_close_handler_runs_once_and_the_registry_forgets(backend: str, end: str) -> None:
    """Whoever ends a connection, and however: the close handler once, and no entry is left."""
    app, websocket = app_with()
    closed: list[str] = []
    websocket.on("close")(lambda ws: closed.append(ws.id) or "goodbye")

    @websocket.on("message")
    def talk(ws: WebSocketConnector, msg: str) -> str:
        if msg == "server":
            ws.close()
        if msg == "crash":
            raise LookupError("on purpose")
        return ws.id

    with served(app, backend) as server:
        client = server.connect()
        id = client.says("hello")
        assert len(app.registry) == 1
        if end == "close":
            client.connection.close(4000)
            assert client.connection.protocol.close_rcvd is not None  # our close was answered
        elif end == "reset":
            client.reset()
        else:
            client.send(end)
            client.ends()
        until(lambda: len(app.registry) == 0)
    assert closed == [id]


@pytest.mark.parametrize("event", ["connect", "message", "close"])
def test_a_crash_closes_with_1011_is_logged_and_touches_nobody_else(
    backend: str, event: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The client gets 1011, the log the traceback, and others go on."""
    app, websocket = app_with()
    fine = WebSocket(app, "/fine")
    fine.on("message")(lambda msg: msg)

    def crash() -> None:
        raise LookupError(f"in {event}")

    websocket.on(event)(crash)
    with served(app, backend) as server, caplog.at_level(logging.ERROR):
        other = server.connect("/fine")
        client = server.connect()
        if event == "message":
            client.send("x")
        if event == "close":
            client.connection.close()
        else:
            assert client.ends() == ([], 1011)
        until(lambda: len(app.registry) == 1)
        assert other.says("x") == "x"
        until(lambda: any(record.exc_info for record in caplog.records))
    assert f"LookupError: in {event}" in caplog.text


# -- query parameters


def test_query_params(backend: str) -> None:
    """Decoded; `get` gives the last value, and a parameter without a value is ""."""
    app, websocket = app_with()

    @websocket.on("connect")
    def show(ws: WebSocketConnector) -> str:
        query = ws.query_params
        return jsonify(
            [
                query.get("a"),
                query.get_first("a"),
                query.get_all("a"),
                query.get("flag"),
                query.get("name"),
                query.get("none"),
                query.get("none", "default"),
            ]
        )

    with served(app, backend) as server:
        client = server.connect("/web_socket?a=1&a=2&flag&name=gor%20don")
        assert client.next() == '["2","1",["1","2"],"","gor don",null,"default"]'


def test_query_params_methods() -> None:
    """The rest of Robyn's methods."""
    query = QueryParams([("a", "1")])
    other = QueryParams([("a", "2"), ("b", "3")])
    assert QueryParams().empty()
    assert not query.empty()
    query.extend(other)
    query.set("c", "4")
    query.set("c", "5")
    assert query.to_dict() == {"a": ["1", "2"], "b": ["3"], "c": ["4", "5"]}
    assert (query.keys(), query.values()) == (["a", "b", "c"], [["1", "2"], ["3"], ["4", "5"]])
    assert (query.contains("b"), query.contains("z"), query.get_first("z"), query.get_all("z")) == (
        True,
        False,
        None,
        None,
    )


def test_jsonify() -> None:
    """Compact, and not escaped to ASCII."""
    assert jsonify({"a": [1, None, "é"]}) == '{"a":[1,null,"é"]}'


# -- routers


def test_a_sub_router_serves_below_its_prefix(backend: str) -> None:
    """Both forms get the prefix when the router is included; its global dependencies become the application's."""
    app, router, deeper = Robyn(__file__), SubRouter(__file__, prefix="/api"), SubRouter(__file__, "/v1")
    WebSocket(router, "/class").on("message")(lambda ws, global_dependencies: jsonify(global_dependencies))
    router.inject_global(a=1)

    @deeper.websocket("/function")
    async def talk(websocket: WebSocketAdapter, router_dependencies: Any) -> None:
        await websocket.send_json(router_dependencies)

    deeper.inject(b=2)
    router.include_router(deeper)
    app.include_router(router)
    router.inject_global(c=3)
    with served(app, backend) as server:
        assert server.connect("/api/class").says("x") == '{"a":1,"c":3}'
        assert server.connect("/api/v1/function").next() == '{"b":2}'
        with pytest.raises(Exception, match="404"):
            server.connect("/class")


# -- the newer form


def test_a_handler_that_receives_and_sends(backend: str) -> None:
    """The adapter's methods: either kind of message is read as what is asked for."""
    app = Robyn(__file__)

    @app.websocket("/ws")
    async def talk(websocket: WebSocketAdapter) -> str:
        await websocket.send_text(await websocket.receive_text())
        await websocket.send_text(await websocket.receive_text())
        await websocket.send_bytes(await websocket.receive_bytes())
        await websocket.send_bytes(await websocket.receive_bytes())
        await websocket.send_json(await websocket.receive_json())
        return "nobody's"

    with served(app, backend) as server:
        client = server.connect("/ws")
        assert client.says("text") == "text"
        assert client.says("é".encode()) == "é"
        assert client.says(b"\0") == b"\0"
        assert client.says("é") == "é".encode()
        assert client.says('{"a":   "é"}') == '{"a":"é"}'
        assert client.ends() == ([], 1000)  # it returned: Robyn would leave the connection open, and silent


def test_on_connect_and_on_close(backend: str) -> None:
    """Texts that they return are sent, the last while the connection is still open; sync or async."""
    app = Robyn(__file__)

    @app.websocket("/ws")
    async def talk(websocket: WebSocketAdapter) -> None:
        assert await websocket.receive_text() == "end"

    @talk.on_connect
    def hello(websocket: WebSocketAdapter) -> str:
        return f"hello {websocket.query_params.get('name')}"

    @talk.on_close
    async def goodbye(websocket: WebSocketAdapter) -> str:
        return "goodbye"

    with served(app, backend) as server:
        client = server.connect("/ws?name=robin")
        assert client.next() == "hello robin"
        client.send("end")
        assert client.ends() == (["goodbye"], 1000)


@pytest.mark.parametrize("end", ["client", "reset", "crash", "disconnect"])
def test_the_newer_form_is_told_of_its_end_once(backend: str, end: str, caplog: pytest.LogCaptureFixture) -> None:
    """`on_close` runs once, WebSocketDisconnect has the real code and is silent, a crash is 1011 and logged."""
    app = Robyn(__file__)
    closed: list[str] = []
    ends: list[tuple[int, str]] = []

    @app.websocket("/ws")
    async def talk(websocket: WebSocketAdapter) -> None:
        await websocket.send_text("hello")
        try:
            if await websocket.receive_text() == "crash":
                raise LookupError("on purpose")
            await websocket.close()
            await websocket.receive_text()
        except WebSocketDisconnect as error:
            ends.append((error.code, error.reason))
            raise

    talk.on_close(lambda: closed.append("closed"))
    with served(app, backend) as server, caplog.at_level(logging.ERROR):
        client = server.connect("/ws")
        assert client.next() == "hello"
        if end == "client":
            client.connection.close(4001, "bye")
            assert client.connection.protocol.close_rcvd is not None
        elif end == "reset":
            client.reset()
        else:
            client.send(end)
            assert client.ends() == ([], 1011 if end == "crash" else 1000)
        until(lambda: closed and len(app.registry) == 0)
    expected = {
        "client": (4001, "bye"),
        "reset": (1006, "connection lost: Connection reset by peer"),
        "disconnect": (1000, ""),
    }
    assert ends == [expected[end] for _ in range(end != "crash")]
    assert closed == ["closed"]
    assert ("LookupError: on purpose" in caplog.text) is (end == "crash")
    assert [record for record in caplog.records if end != "crash"] == []


def test_a_loop_that_only_sends_ends_once_the_client_is_gone(backend: str) -> None:
    """`send_*` raises WebSocketDisconnect once nobody is there."""
    import anyio

    app = Robyn(__file__)
    ended = threading.Event()

    @app.websocket("/ws")
    async def tick(websocket: WebSocketAdapter) -> None:
        try:
            while True:
                await websocket.send_text("tick")
                await anyio.sleep(0.001)
        except WebSocketDisconnect:
            ended.set()

    with served(app, backend) as server:
        client = server.connect("/ws")
        assert client.next() == "tick"
        client.reset()
        assert ended.wait(PATIENCE)
        until(lambda: len(app.registry) == 0)


def test_the_newer_form_broadcasts_to_its_endpoint(backend: str) -> None:
    """Text and bytes, to everybody, the sender included."""
    app = Robyn(__file__)

    @app.websocket("/ws")
    async def talk(websocket: WebSocketAdapter) -> None:
        await websocket.send_text("hello")
        await websocket.broadcast(await websocket.receive_text())
        await websocket.broadcast(await websocket.receive_bytes())
        await websocket.receive_text()

    with served(app, backend) as server:
        one, two = server.connect("/ws"), server.connect("/ws")
        assert [one.next(), two.next()] == ["hello", "hello"]
        one.send("text")
        one.send(b"bytes")
        assert [one.next(), one.next(), two.next(), two.next()] == ["text", b"bytes", "text", b"bytes"]


def test_query_parameters_are_converted(backend: str) -> None:
    """Parameters beside the adapter come out of the query, converted to their types; dependencies by name."""
    app = Robyn(__file__)
    app.inject_global(db="x")

    @app.websocket("/ws")
    async def talk(
        socket: Any,
        page: int,
        flag: bool = False,
        ratio: float = 0.5,
        name: str | None = None,
        *,
        plain="p",
        query_params: Any = None,
        global_dependencies: Any = None,
    ) -> None:
        values = [page, flag, ratio, name, plain, query_params.get("page"), global_dependencies]
        await socket.send_json(values)

    with served(app, backend) as server:
        assert server.connect("/ws?page=3").next() == '[3,false,0.5,null,"p","3",{"db":"x"}]'
        client = server.connect("/ws?page=3&flag=yes&ratio=1.5&name=n&plain=q")
        assert client.next() == '[3,true,1.5,"n","q","3",{"db":"x"}]'


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("", "Error: Missing required parameter: 'page'"),
        ("?page=abc", "Error: Invalid value 'abc' for parameter 'page': expected int"),
    ],
)
def test_a_wrong_query_parameter_is_told_and_ends_the_connection(backend: str, query: str, text: str) -> None:
    """Robyn's text, and then a close with 1008; neither handler runs."""
    app = Robyn(__file__)
    ran: list[str] = []

    @app.websocket("/ws")
    async def talk(websocket: WebSocketAdapter, page: int) -> None:
        ran.append("handler")

    talk.on_connect(lambda: ran.append("connect"))
    talk.on_close(lambda: ran.append("close"))
    with served(app, backend) as server:
        assert server.connect(f"/ws{query}").ends() == ([text], 1008)
        until(lambda: len(app.registry) == 0)
    assert ran == []


def test_a_parameter_of_a_type_that_no_query_gives_fails_at_registration() -> None:
    """The message names handler and parameter."""
    app = Robyn(__file__)

    async def talk(websocket: WebSocketAdapter, when: list[int]) -> None: ...

    with pytest.raises(InjectionError, match=r"talk: parameter 'when': expected one of str, int, float, bool"):
        app.websocket("/ws")(talk)


def test_binary_that_is_no_text_ends_the_handler_and_the_connection(backend: str) -> None:
    """`receive_text` of bytes that are no UTF-8 is a UnicodeDecodeError, and uncaught a close with 1011."""
    app = Robyn(__file__)

    @app.websocket("/ws")
    async def talk(websocket: WebSocketAdapter) -> None:
        await websocket.receive_text()

    with served(app, backend) as server:
        client = server.connect("/ws")
        client.send(b"\xff")
        assert client.ends() == ([], 1011)


def test_a_message_above_a_megabyte_passes(backend: str) -> None:
    """Robyn's limit of 1,000,000 bytes is not ours: the server's configuration has its own."""
    app, websocket = app_with()
    websocket.on("message")(lambda msg: str(len(msg)))
    with served(app, backend) as server:
        assert server.connect().says("x" * 1_000_001) == "1000001"


# -- serving

SCRIPT = """
from wscore.compat.robyn import Robyn, WebSocket

app = Robyn(__file__)
websocket = WebSocket(app, "/web_socket")

@websocket.on("message")
def echo(msg):
    return msg

if __name__ == "__main__":
    app.start(host="127.0.0.1", port=0, backend={backend!r})
"""


@pytest.mark.parametrize("way", ["start", "command"])
def test_it_is_served_by_its_start_and_by_the_command(backend: str, way: str, tmp_path: Path) -> None:
    """`app.start(host=, port=, backend=)` and `wscore run module:app` serve the same application."""
    (tmp_path / "program.py").write_text(SCRIPT.format(backend=backend))
    path = os.pathsep.join(os.path.abspath(each) for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each)
    command = {
        "start": ["program.py"],
        "command": ["-m", "wscore", "run", "program:app", "--port", "0", "--backend", backend],
    }[way]
    with subprocess.Popen(
        [sys.executable, *command],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"ws://127\.0\.0\.1:([0-9]+)", process.stdout.readline())
            assert found is not None
            with connect_client(f"ws://127.0.0.1:{found[1]}/web_socket", open_timeout=PATIENCE) as client:
                client.send("hello")
                assert client.recv(timeout=PATIENCE) == "hello"
            process.terminate()
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
