"""Peers that read slowly or not at all, with the default's durations: what waits, what is held, what arrives."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from functools import partial
from typing import Any

import anyio
import pytest

from tests.core import peer as frames
from wscore import ClientDisconnected, Config, ConnectionClosed

from .connecting import connecting
from .peer import OURS, Peer
from .serving import serving
from .steps import ACCEPT
from .world import VIRTUAL

Send = Callable[[bytes], Awaitable[object]]
Use = Callable[[Send, Peer], Awaitable[None]]

MEGABYTE = 1_000_000


def run(library: str, end: str, config: Config, use: Use, play: Callable[[Peer], Awaitable[None]]) -> Peer:
    """Let the server's application or the client `use` its connection, while the peer is played; wait for both."""
    peers: list[Peer] = []

    async def as_server(tasks: Any) -> None:
        over = anyio.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            try:
                await receive()
                await send(ACCEPT)
                await use(lambda data: send({"type": "websocket.send", "bytes": data}), peers[0])
            finally:
                over.set()

        async with serving(library, app, config) as server:
            peers.append(server.connect())
            peers[0].sends(frames.head())
            await anyio.wait_readable(peers[0].socket)
            tasks.start_soon(play, peers[0])
            await over.wait()
            await anyio.sleep(config.close_timeout + 1)

    async def as_client(tasks: Any) -> None:
        async with connecting(library, config) as (connect, peer):
            peers.append(peer)
            async with connect as ws:
                tasks.start_soon(play, peer)
                await use(ws.send, peer)

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            await (as_server if end == "server" else as_client)(tasks)

    VIRTUAL[library].run(main)
    return peers[0]


def sizes(peer: Peer) -> list[int]:
    return [len(item[1]) for item in peer.written.items if isinstance(item, tuple) and item[0] == 0x82]


@pytest.mark.parametrize("end", ["server", "client"])
def test_sends_that_are_given_up_are_not_held(library: str, end: str) -> None:
    """A timeout around every send does not make what is held for a peer grow without bound."""

    async def use(send: Send, peer: Peer) -> None:
        for _ in range(120):
            with anyio.move_on_after(0.1):
                await send(bytes(MEGABYTE))
        while peer.exchange():
            await VIRTUAL[library].settled()

    async def play(peer: Peer) -> None:
        pass

    assert len(sizes(run(library, end, Config(), use, play))) <= 3


@pytest.mark.parametrize("end", ["server", "client"])
def test_a_message_that_was_sent_arrives(library: str, end: str) -> None:
    """`send` waits for a peer that pauses longer than the closing may take, so leaving loses nothing."""

    async def use(send: Send, peer: Peer) -> None:
        await send(bytes(12 * MEGABYTE))

    async def play(peer: Peer) -> None:
        await anyio.sleep(15)
        for _ in range(100):
            while peer.exchange():
                await VIRTUAL[library].settled()
            await anyio.sleep(0.1)
            if peer.written.items[-1] == (0x88, b"\x03\xe8"):
                peer.sends(frames.close(1000, mask=frames.MASK if end == "server" else None))
                peer.ends()

    peer = run(library, end, Config(ping_interval=None), use, play)
    assert sizes(peer) == [12 * MEGABYTE]


@pytest.mark.parametrize("end", ["server", "client"])
def test_a_task_that_only_sends_gives_way(library: str, end: str) -> None:
    """Other tasks have their turn while one sends small messages to a peer that reads as fast as it can."""
    turns: list[int] = []

    async def use(send: Send, peer: Peer) -> None:
        async def other() -> None:
            await anyio.lowlevel.checkpoint()
            turns.append(sent)

        sent = 0
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(other)
            while not turns and sent < 50_000:
                await send(b"0123456789")
                sent += 1
                peer.exchange()

    async def play(peer: Peer) -> None:
        pass

    run(library, end, Config(), use, play)
    assert turns[0] < 50_000


@pytest.mark.parametrize("end", ["server", "client"])
def test_a_transfer_that_makes_progress_goes_on(library: str, end: str) -> None:
    """A peer that takes a large message slowly, and answers pings as it comes to them, is not taken for dead."""
    done: list[float] = []

    async def use(send: Send, peer: Peer) -> None:
        await send(bytes(5 * MEGABYTE))
        done.append(anyio.current_time())
        await anyio.sleep(20)

    async def play(peer: Peer) -> None:
        answered = 0
        for _ in range(200):
            await anyio.sleep(1)
            if not peer.ended:
                peer.reads(50_000)
            for payload in peer.written.pings[answered:]:
                peer.sends(frames.pong(payload, mask=frames.MASK if end == "server" else None))
            answered = len(peer.written.pings)

    peer = run(library, end, Config(), use, play)
    assert sizes(peer) == [5 * MEGABYTE]
    assert done


