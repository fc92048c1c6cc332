"""The public API as its users' type checkers see it. Nothing here runs: mypy and pyright read it, both strict.

A line with `type: ignore` holds a mistake that mypy must report: to it, an unused comment is an error.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, Literal, assert_type

import trio

import wscore
import wscore_asyncio
import wscore_trio
from wscore import (
    ClientConnection,
    CloseInfo,
    Closing,
    Config,
    HandshakeRefused,
    ReceivedMessage,
    Response,
    Scope,
    ServerConnection,
    State,
    parse_uri,
)
from wscore.app import App, Events, Member, Registry, WebSocket
from wscore.recording import Recorder, Replay, read_recording, replay
from wscore.testing import AsyncTestClient, TestClient


async def application(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})


# -- the core


def embed_a_server(data: bytes) -> bytes:
    connection = ServerConnection(Config(max_message_size=1000), now=0.0)
    connection.receive_data(data, now=0.0)
    assert_type(connection.scope, Scope | None)
    message = connection.next_message(now=0.0)
    assert_type(message, ReceivedMessage | None)
    if message is not None and message["type"] == "websocket.disconnect":
        assert_type(message["code"], int)
    connection.send({"type": "websocket.accept"}, now=0.5)
    assert_type(connection.next_timeout(), float | None)
    assert_type(connection.closing, Closing)
    assert_type(connection.state, State)
    assert_type(connection.close_info, CloseInfo | None)
    return assert_type(connection.data_to_send(), bytes)


def embed_a_client() -> None:
    connection = ClientConnection("ws://example.org", Config(), now=0.0, random=bytes)
    connection.send("text", now=1.0)
    assert_type(connection.ping(now=1.0), bytes)
    assert_type(connection.response, Response | None)
    assert_type(parse_uri("ws://example.org").port, int)


def mistakes() -> None:
    Config(max_mesage_size=1)  # type: ignore[call-arg]
    Config(engine="other")  # type: ignore[arg-type]
    ServerConnection(Config())  # type: ignore[call-arg]
    print(wscore.ServerConection)  # type: ignore[attr-defined]
    assert_type(wscore.__version__, str)


# -- the transports


async def serve_on_asyncio() -> None:
    recorder = Recorder("recordings", payloads="truncated", keep=10, sample=0.5)
    async with wscore_asyncio.serve(
        application, "127.0.0.1", 0, config=Config(), lifespan="on", recorder=recorder
    ) as server:
        assert_type(server, wscore_asyncio.Server)
        await server.serve_forever()


async def serve_on_trio() -> None:
    async with trio.open_nursery() as nursery:
        server: wscore_trio.Server = await nursery.start(partial(wscore_trio.serve, application, "127.0.0.1", 0))
        server.close()


async def connect_on_asyncio() -> None:
    try:
        async with wscore_asyncio.connect("ws://127.0.0.1:8000") as websocket:
            assert_type(websocket, wscore_asyncio.WebSocket)
            await websocket.send("text")
            await websocket.send(b"bytes")
            assert_type(await websocket.recv(), str | bytes)
            async for message in websocket:
                assert_type(message, str | bytes)
            assert_type(await websocket.ping(), float)
            assert_type(websocket.close_code, int | None)
    except HandshakeRefused as refused:
        assert_type(refused.status, int)
    async for again in wscore_asyncio.connect("ws://127.0.0.1:8000"):
        assert_type(again, wscore_asyncio.WebSocket)


async def connect_on_trio() -> None:
    async with wscore_trio.connect("ws://127.0.0.1:8000") as websocket:
        assert_type(websocket, wscore_trio.WebSocket)
        assert_type(await websocket.recv(), str | bytes)
    async for again in wscore_trio.connect("ws://127.0.0.1:8000"):
        assert_type(again, wscore_trio.WebSocket)


asyncio.run(serve_on_asyncio())
trio.run(serve_on_trio)


# -- the application's side

registry = Registry(max_queue=10, slow="skip")
app = App(registry=registry)
assert_type(app.registry, Registry)
Registry(slow="kil")  # type: ignore[arg-type]


@app.websocket("/echo")
async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        assert_type(text, str)
        await websocket.send_text(text)
    assert_type(await websocket.receive_bytes(), bytes)
    assert_type(websocket.path_params, dict[str, Any])
    assert_type(websocket.close_code, int)


@app.websocket("/chat/{room}")
class Chat:
    def __init__(self, member: Member, registry: Registry) -> None:
        self.member, self.registry = member, registry

    async def connect(self, room: str) -> None:
        self.member.enter(room)

    async def receive(self, message: str, room: str) -> None:
        self.registry.broadcast(room, message)
        assert_type(await self.registry.count(room), int)
        assert_type(self.registry.get(self.member.id), Member | None)


assert_type(Chat, type[Chat])  # what is decorated stays what it is
assert_type(app.events("/events"), Events)


# -- the clients for tests


def use_the_blocking_client(backend: Literal["asyncio", "trio"]) -> None:
    with TestClient(app, backend=backend) as client, client.websocket_connect("/chat/tea") as session:
        assert_type(client, TestClient)
        session.send_text("hello")
        assert_type(session.receive_text(timeout=1.0), str)
        assert_type(session.receive_bytes(), bytes)
        assert_type(session.close_info, CloseInfo | None)


async def use_the_asynchronous_client() -> None:
    async with AsyncTestClient(application) as client, client.websocket_connect("/") as session:
        await session.send_text("hello")
        assert_type(await session.receive_text(), str)


# -- recordings


def replays(path: str) -> None:
    found = replay(read_recording(path))
    assert_type(found, Replay)
    assert_type(found.untold, str | None)
    Recorder(path, payloads="all")  # type: ignore[arg-type]
