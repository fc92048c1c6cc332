"""One connection after another, on asyncio."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from wscore.connecting import Pauses, Reconnecting

from ._waiting import Loop

__all__ = ["Connections"]

_W = TypeVar("_W")


class Connections(Reconnecting[_W]):
    """Connections that `connect` gives, each time that it is entered."""

    def __init__(self, connect: AbstractAsyncContextManager[_W], pauses: Pauses) -> None:
        super().__init__(pauses, Loop())
        self._connect = connect
        self._loop = asyncio.get_running_loop()

    async def _open(self) -> _W:
        return await self._connect.__aenter__()

    async def _close(self) -> None:
        await self._connect.__aexit__(None, None, None)

    def _leave(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed, and with it everything else
            self._loop.call_soon_threadsafe(_exit, self._connect)


_leaving: set[asyncio.Task[None]] = set()  # a loop itself holds no task that waits


def _exit(connect: AbstractAsyncContextManager[object]) -> None:
    async def leave() -> None:
        await connect.__aexit__(None, None, None)

    task = asyncio.ensure_future(leave())
    _leaving.add(task)
    task.add_done_callback(_leaving.discard)
