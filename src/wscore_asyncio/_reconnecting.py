"""One connection after another, on asyncio."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

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
        self._loop = asyncio.get_running_loop()
        self._open = False

    async def __anext__(self) -> WebSocket:
        """Connect, however often that takes. Raises HandshakeFailed where another attempt would fail as well."""
        pauses = self._pauses
        if self._open:
            pauses.ended(self._loop.time())
            await self.aclose()
        while True:
            await asyncio.sleep(pauses.next)
            try:
                ws = await self._connect.__aenter__()
            except HandshakeFailed as error:
                pauses.failed(error)
            else:
                self._open = True
                pauses.opened(self._loop.time())
                return ws

    async def aclose(self) -> None:
        """Close the connection there is."""
        if self._open:
            self._open = False
            await self._connect.__aexit__(None, None, None)

    def __del__(self) -> None:
        """Close the connection there is, in whatever thread this happens."""
        if self._open:
            with contextlib.suppress(RuntimeError):  # the loop is closed, and with it everything else
                self._loop.call_soon_threadsafe(_leave, self._connect)


_leaving: set[asyncio.Task[None]] = set()  # a loop itself holds no task that waits


def _leave(connect: connect) -> None:
    task = asyncio.ensure_future(connect.__aexit__(None, None, None))
    _leaving.add(task)
    task.add_done_callback(_leaving.discard)