def test_a_large_message_is_written_to_its_end(library: str) -> None:
    """A server that reads nothing more once `send` has returned gets all of it, though the closing takes too long."""
    sizes_sent = [MEGABYTE + extra for extra in range(0, 200_000, 12_000)]

    async def main(size: int, received: list[int]) -> None:
        async with connecting(library, Config(ping_interval=None)) as (connect, peer):

            async def play() -> None:
                while True:
                    peer.reads(8192)
                    await anyio.sleep(0.1)

            async with connect as ws, anyio.create_task_group() as tasks:
                tasks.start_soon(play)
                await ws.send(bytes(size))
                tasks.cancel_scope.cancel()
            while not peer.ended:
                peer.exchange()
            received.extend(sizes(peer))

    for size in sizes_sent:
        received: list[int] = []
        VIRTUAL[library].run(partial(main, size, received))
        assert received == [size]


def test_a_message_that_answers_another_is_waited_for(library: str) -> None:
    """A client that answers at once with a large message waits for a slow server as one does that speaks by itself."""
    done: list[float] = []

    async def play(peer: Peer) -> None:
        peer.sends(frames.text("go", mask=None))
        await anyio.sleep(3)
        while not peer.ended:
            peer.exchange()
            await anyio.sleep(0.1)

    async def main() -> None:
        async with connecting(library, Config(ping_interval=None)) as (connect, peer), connect as ws:
            began = anyio.current_time()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(play, peer)
                assert await ws.recv() == "go"
                await ws.send(bytes(12 * MEGABYTE))
                done.append(anyio.current_time() - began)
                tasks.cancel_scope.cancel()

    VIRTUAL[library].run(main)
    assert done[0] >= 3


def test_pings_that_are_given_up_are_not_held(library: str) -> None:
    """A timeout around every ping does not make what is held for a server that reads nothing grow without bound."""
    written: list[object] = []

    async def main() -> None:
        config = Config(close_timeout=0.1, ping_interval=None)
        async with connecting(library, config) as (connect, peer), connect as ws:
            with anyio.move_on_after(0.1):
                await ws.send(bytes(MEGABYTE))  # there is no room left
            for number in range(100):
                with anyio.move_on_after(0.1):
                    await ws.ping(OURS + number.to_bytes(4))
            while peer.exchange():
                await VIRTUAL[library].settled()
            written.extend(peer.written.items)

    VIRTUAL[library].run(main)
    assert sum(isinstance(item, tuple) and item[0] == 0x89 for item in written) <= 1


def test_a_message_in_many_fragments_gives_way(library: str) -> None:
    """Other tasks have their turn while a message goes out whose iterable always has another small fragment."""
    turns: list[int] = []
    sent = 0

    async def other() -> None:
        await anyio.lowlevel.checkpoint()
        turns.append(sent)

    async def main() -> None:
        async def fragments() -> AsyncIterator[bytes]:
            nonlocal sent
            while not turns and sent < 50_000:
                yield b"0123456789"
                sent += 1
                peer.exchange()

        config = Config(close_timeout=0.1)
        async with connecting(library, config) as (connect, peer), connect as ws, anyio.create_task_group() as tasks:
            tasks.start_soon(other)
            await ws.send(fragments())

    VIRTUAL[library].run(main)
    assert turns[0] < 50_000


@pytest.mark.parametrize("paused", [False, True], ids=["while it reads", "while it does not read"])
def test_a_peer_that_goes_while_much_is_written_to_it_is_found_by_writing(library: str, paused: bool) -> None:
    """Who waits behind a large message is told at once, though nothing may be read that would tell of the loss."""
    left: list[float] = []
    told: list[float] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        await anyio.sleep(1)
        with pytest.raises(ClientDisconnected):
            await send({"type": "websocket.send", "bytes": bytes(5 * MEGABYTE)})
        told.append(anyio.current_time())

    async def main() -> None:
        async with serving(library, app, Config()) as server:
            peer = server.connect()
            peer.sends(frames.head())
            await VIRTUAL[library].settled()
            peer.exchange()
            if paused:
                peer.sends(frames.text("x") * 40)
            await anyio.sleep(3)
            peer.reads(1000)
            peer.vanishes()
            left.append(anyio.current_time())
            await anyio.sleep(5)

    VIRTUAL[library].run(main)
    assert told[0] - left[0] < 0.5


