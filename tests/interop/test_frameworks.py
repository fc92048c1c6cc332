"""Applications of Starlette and FastAPI, as their documentation writes them, unchanged on every transport."""

import contextlib
import json
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Query, WebSocketException
from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.responses import JSONResponse
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from ..conformance.harness import Notes
from ..conformance.wire import BINARY, TEXT, close_frame, frame, request


def starlette_application(notes: Notes) -> Starlette:
    async def echo_json(websocket: WebSocket) -> None:
        await websocket.accept(subprotocol="json", headers=[(b"x-user", websocket.path_params["user"].encode())])
        try:
            while True:
                data = await websocket.receive_json()
                await websocket.send_json({"got": data})
        except WebSocketDisconnect as gone:
            notes.put((gone.code, gone.reason))

    async def iterate(websocket: WebSocket) -> None:
        await websocket.accept()
        async for text in websocket.iter_text():
            await websocket.send_text(text.upper())
        notes.put("iteration over")

    async def close(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close(code=4000, reason="as you wish")

    async def reject(websocket: WebSocket) -> None:
        await websocket.close()

    async def deny(websocket: WebSocket) -> None:
        await websocket.send_denial_response(JSONResponse({"error": "no"}, status_code=401))

    async def send_after_the_end(websocket: WebSocket) -> None:
        await websocket.accept()
        with contextlib.suppress(WebSocketDisconnect):
            await websocket.receive_text()
        try:
            await websocket.send_text("too late")
        except (WebSocketDisconnect, RuntimeError) as error:
            notes.put(type(error).__name__)

    async def send_until_the_end(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            while True:
                await websocket.send_bytes(bytes(2**16))
        except WebSocketDisconnect as gone:
            notes.put(gone.code)

    class Endpoint(WebSocketEndpoint):
        encoding = "bytes"

        async def on_receive(self, websocket: WebSocket, data: Any) -> None:
            await websocket.send_bytes(data[::-1])

        async def on_disconnect(self, websocket: WebSocket, close_code: int) -> None:
            notes.put(close_code)

    return Starlette(
        routes=[
            WebSocketRoute("/json/{user}", echo_json),
            WebSocketRoute("/iterate", iterate),
            WebSocketRoute("/close", close),
            WebSocketRoute("/reject", reject),
            WebSocketRoute("/deny", deny),
            WebSocketRoute("/after", send_after_the_end),
            WebSocketRoute("/flood", send_until_the_end),
            WebSocketRoute("/endpoint", Endpoint),
        ]
    )


def test_starlette_json(serve: Any) -> None:
    """accept with subprotocol and headers, receive_json, send_json, and the disconnect with code and reason."""
    notes = Notes()
    wire = serve(starlette_application(notes), lifespan="on").connect()
    response = wire.upgrade(("Sec-WebSocket-Protocol", "json"), target="/json/ann")
    assert (response.get("sec-websocket-protocol"), response.get("x-user")) == ("json", "ann")
    wire.send(frame(TEXT, json.dumps({"a": 1})))
    assert json.loads(wire.read_text()) == {"got": {"a": 1}}
    wire.send(close_frame(4001, "bye"))
    assert wire.read_close().code == 4001
    assert notes.next() == (4001, "bye")


@pytest.mark.parametrize(("end", "code"), [("empty", 1005), ("eof", 1006), ("reset", 1006)])
def test_starlette_disconnect_codes(end: str, code: int, serve: Any) -> None:
    """WebSocketDisconnect has 1005 for an empty close, and 1006 for none."""
    notes = Notes()
    wire = serve(starlette_application(notes)).connect()
    wire.upgrade(("Sec-WebSocket-Protocol", "json"), target="/json/ann")
    if end == "empty":
        wire.send(close_frame())
    elif end == "eof":
        wire.send_eof()
    else:
        wire.reset()
    assert notes.next()[0] == code


def test_starlette_iteration(serve: Any) -> None:
    """iter_text ends with the connection."""
    notes = Notes()
    wire = serve(starlette_application(notes)).open(target="/iterate")
    for text in ("one", "two"):
        wire.send(frame(TEXT, text))
        assert wire.read_text() == text.upper()
    wire.send(close_frame(1000))
    assert notes.next() == "iteration over"


def test_starlette_close(serve: Any) -> None:
    """close after the accept, with code and reason."""
    wire = serve(starlette_application(Notes())).open(target="/close")
    assert wire.ends_with(4000).reason == "as you wish"


def test_starlette_reject(serve: Any) -> None:
    """close before the accept is a 403."""
    wire = serve(starlette_application(Notes())).connect()
    wire.send(request(target="/reject"))
    assert wire.read_refusal().status == 403


def test_starlette_unknown_path(serve: Any) -> None:
    """A path without a route is refused."""
    wire = serve(starlette_application(Notes())).connect()
    wire.send(request(target="/nowhere"))
    assert wire.read_refusal().status in (403, 404)


def test_starlette_denial_response(serve: Any) -> None:
    """send_denial_response gives the client that response."""
    wire = serve(starlette_application(Notes())).connect()
    wire.send(request(target="/deny"))
    response = wire.read_response()
    assert (response.status, response.get("content-type")) == (401, "application/json")
    assert json.loads(wire.read_to_end()) == {"error": "no"}


def test_starlette_send_after_the_end(serve: Any) -> None:
    """A send to a client that left is an exception that Starlette knows."""
    notes = Notes()
    wire = serve(starlette_application(notes)).open(target="/after")
    wire.send(close_frame(1000))
    assert notes.next() in ("WebSocketDisconnect", "RuntimeError")


def test_starlette_flood(serve: Any) -> None:
    """An application that only sends learns from its send that the client left: Starlette makes it a disconnect."""
    notes = Notes()
    wire = serve(starlette_application(notes)).open(target="/flood")
    wire.reset()
    assert notes.next() == 1006


def test_starlette_endpoint(serve: Any) -> None:
    """A WebSocketEndpoint: bytes in, bytes out, and on_disconnect."""
    notes = Notes()
    wire = serve(starlette_application(notes)).open(target="/endpoint")
    wire.send(frame(BINARY, b"abc"))
    assert wire.read_binary() == b"cba"
    wire.send(close_frame(4002))
    assert wire.read_close().code == 4002
    assert notes.next() == 4002


def fastapi_application(notes: Notes) -> FastAPI:
    app = FastAPI()

    async def token(token: Annotated[str | None, Query()] = None) -> str:
        if token is None:
            raise WebSocketException(code=1008)
        return token

    async def resource() -> Any:
        notes.put("opened")
        try:
            yield "resource"
        finally:
            notes.put("released")

    @app.websocket("/items/{item}")
    async def items(
        websocket: WebSocket, item: int, token: Annotated[str, Depends(token)], got: Annotated[str, Depends(resource)]
    ) -> None:
        await websocket.accept()
        await websocket.send_json({"item": item, "token": token, "resource": got})
        try:
            while True:
                await websocket.send_text(await websocket.receive_text())
        except WebSocketDisconnect as gone:
            notes.put(gone.code)

    return app


def test_fastapi_dependency_injection(serve: Any) -> None:
    """Path and query parameters, dependencies, one of them released at the end."""
    notes = Notes()
    wire = serve(fastapi_application(notes), lifespan="auto").open(target="/items/7?token=t")
    assert json.loads(wire.read_text()) == {"item": 7, "token": "t", "resource": "resource"}
    wire.send(frame(TEXT, "x"))
    assert wire.read_text() == "x"
    wire.send(close_frame(1001))
    assert wire.read_close().code == 1001
    assert [notes.next() for _ in range(3)] == ["opened", 1001, "released"]


def test_fastapi_dependency_refuses(serve: Any) -> None:
    """A dependency that raises WebSocketException before the accept is a 403."""
    wire = serve(fastapi_application(Notes())).connect()
    wire.send(request(target="/items/7"))
    assert wire.read_refusal().status == 403


def test_fastapi_validation(serve: Any) -> None:
    """A path parameter that does not parse is a 403."""
    wire = serve(fastapi_application(Notes())).connect()
    wire.send(request(target="/items/seven?token=t"))
    assert wire.read_refusal().status == 403
