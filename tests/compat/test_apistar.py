"""apistar's manner, program by program and row by row, over real sockets on both transports."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from typing import Any

import anyio
import pytest

import wscore.app
from wscore.app import App, InjectionError
from wscore.compat.apistar import (
    ASyncApp,
    Component,
    Include,
    Route,
    WebSocket,
    WebSocketDisconnect,
    WebSocketException,
    WebSocketGone,
    WebSocketNotConnected,
    WebSocketProtocolError,
    WebSocketRequest,
    WSState,
    exceptions,
    http,
    status,
)

from ..serving import BACKENDS, serving
from .peer import BINARY, CLOSE, TEXT, Peer
from .programs import program


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


Serve = Callable[..., int]


@pytest.fixture
def serve(backend: str) -> Iterator[Serve]:
    """`serve(handler)` serves it at "/" on the backend and gives the port; `serve.stop()` waits for its end."""
    stack = ExitStack()

    def start(*handlers: Any, path: str = "/", **options: Any) -> int:
        app = ASyncApp(routes=[Route(path, "GET", handler) for handler in handlers], **options)
        return stack.enter_context(serving(app, backend))

    start.stop = stack.close  # type: ignore[attr-defined]
    with stack:
        yield start


def errors(caplog: pytest.LogCaptureFixture) -> list[BaseException]:
    return [record.exc_info[1] for record in caplog.records if record.exc_info and record.exc_info[1]]


# -- the document's programs


@pytest.fixture
def documents_port(backend: str) -> Iterator[int]:
    with program("component", backend) as module, serving(module.app, backend) as port:
        yield port


def test_the_documents_hello_world(documents_port):
    """A hundred text messages, and a close with 1000."""
    with Peer(documents_port, "/helloworld") as peer:
        assert [peer.frame() for _ in range(100)] == [(TEXT, b"Hello World!")] * 100
        assert peer.end() == (1000, "")


def test_the_documents_json(documents_port):
    """A hundred JSON messages as text, and a close with 1000."""
    with Peer(documents_port, "/helloworld_msg") as peer:
        for index in range(100):
            assert peer.frame() == (TEXT, b'{"index":%d,"text":"Hello World!"}' % index)
        assert peer.end() == (1000, "")


def test_the_documents_endless_loop(backend, capsys, caplog):
    """It sends until the client goes away, then goes on behind its `except`; no error is logged."""
    with program("component", backend) as module:
        with serving(module.app, backend) as port, Peer(port, "/helloworld_forever") as peer:
            for _ in range(2):
                message = json.loads(peer.text())
                assert message["text"] == "Hello World!"
                assert datetime.fromisoformat(message["timestamp"])
            peer.close(1000)
            assert peer.end() == (1000, "")
        assert capsys.readouterr().out == "post processing\n"
    assert not errors(caplog)


def test_the_documents_ping_pong(documents_port, caplog):
    """Each message is answered until the client goes away."""
    with Peer(documents_port, "/pingpong") as peer:
        for ping in ("ping", b"ping", ""):
            peer.send(ping)
            assert peer.frame() == (TEXT, b"pong")
        peer.close()
        assert peer.frame() == (CLOSE, b"")
    assert not errors(caplog)


def test_the_documents_json_ping_pong(documents_port):
    """Each JSON message is answered, whichever kind of frame it comes in."""
    with Peer(documents_port, "/pingpong_json") as peer:
        for ping in ('{"paddle": "ping"}', b"[1]"):
            peer.send(ping)
            assert peer.frame() == (TEXT, b'{"paddle":"pong"}')
        peer.close(1001)
        assert peer.end() == (1001, "")


# -- a loop that only sends


@pytest.mark.parametrize("way", ["close", "reset"])
def test_a_loop_that_only_sends_ends_when_the_peer_is_gone(serve, caplog, way):
    """It never waits for anything but `send`, and hears of the close, or of the reset, from there."""
    ended = threading.Event()
    codes: list[int] = []

    async def floods(ws: WebSocket):
        await ws.connect()
        try:
            while True:
                await ws.send("x" * 1000)
        except WebSocketDisconnect as end:
            codes.append(end.status_code)
            ended.set()

    with Peer(serve(floods), "/") as peer:
        peer.frame()
        if way == "close":
            peer.close(4001)
            while peer.frame()[0] != CLOSE:
                pass
        else:
            peer.reset()
        assert ended.wait(20)
    serve.stop()
    assert codes == [4001 if way == "close" else 1006]
    assert not errors(caplog)


def test_a_loop_that_only_sends_lets_others_work(serve):
    """Another connection is served while one is flooded."""

    async def floods_or_answers(ws: WebSocket, flood: http.QueryParam):
        await ws.connect()
        while flood:
            await ws.send("x" * 1000)
        return "answer"

    port = serve(floods_or_answers)
    with Peer(port, "/?flood=1") as flooded, Peer(port, "/") as other:
        flooded.frame()
        assert other.text() == "answer"
        flooded.reset()


def test_unread_messages_do_not_hide_that_a_connection_is_lost(serve):
    """A loop that only sends hears of a reset though it has left messages unread."""
    ended = threading.Event()

    async def floods(ws: WebSocket):
        await ws.connect()
        try:
            while True:
                await ws.send("x" * 1000)
        except WebSocketDisconnect:
            ended.set()

    with Peer(serve(floods), "/") as peer:
        peer.send("unread")
        peer.reset()
        assert ended.wait(20)


# -- injection and routes


def test_the_parameter_may_have_any_name_beside_others(serve):
    """The connection is injected by its annotation; path parameters and the request's parts come alongside."""
    got: dict[str, Any] = {}

    async def handler(
        every: float,
        socket: WebSocket,
        name: http.QueryParam,
        missing: http.QueryParam,
        user_agent: http.Header,
        x_missing: http.Header,
        path: http.Path,
        request: WebSocketRequest,
        method: http.Method,
        scheme: http.Scheme,
        params: http.PathParams,
    ):
        got.update(locals())
        await socket.connect()
        return repr(socket)

    port = serve(handler, path="/clock/{every}")
    with Peer(port, "/clock/2.5?name=n", headers={"User-Agent": "test"}) as peer:
        assert peer.text() == "<WebSocket state:WSState.CONNECTED>"
        assert peer.end() == (1000, "")
    assert got["every"] == 2.5
    assert (got["name"], got["missing"]) == ("n", None)
    assert (got["user_agent"], got["x_missing"]) == ("test", None)
    assert got["path"] == "/clock/2.5"
    assert got["request"].method == got["method"] == "GET"
    assert got["request"].url == f"ws://127.0.0.1:{port}/clock/2.5?name=n"
    assert got["request"].headers["user-agent"] == "test"
    assert got["scheme"] == "ws"
    assert got["params"] == {"every": 2.5}


