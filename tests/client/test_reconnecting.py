"""`async for ws in connect(...)`: one connection after another, and what ends that."""

from __future__ import annotations

import contextlib
import gc
import logging
import socket
import threading
from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from wscore import Backoff, Config, ConnectionClosed, HandshakeFailed, HandshakeRefused

from ..conformance.harness import PATIENCE
from ..conformance.wire import TEXT, frame
from ..real_time import scaled
from .servers import nobody_listens, read_request, read_to_end, tasks, upgrade

pytestmark = pytest.mark.anyio

SHORT = Config(close_timeout=0.1)  # its servers never answer a close frame, and all wait for it


class Restarting:
    """A server that does something else at each connection: plays are taken in turn, the last for all that follow."""

    def __init__(self, *plays: Callable[[socket.socket], object]) -> None:
        self.count = 0
        self.received: list[bytes] = []
        self._plays = plays
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self._listener.getsockname()[1]}/"

    async def __aenter__(self) -> Restarting:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        """Wait until the client has gone, which it may do in the background."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        await anyio.to_thread.run_sync(self._thread.join, PATIENCE)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                play = self._plays[min(self.count, len(self._plays) - 1)]
                self.count += 1
                with sock, contextlib.suppress(OSError, AssertionError):
                    sock.settimeout(PATIENCE)
                    play(sock)
                    self.received.append(read_to_end(sock))


async def test_headers_that_can_be_read_only_once(connect: Any) -> None:
    """Headers and subprotocols from an iterator stand in the request of each attempt."""
    heads: list[bytes] = []

    def refuse(sock: socket.socket) -> None:
        heads.append(read_request(sock))
        sock.sendall(b"HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n")
        sock.shutdown(socket.SHUT_WR)

    def forbid(sock: socket.socket) -> None:
        heads.append(read_request(sock))
        sock.sendall(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
        sock.shutdown(socket.SHUT_WR)

    given = (pair for pair in [("Authorization", "Bearer x")])
    async with Restarting(refuse, refuse, forbid) as server:
        with pytest.raises(HandshakeRefused):
            await forever(connect(server.url, headers=given, subprotocols=iter(["chat"]), backoff=at_once()))
    assert len(heads) == 3
    for head in heads:
        assert b"\r\nAuthorization: Bearer x\r\n" in head
        assert b"\r\nSec-WebSocket-Protocol: chat\r\n" in head


def refuses(status: str) -> Callable[[socket.socket], None]:
    def play(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
        sock.shutdown(socket.SHUT_WR)

    return play


def drops(sock: socket.socket) -> None:
    """End before the answer."""
    read_request(sock)
    sock.shutdown(socket.SHUT_WR)


def greets(sock: socket.socket) -> None:
    """Open, say hello, and go."""
    upgrade(sock)
    sock.sendall(frame(TEXT, b"hello", mask=None))
    sock.shutdown(socket.SHUT_WR)


def stays(sock: socket.socket) -> None:
    """Open, say hello, and stay until the client goes."""
    upgrade(sock)
    sock.sendall(frame(TEXT, b"hello", mask=None))


def at_once() -> Backoff:
    return Backoff(lambda: 0.0, initial=0.001, maximum=0.001)


async def forever(connections: Any) -> None:
    async for _ in connections:
        pass


async def test_it_connects_again_and_again(connect: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever may get better is tried again: a server that is down, or goes away, or comes back."""
    messages = []
    caplog.set_level(logging.INFO, "wscore.client")
    async with Restarting(refuses("503 Busy"), drops, greets, refuses("502 Bad"), stays) as server:
        async for ws in connect(server.url, backoff=at_once(), config=SHORT):
            with contextlib.suppress(ConnectionClosed):
                messages.append(await ws.recv())
                if len(messages) == 2:
                    break
                await ws.recv()
    assert messages == ["hello", "hello"]
    assert server.count == 5
    expected = ["the server answered 503", "before the handshake was answered", "ended after", "answered 502"]
    assert len(caplog.messages) == len(expected)
    for message, part in zip(caplog.messages, expected, strict=True):
        assert part in message
        assert "connecting again in 0.0 s" in message
        assert server.url in message


async def test_nobody_listens(connect: Any) -> None:
    """It goes on trying."""
    attempts = 0

    class Counting(Backoff):
        def after_failure(self) -> float:
            nonlocal attempts
            attempts += 1
            if attempts == 3:
                scope.cancel()
            return super().after_failure()

    with nobody_listens() as port, anyio.CancelScope() as scope:
        await forever(connect(f"ws://127.0.0.1:{port}/", backoff=Counting(lambda: 0.0, initial=0.01, maximum=0.01)))
    assert attempts == 3


@pytest.mark.parametrize("status", ["401 Unauthorized", "404 Not Found", "301 Moved"])
async def test_what_will_not_get_better_is_raised(connect: Any, status: str) -> None:
    """A refusal that is meant: the loop ends with it."""
    async with Restarting(refuses(status)) as server:
        with pytest.raises(HandshakeRefused) as refused:
            await forever(connect(server.url, backoff=at_once()))
    assert refused.value.status == int(status[:3])
    assert server.count == 1


async def test_what_is_no_websocket_server_is_raised(connect: Any) -> None:
    """Nor does nonsense get better."""
    async with Restarting(lambda sock: sock.sendall(b"SSH-2.0\r\n\r\n")) as server:
        with pytest.raises(HandshakeFailed):
            await forever(connect(server.url, backoff=at_once()))
    assert server.count == 1


