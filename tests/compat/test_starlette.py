"""wscore.compat.starlette in use: endpoints and routes, the document's programs, whole applications of Starlette."""

from __future__ import annotations

import functools
import json
import logging.handlers
import os
import queue
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import starlette.endpoints
import starlette.exceptions
import starlette.routing
import starlette.websockets
from websockets.exceptions import ConnectionClosedOK, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from wscore.app import App, PathError
from wscore.compat import starlette as ours

from ..app.scripted import CONNECT, Server, binary, disconnect, make_scope, text
from ..serving import BACKENDS, serving
from .test_starlette_same import run

# -- endpoints, beside Starlette's


def recording(base: Any, encoding: str | None, log: list[Any]) -> Any:
    class Recording(base):  # type: ignore[misc]
        async def on_receive(self, websocket: Any, data: Any) -> None:
            if data == "boom":
                raise ValueError(data)
            log.append(data)

        async def on_disconnect(self, websocket: Any, close_code: int) -> None:
            log.append(("disconnected", close_code))

    Recording.encoding = encoding
    return Recording


ENDPOINT_CASES: list[tuple[str | None, list[dict[str, Any]]]] = [
    (None, [text("a"), text(""), binary(b"b"), binary(b""), disconnect(1001)]),
    (None, [{"type": "websocket.receive", "text": None, "bytes": b"x"}, disconnect(4000)]),
    ("text", [text("a"), text(""), disconnect(1005)]),
    ("text", [binary(b"a")]),
    ("bytes", [binary(b"a"), binary(b""), disconnect(0)]),
    ("bytes", [text("a")]),
    ("json", [text('{"a": 1}'), binary(b"[]"), {"type": "websocket.disconnect"}]),
    ("json", [text("{")]),
    ("json", [text("")]),
    ("json", [binary(b"\xff")]),
    ("text", [text("boom")]),
    (None, [CONNECT]),
    ("other", [text("a")]),
]


@pytest.mark.parametrize(("encoding", "incoming"), ENDPOINT_CASES, ids=repr)
def test_an_endpoint_behaves_as_starlettes(encoding: str | None, incoming: list[dict[str, Any]]) -> None:
    """What its methods get, what is sent, and what it raises: for every encoding, kind of frame and kind of end."""
    outcomes = []
    for base in (ours.WebSocketEndpoint, starlette.endpoints.WebSocketEndpoint):
        log: list[Any] = []
        server = Server([CONNECT, *incoming])

        endpoint = recording(base, encoding, log)
        try:
            run(endpoint(server.scope, server.receive, server.send).dispatch())
        except Exception as error:
            log.append((type(error).__name__, str(error)))
        outcomes.append((log, server.sent, server.incoming))
    assert outcomes[0] == outcomes[1]
    assert any(entry[0] == "disconnected" for entry in outcomes[0][0] if isinstance(entry, tuple))


# -- routes, beside Starlette's

PATHS = [
    ("/", ["/", "", "/x"]),
    ("/chat/{name}", ["/chat/ann", "/chat/", "/chat/a/b", "/chat"]),
    ("/{n:int}", ["/0", "/12", "/-1", "/1.5", "/x"]),
    ("/{n:float}", ["/0", "/1.5", "/.5", "/x"]),
    ("/{rest:path}", ["/", "/a/b", "/a"]),
    ("/{id:uuid}", [f"/{uuid.UUID(int=7)}", f"/{uuid.UUID(int=7).hex}", "/7"]),
    ("/{a}/x/{b:int}", ["/1/x/2", "/1/y/2"]),
    ("/a.b", ["/a.b", "/axb"]),
]


@pytest.mark.parametrize(("path", "asked"), PATHS, ids=lambda value: str(value))
def test_a_route_matches_what_starlettes_matches(path: str, asked: list[str]) -> None:
    """The same paths, with the same parameters of the same types, below a root_path too."""

    async def endpoint(websocket: Any) -> None: ...

    mine, original = ours.WebSocketRoute(path, endpoint), starlette.routing.WebSocketRoute(path, endpoint)
    for root in ("", "/root"):
        for asked_path in asked:
            scope = make_scope(path=root + asked_path, root_path=root, path_params={"before": 1})
            found, child_scope = original.matches(scope)
            assert mine.match(scope) == (child_scope if found is starlette.routing.Match.FULL else None), asked_path
    assert mine.match(make_scope(type="http", path="/")) is None


