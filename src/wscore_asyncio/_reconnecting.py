"""One connection after another, on asyncio."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Protocol, TypeVar

from wscore.transport.connecting import BaseReconnector, RetryPolicy

from ._waiting import Loop

__all__ = ["Reconnector"]

_W = TypeVar("_W")
_W_co = TypeVar("_W_co", covariant=True)


class Connect(Protocol[_W_co]):
    """What opens and closes a connection."""

    async def __aenter__(self) -> _W_co: ...
    async def __aexit__(self, kind: None, error: None, trace: None, /) -> None: ...

    def begin_closing(self) -> None:
        """Send the close frame, if that can be done at once."""
        ...

    def cut(self) -> None:
        """Close the socket at once, if it is not closed yet."""
        ...


class Reconnector(BaseReconnector[_W]):
    """Connections that `connect` gives, each time that it is entered."""

    def __init__(self, connect: Connect[_W], pauses: RetryPolicy) -> None:
        super().__init__(pauses, Loop())
        self._connect = connect
        self._loop = asyncio.get_running_loop()

    async def _open(self) -> _W:
        return await self._connect.__aenter__()

    async def _close(self) -> None:
        await self._connect.__aexit__(None, None, None)

    def _leave(self) -> None:
        with contextlib.suppress(RuntimeError):  # no loop runs in this thread
            if asyncio.get_running_loop() is self._loop:
                self._connect.begin_closing()  # leaving may have been the last that the loop is there for
        with contextlib.suppress(RuntimeError):  # the loop is closed, and with it everything else
            self._loop.call_soon_threadsafe(_exit, self._connect)


_leaving: set[asyncio.Task[None]] = set()  # a loop itself holds no task that waits


def _exit(connect: Connect[object]) -> None:
    async def leave() -> None:
        await connect.__aexit__(None, None, None)

    task = asyncio.ensure_future(leave())
    _leaving.add(task)
    task.add_done_callback(_leaving.discard)
    task.add_done_callback(lambda _: connect.cut())  # it may have been cancelled before its first step