def test_a_scope_without_method_and_scheme():
    """They are GET and ws."""
    got: list[str] = []

    async def handler(ws: WebSocket, method: http.Method, scheme: http.Scheme):
        got.extend([method, scheme])

    script = [{"type": "websocket.connect"}]
    scope = {"type": "websocket", "path": "/", "headers": [], "query_string": b""}
    run(ASyncApp([Route("/", "GET", handler)]), scope, script)
    assert got == ["GET", "ws"]


@pytest.mark.parametrize(
    ("scheme", "header", "host", "port"),
    [
        ("wss", b"example.org", "example.org", 443),
        ("ws", b"example.org", "example.org", 80),
        ("ws", b"[::1]:8000", "::1", 8000),
    ],
)
def test_host_and_port(scheme, header, host, port):
    """They are those of the URL; the port is the scheme's own where the client names none."""
    got: list[Any] = []

    async def handler(ws: WebSocket, host: http.Host, port: http.Port):
        got.extend([host, port])

    scope = {"type": "websocket", "path": "/", "headers": [(b"host", header)], "query_string": b"", "scheme": scheme}
    run(ASyncApp([Route("/", "GET", handler)]), scope, [{"type": "websocket.connect"}])
    assert got == [host, port]


def run(app: Any, scope: dict[str, Any], script: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Run an application against what `receive()` gives; give what it sent."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return script.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent


def test_routes_and_includes(serve, backend):
    """An include's path stands before those of its routes."""

    async def answers(ws: WebSocket, path: http.Path, rest: str):
        await ws.connect()
        return f"{path} {rest}"

    app = ASyncApp([Include("/outer", "outer", [Include("/inner", "inner", [Route("/{+rest}", "GET", answers)])])])
    with serving(app, backend) as port, Peer(port, "/outer/inner/a/b") as peer:
        assert peer.text() == "/outer/inner/a/b a/b"


def test_a_route_of_another_method_is_refused():
    """A websocket is asked for with GET."""

    async def handler(ws: WebSocket): ...

    with pytest.raises(InjectionError, match=r"handler: method 'POST'; the request of a websocket is a GET"):
        ASyncApp(routes=[Route("/", "POST", handler)])


def test_a_parameter_that_nobody_provides_fails_at_registration():
    """The error names the handler and the parameter."""

    async def handler(ws: WebSocket, body: bytearray): ...

    with pytest.raises(InjectionError, match=r"handler: nobody provides parameter 'body'"):
        ASyncApp(routes=[Route("/", "GET", handler)])


def test_an_unknown_path_is_refused(serve, caplog):
    """The handshake fails with 404, and it is no error of the server's."""
    with Peer(serve(), "/nowhere") as peer:
        assert peer.status == 404
    assert not errors(caplog)


def test_components(serve):
    """A component's `resolve` may ask for the connection itself, which is the handler's own."""

    class Name(str): ...

    class NameComponent(Component):
        async def resolve(self, ws: WebSocket, name: http.QueryParam) -> Name:
            seen.append(ws)
            return Name(name)

    NameComponent.resolve.__annotations__["return"] = Name
    seen: list[Any] = []

    async def handler(ws: WebSocket, name: Any):
        await ws.connect()
        return f"{name} {ws is seen[0]}"

    handler.__annotations__["name"] = Name
    with Peer(serve(handler, components=[NameComponent()]), "/?name=n") as peer:
        assert peer.text() == "n True"


# -- the connection's states


def test_the_constructor_takes_websocket_scopes_alone():
    """Another scope is a WebSocketProtocolError."""
    with pytest.raises(WebSocketProtocolError, match="Not a websocket scope"):
        WebSocket({"type": "http"})


def test_states(serve):
    """CLOSED, then CONNECTED, then CLOSED; the properties agree."""
    seen: list[Any] = []

    async def handler(ws: WebSocket):
        def see() -> None:
            seen.append((ws.state, ws.connecting, ws.connected, ws.closed, repr(ws)))

        see()
        await ws.connect()
        see()
        await ws.close()
        see()

    with Peer(serve(handler), "/") as peer:
        peer.end()
    serve.stop()
    closed = (WSState.CLOSED, False, False, True, "<WebSocket state:WSState.CLOSED>")
    assert seen == [closed, (WSState.CONNECTED, False, True, False, "<WebSocket state:WSState.CONNECTED>"), closed]
    assert [state.value for state in WSState] == [0, 1, 2]


def test_accepting_by_hand(serve):
    """Between the connect message and the accept the state is CONNECTING; `accept` is for that state alone."""
    seen: list[Any] = []

    class Slow(WebSocket):
        async def accept(self, subprotocol: str | None = None) -> None:
            seen.append((self.state, self.connecting))
            await super().accept(subprotocol)

    async def handler(connection: wscore.app.WebSocket):
        ws = Slow(connection)
        with pytest.raises(WebSocketProtocolError, match="Attempting to accept a WebSocket that is not connecting"):
            await WebSocket.accept(ws)
        await ws.connect()
        with pytest.raises(WebSocketProtocolError, match="Attempting to accept a WebSocket that is not connecting"):
            await WebSocket.accept(ws)

    with Peer(serve(handler), "/") as peer:
        assert peer.end() == (1000, "")
    assert seen == [(WSState.CONNECTING, True)]


def test_subprotocols(serve):
    """The client's offers are there before `connect`, which chooses one; without a choice there is none."""

    async def handler(ws: WebSocket, choose: http.QueryParam):
        offered.append(ws.subprotocols)
        await ws.connect(subprotocol=choose)

    offered: list[list[str]] = []
    port = serve(handler)
    with Peer(port, "/?choose=b", subprotocols=["a", "b"]) as peer:
        assert peer.subprotocol == "b"
    with Peer(port, "/", subprotocols=["a"]) as peer:
        assert peer.subprotocol is None
    with Peer(port, "/") as peer:
        assert peer.subprotocol is None
    assert offered == [["a", "b"], ["a"], []]


def test_refusing_with_connect(serve):
    """`connect(close=True)` is a 403, and what follows is not connected."""

    async def handler(ws: WebSocket):
        await ws.connect(close=True, close_code=4001)
        with pytest.raises(WebSocketNotConnected):
            await ws.send("too late")
        reached.set()

    reached = threading.Event()
    with Peer(serve(handler), "/") as peer:
        assert peer.status == 403
        assert reached.wait(20)


def test_connecting_twice(serve, caplog):
    """It is a WebSocketProtocolError with the state; uncaught it closes with 1002 and that detail, and is logged."""

    async def handler(ws: WebSocket):
        await ws.connect()
        await ws.connect()

    text = "Attempting to connect a WebSocket that is not closed: WSState.CONNECTED"
    port = serve(handler)
    with Peer(port, "/") as peer:
        assert peer.end() == (1002, text)
    serve.stop()
    assert [(type(error), str(error)) for error in errors(caplog)] == [(WebSocketProtocolError, text)]


def test_a_first_message_that_is_no_connect():
    """From a server that breaks ASGI it is a WebSocketProtocolError."""
    raised: list[str] = []

    async def handler(ws: WebSocket):
        with pytest.raises(WebSocketProtocolError) as error:
            await ws.connect()
        raised.append(error.value.detail)

    scope = {"type": "websocket", "path": "/", "headers": [], "query_string": b""}
    run(ASyncApp([Route("/", "GET", handler)]), scope, [{"type": "websocket.receive", "text": "?"}])
    assert raised == ["Expected ASGI message \"websocket.connect\", but got 'websocket.receive'"]


def test_uses_before_connect_and_after_close(serve):
    """Every method but `connect` is WebSocketNotConnected then, and so is `connect` after the close."""
    seen: list[str] = []

    async def handler(ws: WebSocket):
        async def uses() -> None:
            for use in (ws.receive, ws.receive_json, lambda: ws.send("x"), lambda: ws.send_json(1), ws.close):
                with pytest.raises(WebSocketNotConnected, match="WebSocket is not connected or open") as error:
                    await use()
                assert not isinstance(error.value, WebSocketDisconnect)
                seen.append(str(error.value.status_code))

        await uses()
        await ws.connect()
        await ws.close()
        await uses()
        with pytest.raises(WebSocketNotConnected):
            await ws.connect()
        reached.set()

    reached = threading.Event()
    with Peer(serve(handler), "/") as peer:
        assert peer.end() == (1000, "")
        assert reached.wait(20)
    assert seen == ["1000"] * 10


def test_the_end_is_one_exception_however_often_it_is_met(serve):
    """`receive` and `send` raise WebSocketDisconnect with the code; from the second time it is a NotConnected, too."""
    seen: list[Any] = []
    done = threading.Event()

    async def handler(ws: WebSocket):
        await ws.connect()
        for use in (ws.receive, ws.receive, lambda: ws.send("x"), ws.close):
            with pytest.raises(WebSocketDisconnect) as error:
                await use()
            seen.append((type(error.value), error.value.status_code, error.value.detail, ws.closed))
        done.set()

    with Peer(serve(handler), "/") as peer:
        peer.close(4002, "bye")
        assert done.wait(20)
    assert seen == [(WebSocketDisconnect, 4002, "bye", True)] + [(WebSocketGone, 4002, "bye", True)] * 3


def test_an_uncaught_disconnect_is_no_error(serve, caplog):
    """The connection is over, and nothing is logged."""

    async def handler(ws: WebSocket):
        await ws.connect()
        await ws.receive()

    port = serve(handler)
    with Peer(port, "/") as peer:
        peer.close()
        peer.end()
    serve.stop()
    assert not errors(caplog)


# -- messages


def test_receiving(serve):
    """Text is str and binary is bytes, empty ones as well."""

    async def handler(ws: WebSocket):
        await ws.connect()
        return [repr(await ws.receive()) for _ in range(4)]

    with Peer(serve(handler), "/") as peer:
        for data in ("text", "", b"binary", b""):
            peer.send(data)
        assert json.loads(peer.text()) == ["'text'", "''", "b'binary'", "b''"]


def test_a_server_that_leaves_both_keys_in():
    """A binary message is read where its text is there as None (ASGI allows that)."""

    async def handler(ws: WebSocket):
        await ws.connect()
        return await ws.receive()

    scope = {"type": "websocket", "path": "/", "headers": [], "query_string": b""}
    script = [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": None, "bytes": b"binary"}]
    sent = run(ASyncApp([Route("/", "GET", handler)]), scope, script)
    assert sent[1] == {"type": "websocket.send", "bytes": b"binary"}


def test_a_server_whose_send_fails():
    """An OSError of `send` is the disconnect (ASGI 2.4), and the state is CLOSED."""
    seen: list[Any] = []

    async def handler(ws: WebSocket):
        await ws.connect()
        with pytest.raises(WebSocketDisconnect) as error:
            await ws.send("x")
        seen.append((error.value.status_code, ws.state))

    async def main() -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "websocket.connect"}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "websocket.send":
                raise ConnectionResetError

        scope = {"type": "websocket", "path": "/", "headers": [], "query_string": b""}
        await ASyncApp([Route("/", "GET", handler)])(scope, receive, send)

    asyncio.run(main())
    assert seen == [(1006, WSState.CLOSED)]


def test_receiving_json(serve):
    """Text and binary messages are read, `loads` may be one's own, and what cannot be read leaves all open."""

    async def handler(ws: WebSocket):
        await ws.connect()
        got = [await ws.receive_json(), await ws.receive_json(), await ws.receive_json(loads=len)]
        with pytest.raises(ValueError):  # noqa: PT011
            await ws.receive_json()
        return got

    with Peer(serve(handler), "/") as peer:
        for data in ('{"a": 1}', b"[2]", "four", "no json"):
            peer.send(data)
        assert peer.text() == '[{"a":1},[2],4]'


def test_sending(serve):
    """What is empty is sent as well; raw messages, JSON as compact text, as binary, and by one's own `dumps`."""

    async def handler(ws: WebSocket):
        await ws.connect()
        for data in ("text", "", b"binary", b""):
            await ws.send(data)
        await ws.send_msg({"type": "websocket.send", "text": "raw"})
        await ws.send_json({"a": "\xe4"})
        await ws.send_json({"a": 1}, binary=True)
        await ws.send_json({"a": 1}, dumps=repr)
        await ws.send_json({"a": 1}, dumps=lambda data: b"own")
        with pytest.raises(TypeError, match="send: expected str or bytes, got dict"):
            await ws.send({"a": 1})  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="JSON compliant"):
            await ws.send_json(float("nan"))

    with Peer(serve(handler), "/") as peer:
        frames = [peer.frame() for _ in range(9)]
        assert peer.end() == (1000, "")
    assert frames == [
        (TEXT, b"text"),
        (TEXT, b""),
        (BINARY, b"binary"),
        (BINARY, b""),
        (TEXT, b"raw"),
        (TEXT, '{"a":"\xe4"}'.encode()),
        (BINARY, b'{"a":1}'),
        (TEXT, b"{'a': 1}"),
        (BINARY, b"own"),
    ]


