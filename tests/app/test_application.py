"""`App`: routing and mounting, refusals, the lifespan, and how a connection ends that its handler left open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from wscore.app import App, InjectionError, Mount, PathError, Registry, Route, WebSocket

from ..serving import BACKENDS, serving
from .memory import connected, scope_for

pytestmark = pytest.mark.anyio


async def show(websocket: WebSocket) -> str:
    await websocket.accept()
    scope = websocket.scope
    return f"{scope['path']} {scope['root_path']} {dict(websocket.path_params)}"


async def answer(app: App, path: str, **changes: Any) -> str:
    async with connected(app, path, **changes) as peer:
        await peer.accepted()
        return await peer.text()


# -- routes and mounts


async def test_the_first_route_that_matches_serves() -> None:
    """Routes are tried in their order."""
    app = App([Route("/{name}", lambda message: "one"), Route("/x", lambda message: "two")])
    async with connected(app, "/x") as peer:
        await peer.accepted()
        peer.say("?")
        assert await peer.text() == "one"


async def test_a_mounted_application_gets_the_prefix_as_root_path() -> None:
    """ASGI 2.5: `path` stays whole, `root_path` grows by what the mount matched; parameters add up."""
    app = App([Mount("/api", [Mount("/{team}", App([Route("/{n:int}", show)]))])])
    assert await answer(app, "/api/blue/7") == "/api/blue/7 /api/blue {'team': 'blue', 'n': 7}"


async def test_a_server_root_path_comes_before() -> None:
    """An application below a proxy's prefix routes by what follows it."""
    app = App([Mount("/api", [Route("/x", show)]), Route("/x", show)])
    assert await answer(app, "/proxy/x", root_path="/proxy") == "/proxy/x /proxy {}"
    assert await answer(app, "/proxy/api/x", root_path="/proxy") == "/proxy/api/x /proxy/api {}"


async def test_any_asgi_application_can_be_mounted() -> None:
    """It gets the scope, and receive and send as they are."""

    async def other(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": scope["root_path"]})
        await send({"type": "websocket.close"})

    app = App()
    app.mount("/other", other)
    assert await answer(app, "/other/x") == "/other"


async def test_mounted_routes_share_registry_and_components() -> None:
    """Routes under a mount are the application's own."""

    async def handler(websocket: WebSocket, registry: Registry) -> str:
        await websocket.accept()
        return str(registry is app.registry)

    app = App([Mount("/api", [Route("/x", handler)])])
    assert await answer(app, "/api/x") == "True"


async def test_app_is_in_the_scope() -> None:
    """`websocket.app` is the application."""

    async def handler(websocket: WebSocket) -> str:
        await websocket.accept()
        return str(websocket.app is app)

    app = App([Route("/", handler)])
    assert await answer(app, "/") == "True"


def test_what_cannot_work_fails_when_it_is_added() -> None:
    """A path, and a handler."""
    with pytest.raises(PathError):
        App([Route("x", show)])
    with pytest.raises(InjectionError):
        App([Mount("/api", [Route("/", lambda: None)])])


# -- no route


async def test_no_route_is_a_404_where_the_server_can() -> None:
    """With the denial extension, an HTTP response."""
    async with connected(App(), "/x", extensions={"websocket.http.response": {}}) as peer:
        start, body = await peer.next(), await peer.next()
        assert await peer.over() is None
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 404)
    assert (b"content-length", b"%d" % len(body["body"])) in start["headers"]


async def test_no_route_is_a_403_elsewhere() -> None:
    """A close before the accept is a 403, on any ASGI server."""
    async with connected(App(), "/x") as peer:
        assert await peer.close() == (1000, "")
        assert await peer.over() is None


async def test_a_plain_http_request_is_told_to_upgrade() -> None:
    """426, with the header that RFC 9110 15.5.22 asks for."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await App()({"type": "http", "path": "/"}, None, send)
    assert sent[0]["status"] == 426
    assert (b"upgrade", b"websocket") in sent[0]["headers"]
    assert sent[1]["type"] == "http.response.body"


async def test_another_scope_type_is_an_error() -> None:
    """ASGI asks applications to raise for what they do not know."""
    with pytest.raises(ValueError, match="'smtp'"):
        await App()({"type": "smtp"}, None, None)


# -- the end


async def accepts_and_returns(websocket: WebSocket) -> None:
    await websocket.accept()


async def returns(websocket: WebSocket) -> None:
    """Answer nothing at all."""


async def crashes(websocket: WebSocket) -> None:
    raise LookupError("on purpose")


async def accepts_and_crashes(websocket: WebSocket) -> None:
    await websocket.accept()
    raise LookupError("on purpose")


async def closes(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.close(4000, "enough")


async def forgets_to_accept(websocket: WebSocket) -> None:
    await websocket.receive_text()


@pytest.mark.parametrize(
    ("handler", "opened", "end", "raised"),
    [
        (accepts_and_returns, True, (1000, ""), None),
        (returns, False, (1000, ""), None),
        (crashes, False, None, LookupError),
        (accepts_and_crashes, True, (1011, ""), LookupError),
        (closes, True, (4000, "enough"), None),
        (forgets_to_accept, False, None, RuntimeError),
    ],
)
async def test_how_a_connection_ends(handler: Any, opened: bool, end: Any, raised: Any) -> None:
    """A return is 1000, or a refusal before the accept; a crash is 1011, or the server's 500 before; errors rise."""
    async with connected(App([Route("/", handler)])) as peer:
        error = await peer.over()
        sent = peer.left()
    if opened:
        assert sent.pop(0)["type"] == "websocket.accept"
    assert [(message["code"], message["reason"]) for message in sent] == ([end] if end else [])
    assert (error is None) if raised is None else isinstance(error, raised)


