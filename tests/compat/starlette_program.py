"""A Starlette (and FastAPI) application in use, printed as JSON; with the argument `ours`, its websockets are wscore's.

A program and not a module: what it replaces must be replaced before Starlette is imported.
"""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any

if sys.argv[1] == "ours":
    import wscore.compat.starlette

    sys.modules["starlette.websockets"] = wscore.compat.starlette

import starlette.routing
from fastapi import APIRouter, Depends, FastAPI
from fastapi import WebSocket as FastAPIWebSocket
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.endpoints import WebSocketEndpoint
from starlette.exceptions import HTTPException, WebSocketException
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.responses import JSONResponse
from starlette.routing import Mount, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

assert starlette.routing.WebSocket.__module__.startswith("wscore" if sys.argv[1] == "ours" else "starlette")

log: list[Any] = []


async def echo(websocket: WebSocket) -> None:
    await websocket.accept(headers=[(b"x-node", b"1")])
    async for text in websocket.iter_text():
        await websocket.send_text(f"Message text was: {text}")


async def facts(websocket: WebSocket) -> None:
    await websocket.accept(websocket.scope["subprotocols"][0])
    await websocket.send_json(
        {
            "params": {name: str(value) for name, value in websocket.path_params.items()},
            "query": websocket.query_params.getlist("q"),
            "cookie": websocket.cookies,
            "url": str(websocket.url),
            "base": str(websocket.base_url),
            "for": str(websocket.url_for("rooms:facts", name="x", n=2)),
            "user": websocket.user.display_name,
            "scopes": websocket.auth.scopes,
            "version": websocket.headers["Sec-WebSocket-Version"],
            "state": websocket.state.db,
        },
        mode="binary",
    )
    try:
        await websocket.receive_json()
    except WebSocketDisconnect as error:
        log.append([error.code, error.reason])


async def denied(websocket: WebSocket) -> None:
    await websocket.send_denial_response(JSONResponse({"no": True}, 401))


async def closed(websocket: WebSocket) -> None:
    await websocket.close(1008)


async def http_error(websocket: WebSocket) -> None:
    raise HTTPException(418, "teapot", {"x-a": "1"})


async def websocket_error(websocket: WebSocket) -> None:
    await websocket.accept()
    raise WebSocketException(4001, "no more")


async def early_error(websocket: WebSocket) -> None:
    raise WebSocketException(4001, "no more")


class Upper(WebSocketEndpoint):
    encoding = "text"

    async def on_receive(self, websocket: WebSocket, data: Any) -> None:
        await websocket.send_text(data.upper())

    async def on_disconnect(self, websocket: WebSocket, close_code: int) -> None:
        log.append(["upper", close_code])


class Everybody(AuthenticationBackend):
    async def authenticate(self, conn: Any) -> Any:
        return AuthCredentials(["all"]), SimpleUser("ann")


async def lifespan_state(app: Any) -> Any:
    yield {"db": "opened"}


fast = FastAPI()
router = APIRouter()


async def query(websocket: FastAPIWebSocket, q: str | None = None) -> str | None:
    return q or websocket.headers.get("x-q")


@router.websocket("/items/{n}")
async def items(websocket: FastAPIWebSocket, n: int, q: str = Depends(query)) -> None:
    await websocket.accept()
    await websocket.send_json([n, q])
    while True:
        await websocket.send_text(await websocket.receive_text())


fast.include_router(router)


def make() -> Any:
    from contextlib import asynccontextmanager

    return Starlette(
        routes=[
            WebSocketRoute("/echo", echo),
            Mount("/rooms", routes=[WebSocketRoute("/{name}/{n:int}", facts, name="facts")], name="rooms"),
            WebSocketRoute("/denied", denied),
            WebSocketRoute("/closed", closed),
            WebSocketRoute("/http-error", http_error),
            WebSocketRoute("/websocket-error", websocket_error),
            WebSocketRoute("/early-error", early_error),
            WebSocketRoute("/upper", Upper),
            Mount("/fast", fast),
        ],
        middleware=[Middleware(AuthenticationMiddleware, backend=Everybody())],
        lifespan=asynccontextmanager(lifespan_state),
    )


def converse(port: int, say: Any) -> None:
    from websockets.exceptions import ConnectionClosed, InvalidStatus
    from websockets.sync.client import connect

    def talk(path: str, *messages: str | bytes, answers: int = 0, **options: Any) -> None:
        heard: list[Any] = []
        try:
            with connect(f"ws://127.0.0.1:{port}{path}", compression=None, proxy=None, **options) as client:
                heard.append([client.subprotocol, (client.response or sys.exit()).headers.get("x-node")])
                for message in messages:
                    client.send(message)
                for _ in range(answers):
                    received = client.recv(timeout=10)
                    heard.append(received if isinstance(received, str) else received.decode() + " in bytes")
                if not answers:
                    client.recv(timeout=10)
                client.close(4000, "done")
        except InvalidStatus as error:
            heard.append([error.response.status_code, error.response.body.decode(), error.response.headers.get("x-a")])
        except ConnectionClosed as error:
            heard.append([error.rcvd and [error.rcvd.code, error.rcvd.reason]])
        say([path, json.loads(json.dumps(heard).replace(f":{port}", ":PORT"))])

    talk("/echo", "a", "", "é", answers=3)
    talk("/rooms/ann/7?q=1&q=%20", answers=1, subprotocols=["chat"], additional_headers={"cookie": "k=v; z"})
    talk("/rooms/ann/seven")
    talk("/denied")
    talk("/closed")
    talk("/http-error")
    talk("/websocket-error")
    talk("/early-error")
    talk("/upper", "a", answers=1)
    talk("/upper", b"a")
    talk("/nothing")
    talk("/fast/items/3?q=x", "a", "b", answers=3)
    talk("/fast/items/three")
    talk("/fast/items/3", answers=1)


if __name__ == "__main__":
    from tests.serving import serving

    warnings.simplefilter("ignore")  # of third parties, on the way of this program alone
    said: list[Any] = []
    with serving(make(), sys.argv[2]) as port:
        converse(port, said.append)
    print(json.dumps([said, sorted(log, key=str)], indent=1))