def test_closing(serve):
    """With a code, and with a reason, which apistar had not."""

    async def handler(ws: WebSocket):
        await ws.connect()
        await ws.close(status.WS_1008_POLICY_VIOLATION, "no")

    with Peer(serve(handler), "/") as peer:
        assert peer.end() == (1008, "no")


# -- what handlers return, and how they end


@pytest.mark.parametrize(
    ("value", "frame"),
    [
        ("text", (TEXT, b"text")),
        ("", (TEXT, b"")),
        (b"binary", (BINARY, b"binary")),
        ({"a": "\xe4"}, (TEXT, '{"a":"\xe4"}'.encode())),
        (0, (TEXT, b"0")),
    ],
)
def test_what_is_returned_is_sent_before_the_close(serve, value, frame):
    """Text and bytes as they are, anything else as JSON text; then 1000."""

    async def handler(ws: WebSocket):
        await ws.connect()
        return value

    with Peer(serve(handler), "/") as peer:
        assert peer.frame() == frame
        assert peer.end() == (1000, "")


def test_none_is_not_sent_and_nothing_after_a_close(serve):
    """None sends nothing; a value after the handler's own close is dropped."""

    async def handler(ws: WebSocket, close: http.QueryParam):
        await ws.connect()
        if close:
            await ws.close(4000)
            return "too late"
        return None

    port = serve(handler)
    with Peer(port, "/") as peer:
        assert peer.end() == (1000, "")
    with Peer(port, "/?close=1") as peer:
        assert peer.end() == (4000, "")


