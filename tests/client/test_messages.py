"""Messages, pings and the close, between a client and servers of several makers."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import anyio
import pytest

from wscore import Config, ConnectionClosed, InvalidMessage, LocalProtocolError

from ..conformance.wire import CLOSE, PING, TEXT, frame
from .servers import aiohttp_server, echo, read_to_end, upgrade, websockets_server

pytestmark = pytest.mark.anyio

MESSAGES: list[str | bytes] = ["h\xe4llo", "", b"", b"\x00\xff", "x" * 100_000, os.urandom(1_000_000)]


@pytest.fixture(params=["wscore", "websockets", "aiohttp"])
def echo_port(request: pytest.FixtureRequest, serve: Callable[..., int]) -> Iterator[int]:
    other: dict[str, Callable[[], AbstractContextManager[int]]] = {
        "websockets": websockets_server,
        "aiohttp": aiohttp_server,
    }
    if request.param == "wscore":
        yield serve(echo)
    else:
        with other[request.param]() as port:
            yield port


async def pieces(*all_of_them: Any) -> AsyncIterator[Any]:
    for each in all_of_them:
        yield each


async def test_every_message_comes_back(connect: Any, echo_port: int) -> None:
    """Text and binary of any size come back from whoever echoes them; pings and a close go beside."""
    async with connect(f"ws://127.0.0.1:{echo_port}/") as ws:
        assert ws.response.status == 101
        assert ws.close_code is None
        assert ws.close_reason is None
        for message in MESSAGES:
            await ws.send(message)
            assert await ws.recv() == message
        seconds = await ws.ping()
        assert 0 <= seconds == ws.latency
        await ws.ping(b"mine")
        await ws.send(pieces("one ", "two ", "", "three"))
        assert await ws.recv() == "one two three"
        await ws.send(pieces(b"\x00", bytearray(b"\xff"), memoryview(b"!")))
        assert await ws.recv() == b"\x00\xff!"
        await ws.close(4000, "bye")
        assert (ws.close_code, ws.close_reason) == (4000, "bye")
        with pytest.raises(ConnectionClosed, match="4000"):
            await ws.send("more")
        with pytest.raises(ConnectionClosed, match="4000"):
            await ws.ping()
        await ws.close()  # does nothing


async def test_many_in_flight(connect: Any, echo_port: int) -> None:
    """Messages sent without waiting come back in order, however many are under way; the rest waits for room."""
    async with connect(f"ws://127.0.0.1:{echo_port}/") as ws, anyio.create_task_group() as tasks:

        async def send() -> None:
            for n in range(2000):
                await ws.send(f"{n} " + "x" * 500)

        tasks.start_soon(send)
        for n in range(2000):
            assert (await ws.recv()).startswith(f"{n} ")


async def test_subprotocol_headers_and_origin(connect: Any, serve: Callable[..., int]) -> None:
    """What is offered and added arrives in the request; what the server chose is there."""
    scopes: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await echo(scope, receive, send)

    uri = f"ws://user:secret@127.0.0.1:{serve(app)}/path?a=1"
    async with connect(uri, subprotocols=["chat", "talk"], headers={"X-Name": "me"}, origin="http://here") as ws:
        assert ws.subprotocol == "chat"
        assert "secret" not in repr(ws)
        assert ws.uri.target == "/path?a=1"
    headers = dict(scopes[0]["headers"])
    assert headers[b"x-name"] == b"me"
    assert headers[b"origin"] == b"http://here"
    assert headers[b"authorization"].startswith(b"Basic ")


async def test_iterating(connect: Any, serve: Callable[..., int]) -> None:
    """`async for` gives the messages and ends with a normal close; any other raises."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        for n in range(3):
            await send({"type": "websocket.send", "text": str(n)})
        if scope["path"] == "/bad":
            await send({"type": "websocket.close", "code": 1011, "reason": "no"})

    port = serve(app)
    async with connect(f"ws://127.0.0.1:{port}/") as ws:
        assert [message async for message in ws] == ["0", "1", "2"]
        assert ws.close_code == 1000
    got: list[Any] = []
    async with connect(f"ws://127.0.0.1:{port}/bad") as ws:
        with pytest.raises(ConnectionClosed) as closed:  # noqa: PT012
            async for message in ws:
                got.append(message)
    assert got == ["0", "1", "2"]
    assert (closed.value.code, closed.value.reason, closed.value.clean) == (1011, "no", True)


async def test_messages_before_a_close_are_still_there(connect: Any, script: Callable[..., int]) -> None:
    """A message that arrives in one piece with the handshake and a close is read first."""

    def play(sock: socket.socket) -> None:
        upgrade(sock)
        sock.sendall(frame(TEXT, "last", mask=None) + frame(CLOSE, b"\x03\xe8", mask=None))
        assert sock.recv(8, socket.MSG_WAITALL)[:2] == b"\x88\x82"  # the answer to the close, masked

    async with connect(f"ws://127.0.0.1:{script(play)}/") as ws:
        assert await ws.recv() == "last"
        with pytest.raises(ConnectionClosed):
            await ws.recv()


