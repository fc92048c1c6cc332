"""What a client does on trio, where a cancelled task is told at each step that it takes."""

from __future__ import annotations

import contextlib

import pytest
import trio
from tests.core import peer as frames
from tests.transports.connecting import connecting
from tests.transports.peer import OURS

from wscore import Config, ConnectionClosed
from wscore.testing import virtual_trio as virtual


def test_a_ping_of_a_task_that_is_cancelled_is_not_sent() -> None:
    """Nor is a message taken for it: the next `recv` gets it."""

    async def main() -> None:
        async with connecting("trio", Config()) as (connect, peer), connect as ws:
            peer.sends(frames.text("x", mask=None))
            await virtual.settled()
            with trio.CancelScope() as scope:
                scope.cancel()
                with pytest.raises(trio.Cancelled):
                    await ws.ping(OURS)
                with pytest.raises(trio.Cancelled):
                    await ws.recv()
            assert await ws.recv() == "x"
            peer.exchange()
            assert len(peer.written.items) == 1  # the handshake
            peer.ends()

    virtual.run(main)


def test_a_client_whose_queue_is_full_hears_of_a_loss() -> None:
    """Its watcher, which does not read, ends with the connection: leaving takes no time."""

    async def main() -> None:
        began = trio.current_time()
        async with connecting("trio", Config(max_queue=4)) as (connect, peer):
            async with connect as ws:
                peer.sends(frames.text("x", mask=None) * 10)
                await virtual.settled()
                peer.closes()
                with contextlib.suppress(ConnectionClosed):
                    await ws.send("x")
                await virtual.settled()
            assert trio.current_time() == began

    virtual.run(main)