def test_a_route_calls_functions_with_a_websocket_and_all_else_as_asgi() -> None:
    """Functions, methods and partials get a WebSocket; an endpoint class and any other callable are applications."""
    called: list[Any] = []

    async def function(websocket: Any) -> None:
        called.append(type(websocket))

    async def with_more(more: int, websocket: Any) -> None:
        called.append((more, type(websocket)))

    class Methods:
        async def method(self, websocket: Any) -> None:
            called.append(type(websocket))

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            called.append(scope["path_params"])

    class Endpoint(ours.WebSocketEndpoint):
        async def on_disconnect(self, websocket: Any, close_code: int) -> None:
            called.append(close_code)

    for endpoint in (function, functools.partial(with_more, 1), Methods().method, Methods(), Endpoint):
        server = Server([CONNECT, disconnect(4000)], make_scope(path="/5"))
        run(ours.WebSocketRoute("/{n:int}", endpoint)(server.scope, server.receive, server.send))
    assert called == [ours.WebSocket, (1, ours.WebSocket), ours.WebSocket, {"n": 5}, 4000]


def test_a_route_closes_what_does_not_match() -> None:
    """With 1000, which is a 403 before the accept."""
    server = Server([], make_scope(path="/other"))
    run(ours.WebSocketRoute("/chat", ours.WebSocketEndpoint)(server.scope, server.receive, server.send))
    assert server.sent == [{"type": "websocket.close", "code": 1000, "reason": ""}]


def test_middleware_wraps_a_route_the_first_one_outermost() -> None:
    """Starlette's Middleware objects, or plain tuples."""
    order: list[str] = []

    class Named:
        def __init__(self, app: Any, name: str) -> None:
            self.app = app
            self.name = name

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            order.append(self.name)
            await self.app(scope, receive, send)

    async def endpoint(websocket: Any) -> None:
        order.append("endpoint")

    from starlette.middleware import Middleware

    route = ours.WebSocketRoute("/chat", endpoint, middleware=[Middleware(Named, "a"), (Named, (), {"name": "b"})])
    server = Server([])
    run(route(server.scope, server.receive, server.send))
    assert order == ["a", "b", "endpoint"]


def test_a_route_has_a_name_and_an_equal() -> None:
    """The endpoint's name unless one is given; equal by path and endpoint."""

    async def endpoint(websocket: Any) -> None: ...

    route = ours.WebSocketRoute("/chat", endpoint)
    assert (route.name, ours.WebSocketRoute("/chat", endpoint, name="x").name) == ("endpoint", "x")
    assert ours.WebSocketRoute("/", starlette.websockets.WebSocketClose()).name == "WebSocketClose"
    assert route == ours.WebSocketRoute("/chat", endpoint, name="x")
    assert len({route, ours.WebSocketRoute("/chat", endpoint)}) == 1
    assert route != ours.WebSocketRoute("/other", endpoint)
    assert repr(route) == repr(starlette.routing.WebSocketRoute("/chat", endpoint))
    with pytest.raises(AssertionError, match="Routed paths must start with '/'"):
        ours.WebSocketRoute("chat", endpoint)
    with pytest.raises(PathError, match="no converter 'nothing'"):
        ours.WebSocketRoute("/{x:nothing}", endpoint)
    with pytest.raises(ValueError, match="twice"):
        ours.WebSocketRoute("/{x}/{x}", endpoint)


@pytest.mark.parametrize("accept", [True, False])
def test_a_websocket_exception_closes_the_connection(accept: bool) -> None:
    """With its code and reason; before the accept that is a refusal."""

    async def endpoint(websocket: Any) -> None:
        if accept:
            await websocket.accept()
        raise ours.WebSocketException(4001, "no more")

    server = Server([CONNECT])
    run(ours.WebSocketRoute("/chat", endpoint)(server.scope, server.receive, server.send))
    assert server.sent[-1] == {"type": "websocket.close", "code": 4001, "reason": "no more"}


