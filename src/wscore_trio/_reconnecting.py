"""Reconnecting on trio: `async for ws in connect(...)`.

No nursery of the iterating task may stay open between two iterations, because the loop may be left at any of them.
So each connection lives in a system task, which enters and leaves `connect`.
"""

from __future__ import annotations

import contextlib
from contextlib import AbstractAsyncContextManager
from typing import Generic, TypeVar

import trio

from wscore.transport.connecting import BaseReconnector, RetryPolicy

from ._event_loop import Loop

__all__ = ["Reconnector"]

_W = TypeVar("_W")


class Reconnector(BaseReconnector[_W]):
    """Iterates over connections, entering `connect` for each."""

    def __init__(self, connect: AbstractAsyncContextManager[_W], retries: RetryPolicy) -> None:
        super().__init__(retries, Loop())
        self._connect = connect
        self._token = trio.lowlevel.current_trio_token()
        self._home: _Home[_W]

    async def _open(self) -> _W:
        home: _Home[_W] = _Home()
        ws = await home.connected(self._connect)
        self._home = home
        return ws

    async def _close(self) -> None:
        home = self._home
        home.leave.set()
        try:
            await home.left.wait()
        except trio.Cancelled:
            home.scope.cancel()
            raise

    def _leave(self) -> None:
        with contextlib.suppress(trio.RunFinishedError):  # the run is over, and its sockets with it
            self._token.run_sync_soon(self._home.leave.set)


class _Home(Generic[_W]):
    """A system task that enters `connect`, and leaves it when `leave` is set."""

    def __init__(self) -> None:
        self.scope = trio.CancelScope()
        self.leave = trio.Event()
        self.left = trio.Event()
        self._opened = trio.Event()
        self._ws: _W | None = None
        self._error: Exception | None = None

    async def connected(self, connect: AbstractAsyncContextManager[_W]) -> _W:
        """Start the task and wait until the connection is open. Raises whatever entering `connect` raises."""
        trio.lowlevel.spawn_system_task(self._live, connect)
        try:
            await self._opened.wait()
        except trio.Cancelled:
            self.scope.cancel()
            raise
        if self._ws is not None:
            return self._ws
        error, self._error = self._error, None
        assert error is not None
        try:
            raise error
        finally:
            del error  # its traceback refers to this frame: the cycle would keep the loop's iterator alive

    async def _live(self, connect: AbstractAsyncContextManager[_W]) -> None:
        try:
            with self.scope:
                async with connect as self._ws:
                    self._opened.set()
                    await self.leave.wait()
        except Exception as error:  # a system task that raises ends the whole run
            self._error = error
        finally:
            self._opened.set()
            self.left.set()