def test_a_handler_that_never_connects(serve, caplog):
    """The handshake is answered with a 403, also of a sync handler, and what they return is dropped."""

    async def never(ws: WebSocket):
        return "dropped"

    def sync(ws: WebSocket):
        return "dropped"

    for handler in (never, sync):
        with Peer(serve(handler), "/") as peer:
            assert peer.status == 403
    assert not errors(caplog)


def test_another_exception_closes_with_1011(serve, caplog):
    """The error itself is logged, its text does not travel, and other connections go on."""

    async def handler(ws: WebSocket):
        await ws.connect()
        return await ws.receive_json()

    port = serve(handler)
    with Peer(port, "/") as peer, Peer(port, "/") as other:
        peer.send("no json")
        code, reason = peer.end()
        assert (code, "no json" in reason) == (1011, False)
        other.send("[1]")
        assert other.text() == "[1]"
        other.end()
    serve.stop()
    assert [type(error) for error in errors(caplog)] == [json.JSONDecodeError]


def test_a_disconnect_raised_by_hand_is_no_error(serve, caplog):
    """As one that came from another connection it ends the handler, and this connection closes with 1000."""

    async def handler(ws: WebSocket):
        await ws.connect()
        raise WebSocketDisconnect("from another connection", 1006)

    port = serve(handler)
    with Peer(port, "/") as peer:
        assert peer.end() == (1000, "")
    serve.stop()
    assert not errors(caplog)