def test_other_exceptions_propagate_and_nothing_is_sent() -> None:
    """What an endpoint raises is the server's to answer and to log, an uncaught disconnect included."""
    for error in (ValueError("x"), ours.WebSocketDisconnect(1001)):

        async def endpoint(websocket: Any, error: Exception = error) -> None:
            raise error

        server = Server([CONNECT])
        with pytest.raises(type(error)):
            run(ours.WebSocketRoute("/chat", endpoint)(server.scope, server.receive, server.send))
        assert server.sent == []


def test_returning_sends_nothing() -> None:
    """An endpoint that returns leaves the end to the server."""

    async def endpoint(websocket: Any) -> None:
        await websocket.accept()

    server = Server([CONNECT])
    run(ours.WebSocketRoute("/chat", endpoint)(server.scope, server.receive, server.send))
    assert [message["type"] for message in server.sent] == ["websocket.accept"]


# -- the document's programs, with no line changed but the import

from wscore.compat.starlette import WebSocket  # noqa: E402  # the changed line


async def hello(scope, receive, send):  # type: ignore[no-untyped-def]
    websocket = WebSocket(scope=scope, receive=receive, send=send)
    await websocket.accept()
    await websocket.send_text("Hello, world!")
    await websocket.close()


async def echo(scope, receive, send):  # type: ignore[no-untyped-def]
    websocket = WebSocket(scope=scope, receive=receive, send=send)
    await websocket.accept()
    async for message in websocket.iter_text():
        await websocket.send_text(f"Message text was: {message}")
    await websocket.close()


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def quiet() -> Iterator[None]:
    """The server has no error to log."""
    logged = logging.handlers.BufferingHandler(1000)
    logging.getLogger("wscore.error").addHandler(logged)
    yield
    logging.getLogger("wscore.error").removeHandler(logged)
    assert [record.getMessage() for record in logged.buffer] == []


def client(port: int, path: str = "/", **options: Any) -> ClientConnection:
    return connect(f"ws://127.0.0.1:{port}{path}", compression=None, proxy=None, **options)


HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def read_head(sock: socket.socket) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        assert byte, head
        head += byte
    return head


def test_the_first_program_of_the_document_sends_its_frames(backend: str, quiet: None) -> None:
    """The text "Hello, world!" in one frame, and a close frame with 1000: byte by byte."""
    with serving(hello, backend) as port, socket.create_connection(("127.0.0.1", port), 10) as sock:
        sock.sendall(HANDSHAKE)
        assert read_head(sock).startswith(b"HTTP/1.1 101 ")
        frames = b""
        while len(frames) < 19:
            received = sock.recv(100)
            assert received, frames
            frames += received
        assert frames == b"\x81\x0dHello, world!" + b"\x88\x02\x03\xe8"
        sock.sendall(b"\x88\x82\0\0\0\0\x03\xe8")
        assert sock.recv(100) == b""


def test_the_second_program_of_the_document_answers_each_message(backend: str, quiet: None) -> None:
    """It ends when the client closes, and its own close() after that is no error."""
    with serving(echo, backend) as port, client(port) as ws:
        for message in ("one", "", "drei €"):
            ws.send(message)
            assert ws.recv(timeout=10) == f"Message text was: {message}"
        ws.close(4000, "enough")
        assert ws.close_code == 4000


def test_the_properties_of_the_document_are_there(backend: str, quiet: None) -> None:
    """`websocket['path']`, `.url`, `.headers[...]`, `.query_params[...]`, `.path_params[...]` as it names them."""

    async def app(websocket: WebSocket) -> None:
        await websocket.accept()
        assert isinstance(websocket.url, str)
        await websocket.send_json(
            [
                websocket["path"],
                websocket.url,
                [websocket.url.path, websocket.url.port, websocket.url.scheme],
                websocket.headers["sec-websocket-version"],
                websocket.query_params["search"],
                websocket.path_params["username"],
            ]
        )

    route = ours.WebSocketRoute("/users/{username}", app)
    with serving(route, backend) as port, client(port, "/users/ann?search=a+b") as ws:
        url = f"ws://127.0.0.1:{port}/users/ann?search=a+b"
        assert json.loads(ws.recv(timeout=10)) == [
            "/users/ann", url, ["/users/ann", port, "ws"], "13", "a b", "ann",
        ]  # fmt: skip


