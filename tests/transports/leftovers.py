"""What may not outlive a connection: tasks, sockets, and calls that the loop would still make."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio

from tests.conformance.harness import open_sockets
from wscore.testing import virtual_asyncio, virtual_trio

__all__ = ["nothing_left"]


@asynccontextmanager
async def nothing_left(library: str) -> AsyncIterator[None]:
    """Compare what there is before and after; nothing is closed or cancelled here."""
    virtual = virtual_asyncio if library == "asyncio" else virtual_trio
    await virtual.settled()
    before = _held(library)
    yield
    await virtual.settled()
    after = _held(library)
    left = {what: after[what] - before[what] for what in before}
    assert not any(left.values()), f"left behind: {left}"


def _held(library: str) -> dict[str, Any]:
    """What there is now, as sets and numbers."""
    return {"sockets": open_sockets()} | (_held_by_asyncio() if library == "asyncio" else _held_by_trio())


def _held_by_asyncio() -> dict[str, Any]:
    loop: Any = asyncio.get_running_loop()
    return {
        "tasks": asyncio.all_tasks(),
        "scheduled": {handle for handle in loop._scheduled if not handle.cancelled()},
        "watched": {key.fileobj for key in loop._selector.get_map().values()},
    }


def _held_by_trio() -> dict[str, Any]:
    statistics = trio.lowlevel.current_statistics()
    return {
        "tasks": statistics.tasks_living,
        "deadlines": {round(statistics.seconds_to_next_deadline + trio.current_time(), 3)},
        "waiting to read": getattr(statistics.io_statistics, "tasks_waiting_read", 0),
        "waiting to write": getattr(statistics.io_statistics, "tasks_waiting_write", 0),
    }