async def test_a_servers_ping_is_answered_while_nobody_receives(connect: Any, script: Callable[..., int]) -> None:
    """Pings are answered whether or not a task waits for messages."""

    def play(sock: socket.socket) -> None:
        upgrade(sock)
        sock.sendall(frame(PING, b"there?", mask=None))
        assert sock.recv(12, socket.MSG_WAITALL)[:2] == b"\x8a\x86"
        sock.sendall(frame(TEXT, "thanks", mask=None) + frame(CLOSE, b"\x03\xe8", mask=None))
        sock.recv(8, socket.MSG_WAITALL)

    async with connect(f"ws://127.0.0.1:{script(play)}/") as ws:
        while ws.close_code is None:
            with contextlib.suppress(ConnectionClosed):
                await ws.recv()


async def test_mistakes_are_told_and_change_nothing(connect: Any, serve: Callable[..., int]) -> None:
    """A message, a ping or a close that cannot be raises, and the connection is as it was."""
    async with connect(f"ws://127.0.0.1:{serve(echo)}/") as ws:
        for wrong in (None, 1, ["x"], object()):
            with pytest.raises(InvalidMessage):
                await ws.send(wrong)
        with pytest.raises(InvalidMessage):
            await ws.ping(bytes(126))
        with pytest.raises(InvalidMessage):
            await ws.close(1005)
        await ws.send(pieces())  # no fragment, no message
        await ws.send("still")
        assert await ws.recv() == "still"


async def test_a_ping_in_flight_is_not_sent_again(connect: Any, script: Callable[..., int]) -> None:
    """A payload that is in flight raises; who waits for a pong that cannot come is told so."""

    def play(sock: socket.socket) -> None:
        upgrade(sock)
        read_to_end(sock)

    uri, config = f"ws://127.0.0.1:{script(play)}/", Config(close_timeout=0.05)
    async with connect(uri, config=config) as ws, anyio.create_task_group() as tasks:

        async def ping() -> None:
            with pytest.raises(ConnectionClosed):
                await ws.ping(b"x")

        tasks.start_soon(ping)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(LocalProtocolError):
            await ws.ping(b"x")
        await ws.close()


async def test_a_message_that_cannot_be_finished_closes(connect: Any, serve: Callable[..., int]) -> None:
    """An iterable that raises in the middle of a message ends the connection with 1011, and raises here."""

    async def broken() -> AsyncIterator[str]:
        yield "begun"
        raise ZeroDivisionError

    async with connect(f"ws://127.0.0.1:{serve(echo)}/") as ws:
        with pytest.raises(ZeroDivisionError):
            await ws.send(broken())
        with pytest.raises(ConnectionClosed, match="1011"):
            await ws.recv()


async def test_others_wait_while_a_message_is_sent_in_fragments(connect: Any, serve: Callable[..., int]) -> None:
    """A message sent meanwhile goes out behind the one in fragments; pings between them."""
    async with connect(f"ws://127.0.0.1:{serve(echo)}/") as ws:
        begun, go = anyio.Event(), anyio.Event()

        async def slow() -> AsyncIterator[str]:
            yield "first "
            begun.set()
            await go.wait()
            yield "message"

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ws.send, slow())
            await begun.wait()
            tasks.start_soon(ws.send, "second")
            await ws.ping()
            go.set()
            assert await ws.recv() == "first message"
            assert await ws.recv() == "second"


async def test_several_tasks_receive(connect: Any, serve: Callable[..., int]) -> None:
    """Each message goes to one of the tasks that wait, and the end to all."""
    async with connect(f"ws://127.0.0.1:{serve(echo)}/") as ws:
        got: list[str] = []

        async def take() -> None:
            async for message in ws:
                got.append(message)

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(take)
            await anyio.wait_all_tasks_blocked()
            for n in range(10):
                await ws.send(str(n))
            while len(got) < 10:
                await ws.ping()
            await ws.close()
    assert sorted(got) == [str(n) for n in range(10)]


async def test_unix_path(connect: Any, serve: Callable[..., int], tmp_path: Path) -> None:
    """A path is connected to instead of the URI's host, which is still what the server is asked for."""
    path = str(tmp_path / "s")
    serve(echo, uds=path)
    async with connect("ws://localhost/", unix_path=path) as ws:
        await ws.send("hello")
        assert await ws.recv() == "hello"


async def test_a_socket_that_is_connected_already(connect: Any, serve: Callable[..., int]) -> None:
    """A given socket is used, and closed at the end."""
    sock = socket.create_connection(("127.0.0.1", serve(echo)))
    async with connect("ws://localhost/", sock=sock) as ws:
        await ws.send("hello")
        assert await ws.recv() == "hello"


async def test_a_slow_reader_holds_the_server(connect: Any, serve: Callable[..., int]) -> None:
    """Reading stops while messages wait to be received; all of them arrive, however late."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        del scope
        await receive()
        await send({"type": "websocket.accept"})
        for n in range(200):
            await send({"type": "websocket.send", "bytes": bytes([n]) * 50_000})

    async with connect(f"ws://127.0.0.1:{serve(app)}/", config=Config(max_queue=4)) as ws:
        await anyio.wait_all_tasks_blocked()
        assert [message[0] async for message in ws] == list(range(200))