@pytest.mark.parametrize("size", [1, 100_000])
@pytest.mark.parametrize("end", ["server", "client"])
def test_a_peer_that_is_gone_is_not_written_to(
    library: str, end: str, size: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Sending on in the turn in which a write failed waits for how the connection ended, and warns of nothing."""
    sent: list[int] = []

    async def use(send: Send, peer: Peer) -> None:
        async def send_on() -> None:
            while len(sent) < 1000:
                await send(bytes(size))
                sent.append(size)

        await anyio.sleep(1)
        peer.closes()
        with pytest.raises((ClientDisconnected, ConnectionClosed)):
            await send_on()

    async def play(peer: Peer) -> None:
        pass

    run(library, end, Config(), use, play)
    assert len(sent) < 600  # two turns' messages, where they are small
    assert sum(sent) < 10 * MEGABYTE
    assert caplog.messages == []


@pytest.mark.parametrize("fragments", [False, True], ids=["whole", "in fragments"])
def test_a_message_that_cannot_arrive_any_more_is_not_sent(library: str, fragments: bool) -> None:
    """Where the server goes while a client's large message is written, `send` raises instead of returning."""

    async def pieces() -> AsyncGenerator[bytes]:
        yield bytes(5 * MEGABYTE)

    async def use(send: Any, peer: Peer) -> None:
        async with aclosing(pieces()) as message:
            with pytest.raises(ConnectionClosed):
                await send(message if fragments else bytes(5 * MEGABYTE))

    async def play(peer: Peer) -> None:
        await anyio.sleep(1)
        peer.reads(1000)
        peer.vanishes()

    run(library, "client", Config(ping_interval=None), use, play)


def test_fragments_are_not_made_before_there_is_room(library: str) -> None:
    """A server that reads nothing stops the iterable; what is held for it stays near the limit."""
    made = 0

    async def pieces() -> AsyncGenerator[bytes]:
        nonlocal made
        for _ in range(100):
            yield bytes(100_000)
            made += 1

    async def use(send: Any, peer: Peer) -> None:
        async with aclosing(pieces()) as message:
            with anyio.move_on_after(5):
                await send(message)
        peer.closes()

    async def play(peer: Peer) -> None:
        pass

    run(library, "client", Config(ping_interval=None), use, play)
    assert made < 10


def test_a_fragment_is_written_when_it_is_made(library: str) -> None:
    """A server gets the first fragments while the iterable waits, those too that answer a message of its own."""
    arrived: list[object] = []

    async def main() -> None:
        async with connecting(library, Config(compression=False)) as (connect, peer), connect as ws:

            async def pieces() -> AsyncIterator[str]:
                yield "at once"
                await anyio.sleep(1)
                peer.exchange()
                arrived.extend(peer.written.items[1:])

            async def answer() -> None:
                await ws.recv()
                await ws.send(pieces())

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(answer)
                await VIRTUAL[library].settled()
                peer.sends(frames.text("go", mask=None))
            peer.ends()

    VIRTUAL[library].run(main)
    assert arrived == [(frames.TEXT, b"at once")]


@pytest.mark.parametrize("fails", [False, True], ids=["complete", "given up"])
def test_the_end_of_a_message_in_fragments_is_written_at_once(library: str, fails: bool) -> None:
    """Its last frame goes out, or the close with 1011 where its iterable raises, though nobody does anything more."""

    async def pieces() -> AsyncIterator[str]:
        yield "only"
        if fails:
            raise ValueError

    async def main() -> None:
        async with connecting(library, Config(compression=False)) as (connect, peer), connect as ws:
            with suppress(ValueError):
                await ws.send(pieces())
            await VIRTUAL[library].settled()
            peer.exchange()
            last = (0x88, b"\x03\xf3") if fails else (0x80, b"")
            written: list[Any] = peer.written.items[1:]
            assert [(opcode, payload[:2]) for opcode, payload in written] == [(frames.TEXT, b"on"), last]
            peer.ends()

    VIRTUAL[library].run(main)