def test_an_exception_of_apistars_closes_with_its_code(serve, caplog):
    """`status_code` is the close code and `detail` the reason, cut to what a close frame holds."""

    async def handler(ws: WebSocket):
        await ws.connect()
        raise WebSocketException("\xe4" * 100, status.WS_1008_POLICY_VIOLATION)

    port = serve(handler)
    with Peer(port, "/") as peer:
        assert peer.end() == (1008, "\xe4" * 61)
    serve.stop()
    assert [type(error) for error in errors(caplog)] == [WebSocketException]


# -- event hooks


def test_event_hooks(serve):
    """`on_request` may connect for all, `on_response` may still send, in reverse order; one connection for all."""
    calls: list[str] = []

    class Connects:
        async def on_request(self, ws: WebSocket):
            calls.append("connect")
            self.ws = ws
            await ws.connect()

        async def on_response(self, ws: WebSocket):
            assert ws is self.ws
            calls.append("from the hook")
            await ws.send("from the hook")

    class Counts:
        def on_request(self, path: http.Path):
            calls.append(f"request {path}")

        def on_response(self):
            calls.append("response")

    async def handler(ws: WebSocket):
        return "from the handler"

    port = serve(handler, event_hooks=[Connects, Counts()])
    for _ in range(2):
        with Peer(port, "/") as peer:
            assert [peer.text(), peer.text()] == ["from the handler", "from the hook"]
            assert peer.end() == (1000, "")
    assert calls == ["connect", "request /", "response", "from the hook"] * 2


