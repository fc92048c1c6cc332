"""The watcher hears of what others do with its socket."""

from __future__ import annotations

import random
import socket

import trio
import trio.testing

from wscore import ClientConnection, Config
from wscore_trio._client import ClientSocketDriver


def test_a_watcher_that_reads_hears_that_the_socket_was_closed() -> None:
    """By whoever did it: the system would not tell who waits for bytes of a socket that is closed."""

    async def main() -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        config = Config(handshake_timeout=1000)
        with trio.fail_after(20), theirs:
            async with trio.open_nursery() as nursery:
                core = ClientConnection("ws://h/", config, now=trio.current_time(), random=random.Random(0).randbytes)
                link = ClientSocketDriver(core, None, ours, nursery.start_soon)
                nursery.start_soon(link.run)
                await trio.testing.wait_all_tasks_blocked()
                link.lost()

    trio.run(main)
