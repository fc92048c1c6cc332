"""Deadlines on real transports, with the default's durations: virtual time makes them free."""

from __future__ import annotations

import random
import socket
import sys
from typing import Any

import anyio
import pytest

import wscore_asyncio
import wscore_trio
from tests.conformance.harness import open_sockets
from tests.core import peer as frames
from wscore import Config, HandshakeTimeout, ServerConfig

from .connecting import connecting
from .peer import Peer
from .serving import serving
from .steps import ACCEPT
from .world import VIRTUAL, Client, Server, Step, play

OPENING: list[Step] = [("peer_sends", frames.head()), ("receives", 0), ("sends", 0, ACCEPT)]
KEEPALIVE = (0x80 | frames.PING, b"(keepalive)")


def pings(peer: Peer) -> int:
    return peer.written.items.count(KEEPALIVE)


def test_a_silent_client_is_pinged_again_and_again(library: str) -> None:
    """A client that answers every ping gets one every `ping_interval`, from the opening on."""
    server = Server(library, Config())
    each: list[Step] = [("comes_to_deadline", 0.0), ("peer_answers_ping",)]
    play(server, [*OPENING, ("receives", 0), *each * 10])
    assert pings(server.peer) == 10


def test_a_silent_server_is_pinged_again_and_again(library: str) -> None:
    """The same at the other end."""
    client = Client(library, Config())
    each: list[Step] = [("comes_to_deadline", 0.0), ("peer_answers_ping",)]
    play(client, [("peer_accepts",), *each * 10])
    assert pings(client.peer) == 10


@pytest.mark.parametrize("late", [0.0, 3.5, 9.5])
def test_a_client_that_never_closes_is_cut(library: str, late: float) -> None:
    """`close_timeout` after the application's close the socket is closed, however late the request came."""
    server = Server(library, Config())
    close = {"type": "websocket.close"}
    play(server, [("passes", late), *OPENING, ("sends", 0, close), ("returns",), ("passes", 10.1), ("at_its_end",)])


@pytest.mark.parametrize(
    ("request_", "status"),
    [(frames.head(without=[b"Host"]), b"400"), (frames.head(without=[b"Upgrade"]), b"426"), (b"GET / HT", b"408")],
)
def test_a_client_that_keeps_its_side_open_after_a_refusal_is_cut(library: str, request_: bytes, status: bytes) -> None:
    """`close_timeout` after a refusal the socket is closed."""
    server = Server(library, Config())
    play(server, [("passes", 3.5), ("peer_sends", request_), ("passes", 6.6), ("passes", 10.1), ("at_its_end",)])
    assert server.peer.written.rest.startswith(b"HTTP/1.1 " + status)


def test_an_application_that_never_answers_is_answered_for(library: str) -> None:
    """`accept_timeout` after the request the client gets 503."""
    server = Server(library, Config())
    play(server, [("passes", 3.5), *OPENING[:2], ("passes", 20.1), ("receives", 0), ("passes", 10.1), ("at_its_end",)])
    assert server.peer.written.rest.startswith(b"HTTP/1.1 503")


@pytest.mark.parametrize("after", [0.0, 3.5, 30.0])
def test_a_client_leaves_a_silent_server(library: str, after: float) -> None:
    """Leaving the context takes `close_timeout` at most."""

    async def main() -> float:
        async with connecting(library, Config()) as (connect, _):
            async with connect:
                await anyio.sleep(after)
                before = anyio.current_time()
            return anyio.current_time() - before

    assert VIRTUAL[library].run(main) == pytest.approx(10, abs=0.1)


@pytest.mark.parametrize("stays", [0, 30])
@pytest.mark.parametrize("pushes", [True, False])
def test_a_peer_that_left_behind_a_full_queue_is_found(library: str, pushes: bool, stays: float) -> None:
    """A client that fills the queue of an application which does not read, and goes, is gone within a few intervals."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        while True:
            await anyio.sleep(7)
            if pushes:
                await send({"type": "websocket.send", "text": "tick"})

    async def main() -> set[str]:
        async with serving(library, app, Config()) as server:
            before = open_sockets()
            peer = server.connect()
            peer.sends(frames.head())
            await VIRTUAL[library].settled()
            peer.exchange()
            peer.sends(frames.text("x") * 40)
            await VIRTUAL[library].settled()
            peer.ends()
            await anyio.sleep(stays)  # it has gone, and the network has not told us yet
            peer.exchange()
            peer.vanishes()
            await anyio.sleep(3 * 20 + 1)
            return open_sockets() - before

    assert not VIRTUAL[library].run(main)


def test_a_message_that_comes_past_a_deadline_is_answered(library: str) -> None:
    """A loop that was kept busy past a ping's moment finds both: the ping goes out, and the message is delivered."""
    for seed in range(10):
        random.seed(seed)
        for data in (frames.text("late"), frames.close(4003)):
            reading: list[Step] = [("receives", 0, 1000), ("peer_sends", frames.text("first"))]
            late: Step = ("at_once", 0.2, ("peer_sends", data))
            play(Server(library, ServerConfig(read_poll_interval=0.001)), [*OPENING, *reading, late])


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a full backlog may refuse")
def test_a_server_whose_system_does_not_answer_is_given_up(library: str) -> None:
    """`handshake_timeout` covers TCP: where nothing comes back, connecting ends with a HandshakeTimeout."""

    async def main(port: int) -> float:
        connect: Any = wscore_asyncio.connect if library == "asyncio" else wscore_trio.connect
        began = anyio.current_time()
        with pytest.raises(HandshakeTimeout):
            await connect(f"ws://127.0.0.1:{port}/", proxy=None).__aenter__()
        return anyio.current_time() - began

    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)  # one connection has room to wait
        for each in (first, second):
            each.setblocking(False)
            each.connect_ex(listener.getsockname())
        assert VIRTUAL[library].run(main, listener.getsockname()[1]) == pytest.approx(10, abs=0.1)
