"""Reconnecting on asyncio: `async for ws in connect(...)`."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Protocol, TypeVar

from wscore.transport.connecting import BaseReconnector, RetryPolicy

from ._event_loop import Loop

__all__ = ["Reconnector"]

_W = TypeVar("_W")
_W_co = TypeVar("_W_co", covariant=True)


class Connect(Protocol[_W_co]):
    """The part of `connect` that a `Reconnector` uses."""

    async def __aenter__(self) -> _W_co: ...
    async def __aexit__(self, kind: None, error: None, trace: None, /) -> None: ...

    def begin_closing(self) -> None:
        """Send the close frame without waiting."""
        ...

    def cut(self) -> None:
        """Close the socket immediately. Idempotent."""
        ...


class Reconnector(BaseReconnector[_W]):
    """Iterates over connections, entering `connect` for each."""

    def __init__(self, connect: Connect[_W], retries: RetryPolicy) -> None:
        super().__init__(retries, Loop())
        self._connect = connect
        self._loop = asyncio.get_running_loop()

    async def _open(self) -> _W:
        return await self._connect.__aenter__()

    async def _close(self) -> None:
        await self._connect.__aexit__(None, None, None)

    def _leave(self) -> None:
        with contextlib.suppress(RuntimeError):  # no event loop runs in this thread
            if asyncio.get_running_loop() is self._loop:
                self._connect.begin_closing()  # the loop may stop right after this
        with contextlib.suppress(RuntimeError):  # the loop is closed, and its sockets with it
            self._loop.call_soon_threadsafe(_exit, self._connect)


_leaving: set[asyncio.Task[None]] = set()  # the event loop holds only weak references to tasks


def _exit(connect: Connect[object]) -> None:
    async def leave() -> None:
        await connect.__aexit__(None, None, None)

    task = asyncio.ensure_future(leave())
    _leaving.add(task)
    task.add_done_callback(_leaving.discard)
    task.add_done_callback(lambda _: connect.cut())  # a task cancelled before its first step closes nothing itself