# -- the lifespan


class LifespanServer:
    """Runs an application's lifespan as a server does."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.state: dict[str, Any] = {}
        self.sent: list[dict[str, Any]] = []
        self.stop = anyio.Event()
        self._asked = 0

    async def receive(self) -> dict[str, Any]:
        self._asked += 1
        if self._asked == 1:
            return {"type": "lifespan.startup"}
        await self.stop.wait()
        return {"type": "lifespan.shutdown"}

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)
        if message["type"] == "lifespan.startup.complete":
            self.stop.set()

    async def run(self) -> list[str]:
        with anyio.fail_after(20):
            await self.app({"type": "lifespan", "state": self.state}, self.receive, self.send)
        return [message["type"] for message in self.sent]


async def test_the_lifespan_is_entered_and_left_and_its_state_shared() -> None:
    """What it yields is the `state` that connections have."""
    order: list[str] = []

    @asynccontextmanager
    async def lifespan(app: App) -> AsyncIterator[dict[str, Any]]:
        order.append("entered")
        yield {"database": "open"}
        order.append("left")

    server = LifespanServer(App(lifespan=lifespan))
    assert await server.run() == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert server.state == {"database": "open"}
    assert order == ["entered", "left"]


async def test_without_a_lifespan_both_ends_are_answered() -> None:
    """A server that insists on one is content."""
    assert await LifespanServer(App()).run() == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


@pytest.mark.parametrize("end", ["startup", "shutdown"])
async def test_a_lifespan_that_fails_says_so(end: str, caplog: pytest.LogCaptureFixture) -> None:
    """The server gets the words, and the log the traceback."""

    @asynccontextmanager
    async def lifespan(app: App) -> AsyncIterator[None]:
        if end == "startup":
            raise LookupError("no database")
        yield
        raise LookupError("no database")

    server = LifespanServer(App(lifespan=lifespan))
    assert (await server.run())[-1] == f"lifespan.{end}.failed"
    assert server.sent[-1]["message"] == "no database"
    assert "LookupError: no database" in caplog.text


# -- on real sockets


@pytest.mark.parametrize("backend", BACKENDS)
def test_on_real_sockets(backend: str, caplog: pytest.LogCaptureFixture) -> None:
    """Each transport: the lifespan's state, a 404, the close codes of a return and of a crash, and its log entry."""

    @asynccontextmanager
    async def lifespan(app: App) -> AsyncIterator[dict[str, Any]]:
        yield {"greeting": "hello"}

    app = App(lifespan=lifespan)

    @app.websocket("/greet/{name}")
    async def greet(websocket: WebSocket, name: str) -> None:
        await websocket.accept()
        await websocket.send_text(f"{websocket.state.greeting} {name}")

    @app.websocket("/crash")
    async def crash(websocket: WebSocket) -> None:
        await websocket.accept()
        raise LookupError("on purpose")

    with serving(app, backend) as port:
        url = f"ws://127.0.0.1:{port}"
        with connect(f"{url}/greet/you") as client:
            assert client.recv(timeout=20) == "hello you"
            with pytest.raises(ConnectionClosed):
                client.recv(timeout=20)
            assert client.close_code == 1000
        with connect(f"{url}/crash") as client:
            with pytest.raises(ConnectionClosed):
                client.recv(timeout=20)
            assert client.close_code == 1011
        with pytest.raises(InvalidStatus) as refused, connect(f"{url}/nothing"):
            pass
        assert refused.value.response.status_code == 404
    assert "LookupError: on purpose" in caplog.text


async def test_scopes_are_not_changed_by_routing() -> None:
    """What the server gave stays as it was but for `state`; `path_params` and `app` are in a copy."""
    scope = scope_for("/room/x")
    before = dict(scope)
    async with connected(App([Route("/room/{n}", show)]), "/room/x") as peer:
        await peer.over()
        assert {key: peer.scope[key] for key in before if key != "extensions"} == {
            key: before[key] for key in before if key != "extensions"
        }
        assert set(peer.scope) == set(before)
