"""`WebSocketConnector`: the `ws` of a handler in the older API."""

from __future__ import annotations

from contextlib import suppress

import anyio
import anyio.lowlevel

from ..._logs import logger
from ...app._shown import shown
from ._session import Session

__all__ = ["WebSocketConnector"]

log = logger("wscore.robyn")


class WebSocketConnector:
    """A connection: the `ws` of a handler. Its methods, except the `async` ones, may be called from any thread."""

    def __init__(self, session: Session) -> None:
        self.id = session.member.id
        """Constant for the connection's lifetime."""
        self.query_params = session.query_params
        self._session = session

    def sync_send_to(self, recipient_id: str, message: str | bytes) -> None:
        """Queue a message for a connection of this endpoint. An unknown id is logged, and no error."""
        registry, room = self._session.registry, self._session.room
        recipient = registry.get(recipient_id)
        if recipient is None or room not in recipient.rooms:
            log.warning("No client found for id: %s", shown(recipient_id))
            return
        registry.send_to(recipient_id, message)

    def sync_broadcast(self, message: str | bytes) -> None:
        """Queue a message for every connection of this endpoint, this one included."""
        self._session.registry.broadcast(self._session.room, message)

    async def async_send_to(self, recipient_id: str, message: str | bytes) -> None:
        """Call `sync_send_to`, then yield to the event loop."""
        self.sync_send_to(recipient_id, message)
        await anyio.lowlevel.checkpoint()

    async def async_broadcast(self, message: str | bytes) -> None:
        """Call `sync_broadcast`, then yield to the event loop."""
        self.sync_broadcast(message)
        await anyio.lowlevel.checkpoint()

    def close(self) -> None:
        """Close the connection with 1000; while one of its handlers runs, after sending its return value."""
        with suppress(anyio.RunFinishedError):
            self._session.registry.on_loop(self._session.close)