def test_a_task_that_sends_after_its_handler_returned(backend: str, quiet: None) -> None:
    """It hears of the end as everybody does, by WebSocketDisconnect."""
    told: queue.SimpleQueue[BaseException] = queue.SimpleQueue()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        websocket = WebSocket(scope, receive, send)
        if websocket["path"] == "/first":
            await websocket.accept()
            kept.append(websocket)
            return
        await websocket.accept()
        try:
            await kept[0].send_text("late")
        except ours.WebSocketDisconnect as error:
            told.put(error)
        await websocket.send_text("done")

    kept: list[WebSocket] = []
    with serving(app, backend) as port, client(port, "/first") as first:
        with pytest.raises(ConnectionClosedOK):
            first.recv(timeout=10)
        with client(port, "/second") as second:
            assert second.recv(timeout=10) == "done"
    assert isinstance(told.get_nowait(), RuntimeError)


def test_refusals_of_the_document_are_http_responses(backend: str, quiet: None) -> None:
    """A close before the accept is a 403, a denial response is what it says."""

    async def app(websocket: WebSocket) -> None:
        if "token" not in websocket.query_params:
            await websocket.close()
        else:
            await websocket.send_denial_response(starlette.responses.PlainTextResponse("no such token", 401))

    with serving(ours.WebSocketRoute("/", app), backend) as port:
        with pytest.raises(InvalidStatus) as refused:
            client(port)
        assert refused.value.response.status_code == 403
        with pytest.raises(InvalidStatus) as denied:
            client(port, "/?token=x")
        assert (denied.value.response.status_code, denied.value.response.body) == (401, b"no such token")


def test_a_loop_that_only_sends_ends_with_the_disconnect(backend: str, quiet: None) -> None:
    """The client's own code reaches the application, though it never receives."""
    ends: list[tuple[int, str]] = []

    async def app(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            while True:
                await websocket.send_text("x" * 1000)
        except ours.WebSocketDisconnect as error:
            ends.append((error.code, error.reason))

    # Without a limit to its queue the client goes on reading until the server's close frame comes.
    with serving(ours.WebSocketRoute("/", app), backend) as port, client(port, max_queue=None) as ws:
        ws.recv(timeout=10)
        ws.close(4000, "enough")
    assert ends == [(4000, "enough")]


def test_routes_and_endpoints_serve_in_an_app(backend: str, quiet: None) -> None:
    """`App(routes=[WebSocketRoute(...)])` stands where `Starlette(routes=[WebSocketRoute(...)])` stood."""

    class Upper(ours.WebSocketEndpoint):
        encoding = "text"

        async def on_receive(self, websocket: WebSocket, data: str) -> None:
            await websocket.send_text(data.upper())
            await websocket.close()

    async def room(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_json(websocket.path_params)

    app = App(routes=[ours.WebSocketRoute("/upper", Upper), ours.WebSocketRoute("/room/{n:int}", room)])
    with serving(app, backend) as port:
        with client(port, "/upper") as ws:
            ws.send("a")
            assert ws.recv(timeout=10) == "A"
        with client(port, "/room/7") as ws:
            assert ws.recv(timeout=10) == '{"n":7}'
            with pytest.raises(ConnectionClosedOK):
                ws.recv(timeout=10)
        with pytest.raises(InvalidStatus) as refused:
            client(port, "/room/x")
        assert refused.value.response.status_code == 404


# -- applications of Starlette, as they are

ROOT = Path(__file__).parents[2]


def whole_application(which: str, backend: str) -> Any:
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("starlette_program.py")), which, backend],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_an_application_of_starlette_does_not_notice(backend: str) -> None:
    """With `starlette.websockets` replaced by ours, every client hears what it hears from Starlette.

    Routes, mounts, endpoints, middleware, exceptions, denials, and FastAPI's dependencies.
    """
    said = whole_application("ours", backend)
    assert said == whole_application("theirs", backend)
    assert len(said[0]) == 14
