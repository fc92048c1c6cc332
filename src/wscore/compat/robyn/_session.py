"""A connection to an endpoint, as both generations of the API use it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from ...app import Member, Registry, WebSocketDisconnect
from ...app import WebSocket as Connection
from ...app._injection import call
from ._json import jsonify
from ._query_params import QueryParams

__all__ = ["Session"]


class Session:
    """A connection to an endpoint, behind the object that its handlers get."""

    def __init__(self, connection: Connection, member: Member, registry: Registry, room: str) -> None:
        self.connection = connection
        self.member = member
        self.registry = registry
        self.room = room
        self.query_params = QueryParams(connection.query_params.multi_items())
        self.close_wanted = False
        self._handling = False
        self._ended = False

    def close(self) -> None:
        """Close now, or once the running handler is done. Only on the event loop, to avoid a race."""
        if self._handling:
            self.close_wanted = True
        else:
            self.member.close()

    async def say(self, function: Callable[..., Any], **arguments: Any) -> None:
        """Call a handler and send its return value."""
        self._handling = True
        try:
            value = await call(function, **arguments)
            if value is not None:
                await self.member.send(value if isinstance(value, str | bytes) else jsonify(value))
        finally:
            self._handling = False

    async def tell_end(self, tell: Callable[[], Awaitable[object]]) -> None:
        """Run the close handler, once."""
        if not self._ended:
            self._ended = True
            with suppress(WebSocketDisconnect):
                await tell()

    async def end(self, code: int = 1000, reason: str = "") -> None:
        """Close, and wait until everything queued before is sent."""
        self.member.close(code, reason)
        await self.member.outbox.flush()
