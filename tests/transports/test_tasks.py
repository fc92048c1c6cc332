"""Several tasks that use one client."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from tests.core import peer as frames
from wscore import Config

from .connecting import connecting
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