async def test_each_connection_is_closed_before_the_next(connect: Any) -> None:
    """A body that goes on to the next one leaves an open connection behind: it is closed with 1000."""
    count = 0
    async with Restarting(stays) as server:
        async for ws in connect(server.url, backoff=at_once(), config=SHORT):
            assert await ws.recv() == "hello"
            count += 1
            if count == 3:
                await ws.close()
                break
    assert len(server.received) == 3
    assert all(data[:2] == b"\x88\x82" for data in server.received)  # a masked close frame with a code


async def test_a_loop_that_is_left_closes_its_connection(connect: Any) -> None:
    """By `break` too, in the background, with a close frame."""
    async with Restarting(stays) as server:
        async for ws in connect(server.url, config=SHORT):
            assert await ws.recv() == "hello"
            break
        del ws
        gc.collect()  # for Pythons that do not count references
    assert server.received[0][:2] == b"\x88\x82"


async def test_closing_waits_for_the_end(connect: Any) -> None:
    """`aclosing` leaves nothing to the background."""
    async with Restarting(stays) as server:
        async with contextlib.aclosing(aiter(connect(server.url, config=SHORT))) as connections:
            ws = await anext(connections)
        assert ws.close_code is not None
        with pytest.raises(ConnectionClosed):
            await ws.send("x")


async def test_an_error_in_the_loop_comes_out(connect: Any) -> None:
    """It is not taken for a failure to connect, and ends the loop."""

    async def fail(connections: Any) -> None:
        async for _ in connections:
            raise HandshakeFailed("mine", "mine", temporary=True)

    async with Restarting(stays) as server:
        with pytest.raises(HandshakeFailed, match="mine"):
            await fail(connect(server.url, config=SHORT))
    assert server.count == 1


@pytest.mark.parametrize("when", ["connecting", "pausing", "open", "closing"])
async def test_cancelled(connect: Any, when: str) -> None:
    """At whatever moment: the loop ends at once, and nothing is left."""

    def says_nothing(sock: socket.socket) -> None:
        read_request(sock)

    async with Restarting({"connecting": says_nothing, "pausing": drops}.get(when, stays)) as server:
        with anyio.move_on_after(0.2) as scope:
            async for ws in connect(server.url, backoff=Backoff(lambda: 0.0, initial=50.0), config=SHORT):
                if when == "open":
                    await anyio.sleep_forever()
                await ws.recv()
        assert scope.cancelled_caught
        gc.collect()


async def test_a_socket_is_connected_once(connect: Any) -> None:
    """`sock` cannot be connected again; that is said before anything happens."""
    with socket.socket() as sock, pytest.raises(ValueError, match="sock is a connection"):
        await forever(connect("ws://localhost/", sock=sock))


class Telling(Backoff):
    """Pauses that can be waited for."""

    def __init__(self, **options: float) -> None:
        super().__init__(lambda: 0.0, **options)
        self.begun = anyio.Event()

    def after_failure(self) -> float:
        self.begun.set()
        return super().after_failure()


async def cancelled(connections: Any, when: Callable[[], Any]) -> None:
    """Ask for the next connection, and cancel that."""
    async with anyio.create_task_group() as group:
        group.start_soon(anext, connections)
        await when()
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()


@pytest.mark.realtime
async def test_cancelled_in_a_pause(connect: Any) -> None:
    """Nothing is there that could be left; who asks again waits for the pause, and gets a connection."""
    before = tasks()
    async with Restarting(refuses("503 Busy"), stays) as server:
        backoff = Telling(initial=scaled(0.5), maximum=scaled(0.5))
        connections = aiter(connect(server.url, backoff=backoff, config=SHORT))
        await cancelled(connections, backoff.begun.wait)
        assert server.count == 1
        assert await (await anext(connections)).recv() == "hello"
        await connections.aclose()
    await anyio.wait_all_tasks_blocked()
    assert tasks() == before


async def test_cancelled_while_it_connects(connect: Any) -> None:
    """The socket is closed, which the server sees, and no task is left; who asks again gets a connection."""
    before = tasks()
    async with Restarting(read_request, stays) as server:
        connections = aiter(connect(server.url, backoff=at_once(), config=SHORT))
        await cancelled(connections, anyio.lowlevel.checkpoint)
        await anyio.wait_all_tasks_blocked()
        assert tasks() == before
        assert await (await anext(connections)).recv() == "hello"
        await connections.aclose()
    await anyio.wait_all_tasks_blocked()
    assert tasks() == before


async def test_cancelled_while_the_last_connection_is_closed(connect: Any) -> None:
    """It is cut, however long the server would take; who asks again gets the next one."""
    before = tasks()
    async with Restarting(stays) as server:
        connections = aiter(connect(server.url, backoff=at_once(), config=Config(close_timeout=PATIENCE)))
        ws = await anext(connections)
        await cancelled(connections, anyio.lowlevel.checkpoint)
        await anyio.wait_all_tasks_blocked()
        assert ws.close_code is not None
        assert tasks() == before
        assert await (await anext(connections)).recv() == "hello"
        await cancelled(connections, anyio.lowlevel.checkpoint)
    await anyio.wait_all_tasks_blocked()
    assert tasks() == before
    assert server.count == 2


async def test_cancelled_in_the_body(connect: Any) -> None:
    """The loop is left, and its connection closed in the background."""
    before = tasks()
    async with Restarting(stays) as server:

        async def follow() -> None:
            async for ws in connect(server.url, config=SHORT):
                async for _ in ws:
                    heard.set()

        heard = anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(follow)
            await heard.wait()
            group.cancel_scope.cancel()
        gc.collect()  # for Pythons that do not count references
    await anyio.wait_all_tasks_blocked()
    assert tasks() == before
