"""Several tasks that use one client."""

from __future__ import annotations

import asyncio
import contextlib
import tracemalloc
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from tests.core import peer as frames
from wscore import Config, ConnectionClosed

from .connecting import connecting
from .peer import OURS
from .world import VIRTUAL

CANCELLED, MESSAGE = "(cancelled)", "for whom it reaches"


@pytest.mark.parametrize("turns", [0, 1, 2])
def test_a_cancellation_reaches_the_task_that_was_cancelled(library: str, turns: int) -> None:
    """A task is cancelled while it waits, another begins to wait, and a message comes: it is lost to neither.

    Where it comes just before the cancellation, the first may have it; the second is not cancelled in its place.
    """
    outcomes: list[tuple[str, str]] = []
    cancels: dict[str, Callable[[], object]] = {}

    async def wait(name: str, ws: Any) -> None:
        with anyio.CancelScope() as scope:
            task = asyncio.current_task() if library == "asyncio" else None
            cancels[name] = scope.cancel if task is None else task.cancel  # which anyio would put off for a moment
            try:
                outcomes.append((name, await ws.recv()))
            except anyio.get_cancelled_exc_class():  # and not raised, or the other tasks would be cancelled as well
                outcomes.append((name, CANCELLED))

    async def main() -> None:
        async with (
            connecting(library, Config()) as (connect, peer),
            connect as ws,
            anyio.create_task_group() as tasks,
        ):

            async def take_over() -> None:
                peer.sends(frames.text(MESSAGE, mask=None))
                for _ in range(turns):
                    await anyio.lowlevel.checkpoint()
                cancels["first"]()
                await wait("second", ws)

            tasks.start_soon(wait, "first", ws)
            await VIRTUAL[library].settled()
            tasks.start_soon(take_over)
            await VIRTUAL[library].settled()
            assert ("second", CANCELLED) not in outcomes
            cancels["second"]()
            peer.ends()

    VIRTUAL[library].run(main)
    assert sorted(outcomes) in (
        [("first", CANCELLED), ("second", MESSAGE)],
        [("first", MESSAGE), ("second", CANCELLED)],
    )


def test_waiting_in_vain_again_and_again_keeps_nothing(library: str) -> None:
    """A task that polls beside one that waits leaves nothing behind for the polls that were in vain."""

    async def main() -> int:
        async with (
            connecting(library, Config(ping_interval=None)) as (connect, peer),
            connect as ws,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(ws.recv)
            await VIRTUAL[library].settled()  # so that it waits first, and the polls beside it

            async def poll(times: int) -> int:
                before, _ = tracemalloc.get_traced_memory()
                for _ in range(times):
                    with anyio.move_on_after(0.01):
                        await ws.recv()
                after, _ = tracemalloc.get_traced_memory()
                return after - before

            await poll(100)
            kept = await poll(2000)
            tasks.cancel_scope.cancel()
            peer.ends()
        return kept

    tracemalloc.start()
    try:
        assert VIRTUAL[library].run(main) < 50_000
    finally:
        tracemalloc.stop()


def test_a_task_that_only_receives_gives_way(library: str) -> None:
    """Other tasks have their turn while one takes small messages of which there is always another."""
    count, taken = 10_000, 0
    turns: list[int] = []

    async def other() -> None:
        await anyio.lowlevel.checkpoint()
        turns.append(taken)

    async def main() -> None:
        nonlocal taken
        async with (
            connecting(library, Config(compression=False)) as (connect, peer),
            connect as ws,
            anyio.create_task_group() as tasks,
        ):
            peer.sends(frames.text("x", mask=None) * count)
            await VIRTUAL[library].settled()
            tasks.start_soon(other)
            while taken < count:
                await ws.recv()
                taken += 1
            peer.sends(frames.close(1000, mask=None))
            peer.ends()

    VIRTUAL[library].run(main)
    assert turns[0] < 1000


def test_what_a_lost_connection_left_unparsed_is_parsed_in_turns(library: str) -> None:
    """Other tasks have their turn while `recv` looks for a message behind very many fragments, after a loss."""
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            await anyio.lowlevel.checkpoint()
            turns += 1

    async def main() -> str | bytes:
        async with connecting(library, Config(compression=False)) as (connect, peer), connect as ws:
            empty = frames.frame(frames.CONTINUATION, fin=False, mask=None) * 10_000
            last = frames.frame(frames.CONTINUATION, b"b", mask=None)
            peer.sends(frames.frame(frames.TEXT, b"a", fin=False, mask=None) + empty + last)
            for _ in range(3):
                await anyio.lowlevel.checkpoint()
            peer.closes()
            with contextlib.suppress(ConnectionClosed):
                await ws.send("x")
            for _ in range(3):
                await anyio.lowlevel.checkpoint()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(other)
                message: str | bytes = await ws.recv()
                tasks.cancel_scope.cancel()
            return message

    assert VIRTUAL[library].run(main) == "ab"
    assert turns > 10


def test_nothing_is_kept_of_a_ping_that_was_answered_or_given_up(library: str) -> None:
    """A connection that lives long may be pinged as often as one likes."""

    async def main() -> None:
        async with connecting(library, Config(ping_interval=None)) as (connect, peer), connect as ws:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ws.ping, OURS + b" answered")
                await VIRTUAL[library].settled()
                peer.exchange()
                assert peer.written.items[1:] == [(0x80 | frames.PING, OURS + b" answered")]
                peer.sends(frames.pong(OURS + b" answered", mask=None))
            with anyio.move_on_after(1):
                await ws.ping(OURS)
            assert ws._link.pongs == {}
            peer.ends()

    VIRTUAL[library].run(main)
