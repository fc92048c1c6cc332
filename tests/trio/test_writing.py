"""One writer at a time: what the system does not take at once is written by a task, and all else behind it."""

from __future__ import annotations

import contextlib
import random
import socket

import trio
import trio.testing

from wscore import ClientConnection, Config
from wscore_trio._client import ClientSocketDriver

MUCH = 3_000_000


def test_what_is_said_while_much_is_written_goes_out_behind_it() -> None:
    """Whole and in order, as TLS does, whose goodbye waits for nobody; who was told to wait is told of room once."""
    heard = bytearray()
    drained: list[int] = []

    class Told(ClientSocketDriver):
        def output_drained(self) -> None:
            drained.append(len(heard))
            super().output_drained()

    async def main() -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        peer = trio.SocketStream(trio.socket.from_stdlib_socket(theirs))
        with trio.fail_after(20):
            async with trio.open_nursery() as nursery, peer:
                core = ClientConnection("ws://h/", Config(), now=trio.current_time(), random=random.Random(0).randbytes)
                link = Told(core, None, ours, nursery.start_soon)
                link.write(bytes(MUCH))
                assert not link.writable
                link.write(b"behind ")
                link.write(b"it")
                assert link.unsent() >= 9
                while len(heard) < MUCH + 9:
                    heard.extend(await peer.receive_some())
                await trio.testing.wait_all_tasks_blocked()
                link.lost()

    trio.run(main)
    assert heard[MUCH : MUCH + 9] == b"behind it"
    assert len(drained) == 1


def test_a_system_that_takes_nothing_is_waited_for() -> None:
    """What is said then goes out once it takes something."""
    heard = bytearray()

    async def main() -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        peer = trio.SocketStream(trio.socket.from_stdlib_socket(theirs))
        before = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                before += ours.send(bytes(1000))
        with trio.fail_after(20):
            async with trio.open_nursery() as nursery, peer:
                core = ClientConnection("ws://h/", Config(), now=trio.current_time(), random=random.Random(0).randbytes)
                link = ClientSocketDriver(core, None, ours, nursery.start_soon)
                link.write(b"first")
                assert not link.writable
                while len(heard) < before + 5:
                    heard.extend(await peer.receive_some())
                link.lost()
        assert heard[before : before + 5] == b"first"

    trio.run(main)
