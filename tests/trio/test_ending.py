"""How connections end on trio: by a shutdown, by a cancellation, by a failure of ours; and what is left of them."""

from __future__ import annotations

import gc
import logging
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme
from tests.conformance.harness import open_sockets
from tests.core import peer as frames
from tests.transports.peer import OURS
from tests.transports.serving import serving
from tests.transports.steps import ACCEPT

from wscore import HandshakeFailed, ServerConfig, ServerConnection
from wscore._core.endpoint import lane_of
from wscore._core.lane import Lane
from wscore.testing import virtual_trio as virtual
from wscore_trio import connect, serve

PONG = 0x80 | frames.PONG


async def echo(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send(ACCEPT)
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


@pytest.mark.parametrize("stage", ["request", "application"])
def test_a_shutdown_that_cancels_applications_leaves_peers_their_time(stage: str) -> None:
    """A connection is read until its peer has ended it, although all applications have been cancelled meanwhile."""
    cancelled: list[float] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        try:
            await trio.sleep_forever()
        finally:
            cancelled.append(trio.current_time())

    async def main() -> None:
        async with serving("trio", app, ServerConfig(shutdown_grace=5, close_timeout=10)) as server:
            peer = server.connect()
            if stage == "application":
                peer.sends(frames.head())
            await trio.sleep(1)
            began = trio.current_time()
            server.close()
            await trio.sleep(8)
            assert [at - began for at in cancelled] == ([5] if stage == "application" else [])
            assert not server.over.is_set()
            peer.exchange()
            if stage == "application":
                peer.sends(frames.close(1012))
            peer.ends()
            await virtual.settled()
            assert server.over.is_set()

    virtual.run(main)


def test_an_application_that_resists_its_cancellation_keeps_no_socket(tmp_path: Path) -> None:
    """Cancelling the server closes every socket at once, though it has to wait for the application."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        with trio.CancelScope(shield=True):
            await trio.sleep(10)

    async def main() -> None:
        over = trio.Event()
        scope = trio.CancelScope()

        async def run(*, task_status: trio.TaskStatus[Any]) -> None:
            with scope:
                await serve(app, uds=str(tmp_path / "s"), lifespan="off", task_status=task_status)
            over.set()

        async with trio.open_nursery() as nursery:
            before = open_sockets()
            await nursery.start(run)
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(str(tmp_path / "s"))
                sock.sendall(frames.head())
                await trio.sleep(1)
                scope.cancel()
                await virtual.settled()
                assert len(open_sockets() - before) == 1  # the peer's
                assert not over.is_set()
                await trio.sleep(9)
                await virtual.settled()
                assert over.is_set()

    virtual.run(main)


@pytest.mark.parametrize(
    ("part", "where"), [(ServerConnection, "handle_timeout"), (ServerConnection, "receive_data"), (Lane, "output")]
)
def test_a_failure_of_ours_ends_one_connection(
    part: type[Any], where: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A core that raises, in whichever task, is logged; its socket is closed, and the connection beside it goes on."""
    works = getattr(part, where)
    broken: list[object] = []

    def fails(self: Any, *arguments: Any, **keywords: Any) -> Any:
        if self in broken:
            raise ZeroDivisionError
        return works(self, *arguments, **keywords)

    monkeypatch.setattr(part, where, fails)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        if scope["path"] == "/broken":
            broken.extend((receive.__self__.core, lane_of(receive.__self__.core)))
            if where == "output":
                await receive()
                await send({"type": "websocket.send", "text": "while there are more messages"})
        await trio.sleep(100)

    async def main() -> None:
        async with serving("trio", app, ServerConfig(ping_interval=5)) as server:
            before = open_sockets()
            other, peer = server.connect(), server.connect()
            other.sends(frames.head())
            peer.sends(frames.head(line=b"GET /broken HTTP/1.1"))
            await trio.sleep(1)
            peer.sends(frames.text("x") * 3)
            await trio.sleep(5)
            assert len(open_sockets() - before) == 3  # two of peers, and one of ours
            other.exchange()
            assert len(other.written.pings) == 1
            other.sends(frames.ping(OURS))
            await trio.sleep(1)
            other.exchange()
            assert (PONG, OURS) in other.written.items

    with caplog.at_level(logging.ERROR, "wscore.error"):
        virtual.run(main)
    assert next(record.getMessage() for record in caplog.records if record.exc_info) == "a connection failed"


# -- garbage


@asynccontextmanager
async def serving_tcp(app: Any, **options: Any) -> AsyncIterator[int]:
    async with trio.open_nursery() as nursery:
        server = await nursery.start(partial(serve, app, lifespan="off", access_log=False, **options))
        yield server.port
        nursery.cancel_scope.cancel()


async def says_hello(port: int, scheme: str = "ws", **options: Any) -> None:
    async with connect(f"{scheme}://localhost:{port}/", **options) as ws:
        await ws.send("hello")
        assert await ws.recv() == "hello"


def of_ours_in_garbage() -> set[str]:
    return {type(each).__qualname__ for each in gc.garbage if type(each).__module__.startswith("wscore")}


@pytest.mark.parametrize("tls", ["", "trusted", "not trusted"])
def test_a_thousand_connections_leave_no_garbage(tls: str) -> None:
    """Server and client: what is over is freed at once, and nothing of ours waits for the cyclic collector."""
    options: dict[str, Any] = {}
    client: dict[str, Any] = {}
    if tls:
        authority = trustme.CA()
        options["ssl"] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(options["ssl"])
        client = {"scheme": "wss", "ssl": ssl.create_default_context()}
        if tls == "trusted":
            authority.configure_trust(client["ssl"])

    async def main() -> set[str]:
        async with serving_tcp(echo, **options) as port:

            async def once() -> None:
                with suppress(HandshakeFailed):
                    await says_hello(port, **client)

            await once()
            gc.collect()
            gc.disable()
            gc.set_debug(gc.DEBUG_SAVEALL)
            try:
                for _ in range(50 if tls else 1000):
                    await once()
                await trio.testing.wait_all_tasks_blocked()
                gc.collect()
                return of_ours_in_garbage()
            finally:
                gc.set_debug(0)
                gc.garbage.clear()
                gc.enable()

    assert trio.run(main) == set()
