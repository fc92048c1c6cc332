"""A bare socket that is waited for: interrupted, closed and full."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
import trio
import trio.testing

from wscore_trio._wire import LOST, Bare

SIZE = 2**23  # more than a pair of sockets holds


@pytest.fixture
def pair() -> Iterator[tuple[Bare, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        yield Bare(ours), theirs


async def everything(sock: socket.socket) -> int:
    size = 0
    while True:
        await trio.lowlevel.wait_readable(sock)
        if not (data := sock.recv(2**16)):
            return size
        size += len(data)


def test_receive_is_interrupted_and_goes_on(pair: tuple[Bare, socket.socket]) -> None:
    """An interruption is None, takes nothing, and the next call waits anew; the end is no bytes."""
    wire, peer = pair
    got: list[bytes | None] = []

    async def main() -> None:
        async def read() -> None:
            while got[-1:] != [b""]:
                got.append(await wire.receive())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await trio.testing.wait_all_tasks_blocked()
            wire.interrupt()
            await trio.testing.wait_all_tasks_blocked()
            peer.send(b"hello")
            while len(got) < 2:
                await trio.lowlevel.checkpoint()
            peer.shutdown(socket.SHUT_WR)

    trio.run(main)
    assert got == [None, b"hello", b""]


def test_receive_now_does_not_wait(pair: tuple[Bare, socket.socket]) -> None:
    """It gives what is there, None where nothing is, and no bytes at the end."""
    wire, peer = pair
    assert wire.receive_now() is None
    peer.send(b"hello")
    assert wire.receive_now() == b"hello"
    peer.close()
    assert wire.receive_now() == b""


def test_everything_is_sent_through_interruptions(pair: tuple[Bare, socket.socket]) -> None:
    """What the system does not take at once is written when it has room, whoever is woken meanwhile."""
    wire, peer = pair
    size = 0

    async def main() -> None:
        nonlocal size

        async def write() -> None:
            sent = wire.send_now(bytes(SIZE))
            assert sent < SIZE
            assert wire.send_now(b"more") == 0
            await wire.send_all(bytes(SIZE - sent))
            wire.end()
            wire.end()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(write)
            for _ in range(3):
                await trio.testing.wait_all_tasks_blocked()
                wire.interrupt()
            size = await everything(peer)

    trio.run(main)
    assert size == SIZE


def test_closing_ends_whoever_waits(pair: tuple[Bare, socket.socket]) -> None:
    """A task that writes hears that the socket was closed, as does one that begins to; closing twice is harmless."""
    wire, _ = pair

    async def main() -> None:
        async def write() -> None:
            with pytest.raises(LOST):
                await wire.send_all(bytes(SIZE))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(write)
            await trio.testing.wait_all_tasks_blocked()
            wire.close()
            wire.close()
        await write()

    trio.run(main)
