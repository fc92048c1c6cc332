"""Applications of Starlette, FastAPI and `wscore.app` under the client, on both backends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import fastapi
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

import wscore.app
from wscore.testing import TestClient, WebSocketDenialResponse

from .apps import Failure

Backend = Literal["asyncio", "trio"]


async def chat(ws: WebSocket) -> None:
    await ws.accept(subprotocol="chat" if "chat" in ws.scope["subprotocols"] else None)
    async for text in ws.iter_text():
        await ws.send_json({"text": text, "kept": ws.state.kept})


async def denied(ws: WebSocket) -> None:
    await ws.send_denial_response(PlainTextResponse("no", status_code=402))


async def unauthorized(ws: WebSocket) -> None:
    raise HTTPException(401, "who?")


async def fails(ws: WebSocket) -> None:
    await ws.accept()
    raise Failure("in the endpoint")


async def hears_of_the_end(ws: WebSocket) -> None:
    await ws.accept()
    try:
        await ws.receive_text()
    except WebSocketDisconnect as end:
        ws.state.ends.append((end.code, end.reason))


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[dict[str, Any]]:
    yield {"kept": 1, "ends": ENDS}


ENDS: list[Any] = []
ROUTES = [
    WebSocketRoute(f"/{endpoint.__name__}", endpoint)
    for endpoint in (chat, denied, unauthorized, fails, hears_of_the_end)
]


@pytest.fixture(params=["starlette", "fastapi"])
def app(request: pytest.FixtureRequest) -> Any:
    if request.param == "starlette":
        return Starlette(routes=ROUTES, lifespan=lifespan)
    app = fastapi.FastAPI(lifespan=lifespan)
    for route in ROUTES:
        app.websocket(route.path)(route.endpoint)
    return app


def test_starlette_and_fastapi_are_served(app: Any, backend: Backend) -> None:
    """Accepts, messages, state, denials, failures and the end arrive on both sides as with their own client."""
    with TestClient(app, backend=backend) as client:
        with client.websocket_connect("/chat", subprotocols=["chat"]) as ws:
            assert ws.accepted_subprotocol == "chat"
            ws.send_text("a")
            assert ws.receive_json() == {"text": "a", "kept": 1}
        for path, status, body in (("/denied", 402, "no"), ("/nowhere", 403, "")):
            with pytest.raises(WebSocketDenialResponse) as refused, client.websocket_connect(path):
                pass
            assert (refused.value.status_code, refused.value.text) == (status, body)
        with pytest.raises(WebSocketDenialResponse) as refused, client.websocket_connect("/unauthorized"):
            pass
        assert refused.value.status_code == 401
        with pytest.raises(Failure, match="in the endpoint"), client.websocket_connect("/fails"):
            pass
        ENDS.clear()
        with client.websocket_connect("/hears_of_the_end") as ws:
            ws.close(4000, "bye")
    assert ENDS == [(4000, "bye")]


def test_dependencies_of_fastapi_are_overridden_as_ever(backend: Backend) -> None:
    """The client calls the application itself, and nothing beside it."""
    app = fastapi.FastAPI()

    def name() -> str:
        return "real"

    @app.websocket("/{n}")
    async def endpoint(ws: fastapi.WebSocket, n: int, who: str = fastapi.Depends(name), q: str = "") -> None:
        await ws.accept()
        await ws.send_json([n, who, q, ws.cookies, ws.headers["x-a"]])

    app.dependency_overrides[name] = lambda: "for the test"
    with TestClient(app, backend=backend).websocket_connect("/3?q=x", headers={"cookie": "c=1", "x-a": "b"}) as ws:
        assert ws.receive_json() == [3, "for the test", "x", {"c": "1"}, "b"]


def rooms() -> wscore.app.App:
    app = wscore.app.App()

    @app.websocket("/chat/{room}")
    class Chat:
        def __init__(self, member: wscore.app.Member, registry: wscore.app.Registry) -> None:
            self.member, self.registry = member, registry

        async def connect(self, room: str) -> None:
            self.member.enter(room)

        async def receive(self, message: str, room: str) -> None:
            self.registry.broadcast(room, message)

    return app


def test_a_broadcast_reaches_the_room_and_no_other(backend: Backend) -> None:
    """Several sessions of one client, at once."""
    with (
        TestClient(rooms(), backend=backend) as client,
        client.websocket_connect("/chat/a") as ann,
        client.websocket_connect("/chat/a") as bob,
        client.websocket_connect("/chat/b") as eve,
    ):
        for number in range(50):
            ann.send_text(f"from ann {number}")
            bob.send_text(f"from bob {number}")
        eve.send_text("from eve")
        heard = [ann.receive_text() for _ in range(100)]
        assert [bob.receive_text() for _ in range(100)] == heard
        for name in ("ann", "bob"):
            assert [text for text in heard if name in text] == [f"from {name} {n}" for n in range(50)]
        assert eve.receive_text() == "from eve"
        with pytest.raises(TimeoutError):
            eve.receive_text(timeout=0.05)


def test_one_leaves_and_the_others_stay(backend: Backend) -> None:
    """The room goes on without who left."""
    with TestClient(rooms(), backend=backend) as client, client.websocket_connect("/chat/a") as ann:
        with client.websocket_connect("/chat/a") as bob:
            bob.send_text("hello")
            assert ann.receive_text() == bob.receive_text() == "hello"
        ann.send_text("alone")
        assert ann.receive_text() == "alone"