# -- names


@pytest.mark.parametrize(
    ("kind", "code", "detail"),
    [
        (WebSocketDisconnect, 1000, "WebSocket has been disconnected"),
        (WebSocketProtocolError, 1002, "WebSocket protocol error"),
        (WebSocketNotConnected, 1000, "WebSocket is not connected or open"),
    ],
)
def test_exceptions(kind, code, detail):
    """Their defaults are apistar's, and both names of each dialect are there."""
    plain, own = kind(), kind("own", 4000)
    assert isinstance(plain, exceptions.WebSocketException)
    assert (plain.status_code, plain.code, plain.detail, str(plain)) == (code, code, detail, detail)
    assert (own.status_code, own.code, own.detail, own.reason) == (4000, 4000, "own", "own")
    assert issubclass(kind, wscore.app.WebSocketDisconnect) is (kind is WebSocketDisconnect)


def test_status_constants():
    """Each says its number, apistar's spelling of 1007 as well."""
    names = {name: value for name, value in vars(status).items() if name.startswith("WS_")}
    assert all(int(name[3:7]) == value for name, value in names.items())
    assert {"WS_1000_OK", "WS_1001_LEAVING", "WS_1002_PROT_ERROR", "WS_1007_INALID_DATA", "WS_1009_TOO_BIG"} <= set(
        names
    )


def test_an_application_is_an_app(serve):
    """Tasks beside the handler work as with any App."""

    async def handler(ws: WebSocket):
        await ws.connect()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ws.send, "from a task")

    assert isinstance(ASyncApp([]), App)
    with Peer(serve(handler), "/") as peer:
        assert peer.text() == "from a task"
        assert peer.end() == (1000, "")


def test_log_level_of_ordinary_ends(serve, caplog):
    """Connections that end in any ordinary way log nothing at WARNING or above."""

    async def handler(ws: WebSocket):
        await ws.connect()
        await ws.receive()

    port = serve(handler)
    for end in ("close", "message", "reset"):
        with Peer(port, "/") as peer:
            {"close": peer.close, "message": lambda peer=peer: peer.send("x"), "reset": peer.reset}[end]()
    serve.stop()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
