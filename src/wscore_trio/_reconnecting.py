"""One connection after another, on trio.

Between two steps of a loop no nursery may be open that the loop's task would have to close: the loop may be left. So
each connection lives in a system task, which opens and closes it.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import trio

from wscore import HandshakeFailed
from wscore.connecting import Pauses

if TYPE_CHECKING:
    from ._client import WebSocket, connect

__all__ = ["Connections"]


class Connections(AsyncIterator["WebSocket"]):
    """Connections to one server: each is closed, if it is not yet, when the next is asked for.

    Nobody tells an iterator that its loop was left; so it closes the last one in the background when it is forgotten,
    or at `aclose`, which waits for that (`contextlib.aclosing`).
    """

    def __init__(self, connect: connect, pauses: Pauses) -> None:
        self._connect = connect
        self._pauses = pauses
        self._token = trio.lowlevel.current_trio_token()
        self._home: _Home | None = None

    async def __anext__(self) -> WebSocket:
        """Connect, however often that takes. Raises HandshakeFailed where another attempt would fail as well."""
        pauses = self._pauses
        if self._home is not None:
            pauses.ended(trio.current_time())
            await self.aclose()
        while True:
            await trio.sleep(pauses.next)
            try:
                home = _Home()
                ws = await home.connected(self._connect)
            except HandshakeFailed as error:
                pauses.failed(error)
            else:
                self._home = home
                pauses.opened(trio.current_time())
                return ws

    async def aclose(self) -> None:
        """Close the connection there is."""
        if self._home is not None:
            home, self._home = self._home, None
            home.leave.set()
            try:
                await home.left.wait()
            except trio.Cancelled:
                home.scope.cancel()
                raise

    def __del__(self) -> None:
        """Close the connection there is, in whatever thread this happens."""
        if self._home is not None:
            with contextlib.suppress(trio.RunFinishedError):  # and with that everything else
                self._token.run_sync_soon(self._home.leave.set)


class _Home:
    """Where a connection lives: a system task that enters `connect`, and leaves it when told to."""

    def __init__(self) -> None:
        self.scope = trio.CancelScope()
        self.leave = trio.Event()
        self.left = trio.Event()
        self._opened = trio.Event()
        self._ws: WebSocket | None = None
        self._error: Exception | None = None

    async def connected(self, connect: connect) -> WebSocket:
        """Start the task, and wait until the connection is open. Raises what entering `connect` does."""
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
            del error  # whose traceback holds this frame: a circle would keep the loop's iterator alive

    async def _live(self, connect: connect) -> None:
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
