"""The awaiting client, on both backends: what the blocking one stands on, in the test's own loop."""

from __future__ import annotations

from typing import Any

import anyio
import anyio.lowlevel
import pytest

from wscore import Config, HandshakeRefused, InvalidMessage
from wscore.testing import AsyncTestClient, WebSocketDenialResponse, WebSocketDisconnect, WrongFrameType

from .apps import Failure, echo, lively

pytestmark = pytest.mark.anyio

SHORT = 0.05


async def test_it_is_a_conversation() -> None:
    """Text, binary, JSON and ASGI's messages go there and come back."""
    async with AsyncTestClient(echo).websocket_connect("/", ["chat"]) as ws:
        assert ws.accepted_subprotocol == "chat"
        assert ws.extra_headers == [(b"x-app", b"echo")]
        await ws.send_text("a")
        assert await ws.receive_text() == "a"
        await ws.send_bytes(b"\xff")
        assert await ws.receive_bytes() == b"\xff"
        await ws.send_json([1])
        assert await ws.receive_json() == [1]
        await ws.send({"type": "websocket.receive", "text": "b"})
        assert await ws.receive() == {"type": "websocket.send", "text": "b"}
        await ws.send_text("b")
        with pytest.raises(WrongFrameType):
            await ws.receive_bytes()
        await ws.close(4000, "bye")
        with pytest.raises(WebSocketDisconnect) as end:
            await ws.receive_text()
        assert (end.value.code, end.value.reason) == (4000, "bye")


async def test_the_lifespan_runs_around_the_client() -> None:
    """And its state is gone when it is over."""
    log: list[str] = []
    client = AsyncTestClient(lively(log))
    async with client, client.websocket_connect("/") as ws:
        assert await ws.receive_text() == "kept"
    assert log == ["startup", "shutdown"]
    async with client.websocket_connect("/") as ws:
        assert await ws.receive_text() == ""


async def test_refusals_and_failures_are_exceptions_in_no_group() -> None:
    """The response with the one, the application's own with the other."""

    async def closes(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.close"})

    with pytest.raises(WebSocketDenialResponse) as refused:
        async with AsyncTestClient(closes).websocket_connect("/"):
            pass
    assert isinstance(refused.value, HandshakeRefused)
    assert refused.value.status == 403
    with pytest.raises(Failure):
        async with AsyncTestClient(echo).websocket_connect("/") as ws:
            await ws.send_text("fail")
    with pytest.raises(KeyError):
        async with AsyncTestClient(echo).websocket_connect("/"):
            raise KeyError("mine")
    with pytest.raises(InvalidMessage):
        async with AsyncTestClient(echo).websocket_connect("/", headers={"a": "\r\n"}):
            pass


async def test_a_room_is_heard_by_all_its_members() -> None:
    """Many sessions of one client at once, each in a task of its own."""
    members: list[Any] = []

    async def room(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        members.append(send)
        while (message := await receive())["type"] == "websocket.receive":
            for member in members:
                await member({"type": "websocket.send", "text": message["text"]})
        members.remove(send)

    heard: list[set[str]] = []
    client = AsyncTestClient(room)
    everybody = anyio.Event()

    async def member(name: str) -> None:
        async with client.websocket_connect("/") as ws:
            if len(members) == 5:
                everybody.set()
            await everybody.wait()
            await ws.send_text(name)
            heard.append({await ws.receive_text() for _ in range(5)})
            everyone_heard.append(name)
            while len(everyone_heard) < 5:
                await anyio.lowlevel.checkpoint()

    everyone_heard: list[str] = []
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            for name in "abcde":
                tasks.start_soon(member, name)
    assert heard == [set("abcde")] * 5
    assert members == []


async def test_cancelled_it_leaves_nothing_and_loses_nothing() -> None:
    """A wait that is cancelled takes no message; a connection that is cancelled takes its application with it."""
    ended: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await echo(scope, receive, send)
        except anyio.get_cancelled_exc_class():
            ended.append("cancelled")
            raise

    with anyio.CancelScope() as scope:
        async with AsyncTestClient(app).websocket_connect("/") as ws:
            with anyio.move_on_after(SHORT):
                await ws.receive_text()
            await ws.send_text("a")
            assert await ws.receive_text() == "a"
            scope.cancel()
            await ws.receive_text()
    assert scope.cancelled_caught
    assert ended == ["cancelled"]


async def test_what_does_not_come_is_a_timeout() -> None:
    """The same words as in the blocking client."""
    async with AsyncTestClient(echo).websocket_connect("/") as ws:
        with pytest.raises(TimeoutError, match=r"receive_text\(\): no message within 0\.05 s; the application waits"):
            await ws.receive_text(timeout=SHORT)


async def test_an_end_is_answered_though_nobody_leaves() -> None:
    """The application's close is answered as soon as the test has learnt of it."""
    async with AsyncTestClient(echo, config=Config(ping_interval=None)).websocket_connect("/") as ws:
        await ws.send_text("one")
        await ws.send_text("close 4000 bye")
        await anyio.wait_all_tasks_blocked()
        assert await ws.receive_text() == "one"
        assert (await ws.receive())["type"] == "websocket.close"
        assert ws.close_info is not None
        assert ws.close_info.clean
        info = ws._wire.server.close_info
        assert info is not None
        assert info.clean
