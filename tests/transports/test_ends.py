"""Last words: a close frame that came counts, and one that can be sent is sent."""

from __future__ import annotations

import contextlib
import random
import socket
from typing import Any

import anyio
import pytest

from tests.core import peer as frames
from wscore import ClientDisconnected, Config, ConnectionClosed, ServerConfig, ServerConnection

from .connecting import connecting
from .peer import Peer
from .serving import serving
from .steps import ACCEPT
from .world import VIRTUAL, Client, Server, Step, play


@pytest.mark.parametrize("count", [1, 20, 40])
def test_a_close_frame_that_was_read_counts_before_a_loss(count: int) -> None:
    """Messages and a close frame in one read, then the loss: the application gets all of it, and the peer's code."""
    core = ServerConnection(Config(), now=0.0)
    core.receive_data(frames.head(), now=0.0)
    core.next_message(now=0.0)
    core.send(ACCEPT, now=0.0)
    core.receive_data(frames.text("x") * count + frames.close(4003), now=0.0)
    core.receive_eof(now=0.0)
    core.connection_lost(now=0.0)
    messages: list[Any] = []
    while (message := core.next_message(now=0.0)) is not None:
        messages.append(message)
    assert len(messages) == count + 1
    assert messages[-1]["code"] == 4003


@pytest.mark.parametrize("count", [1, 20, 40])
def test_a_transport_that_loses_its_peer_has_read_the_close_frame(library: str, count: int) -> None:
    """The same through a socket."""
    server = Server(library, ServerConfig(read_poll_interval=0.001))
    opening = [("peer_sends", frames.head()), ("receives", 0), ("sends", 0, ACCEPT)]
    data = frames.text("x") * count + frames.close(4003)
    play(server, [*opening, ("peer_sends", data), ("peer_vanishes", False), ("receives", 0, 1000)])
    last: Any = server.told[0][-1]
    assert last["code"] == 4003


@pytest.mark.parametrize("before", [[], [("receives", 0, 1000), ("peer_sends", frames.text("x", mask=None))]])
def test_a_client_that_is_cancelled_says_so(library: str, before: list[Step]) -> None:
    """Cancelling who uses a connection sends a close frame, in whatever order the tasks run, and cuts it."""
    for seed in range(20):
        random.seed(seed)
        client = Client(library, Config())
        play(client, [("peer_accepts",), *before, ("is_cancelled",)])
        assert client.peer.written.items[-1] == (0x88, b"\x03\xe8")


@pytest.mark.parametrize("count", [0, 5])
def test_a_loss_found_out_by_writing_comes_after_what_was_said_to_a_server(library: str, count: int) -> None:
    """A peer closes with a code and is gone when something is sent to it: its messages and its code count."""
    told: list[Any] = []

    async def main() -> None:
        over = anyio.Event()
        peers: list[Peer] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send(ACCEPT)
            peers[0].sends(frames.text("x") * count + frames.close(4003))
            peers[0].closes()
            with contextlib.suppress(ClientDisconnected):
                await send({"type": "websocket.send", "text": "x"})
            for _ in range(count + 1):
                told.append(await receive())
            over.set()

        async with serving(library, app, Config()) as server:
            peers.append(server.connect())
            peers[0].sends(frames.head())
            await over.wait()

    VIRTUAL[library].run(main)
    assert len(told) == count + 1
    assert told[-1]["code"] == 4003


@pytest.mark.parametrize("count", [0, 5])
def test_a_loss_found_out_by_writing_comes_after_what_was_said_to_a_client(library: str, count: int) -> None:
    """A server closes with a code and is gone when something is sent to it: its messages and its code count."""
    told: list[str | bytes] = []

    async def main() -> None:
        async with connecting(library, Config()) as (connect, peer), connect as ws:
            peer.sends(frames.text("x", mask=None) * count + frames.close(4003, mask=None))
            peer.closes()
            with contextlib.suppress(ConnectionClosed):
                await ws.send("x")
            told.extend([await ws.recv() for _ in range(count)])
            with pytest.raises(ConnectionClosed) as closed:
                await ws.recv()
            assert closed.value.code == 4003

    VIRTUAL[library].run(main)
    assert told == ["x"] * count


def test_a_client_that_is_cancelled_with_no_room_just_ends(library: str) -> None:
    """Where a server reads nothing the close frame has no way out: the cancellation is all that is heard of it."""

    async def main() -> None:
        ours, theirs = socket.socketpair()
        with ours.dup() as same, theirs, anyio.CancelScope() as scope:
            async with connecting(library, Config(), (ours, theirs)) as (connect, _), connect:
                with contextlib.suppress(BlockingIOError):
                    while same.send(b"x"):
                        pass
                scope.cancel()

    VIRTUAL[library].run(main)


def test_a_client_makes_room_once_its_application_has_ended(library: str) -> None:
    """An application that outlives its client counts against `max_connections`; then the next client is served."""
    answers: list[object] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        await anyio.sleep(50)

    async def main() -> None:
        async with serving(library, app, ServerConfig(max_connections=1)) as server:

            async def visits() -> None:
                peer = server.connect()
                peer.sends(frames.head())
                await anyio.sleep(1)
                peer.exchange()
                answers.append(peer.written.items[0] if peer.written.items else peer.written.rest)
                peer.closes()

            await visits()
            await anyio.sleep(20)
            await visits()
            await anyio.sleep(40)
            await visits()

    VIRTUAL[library].run(main)
    assert [str(answer)[2:14] for answer in answers] == ["HTTP/1.1 101", "HTTP/1.1 503", "HTTP/1.1 101"]
