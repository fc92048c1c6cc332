"""`WebSocketAdapter`: the connection that a handler in the newer API drives."""

from __future__ import annotations

import json
from typing import Any

import anyio.lowlevel

from ...app import WebSocketDisconnect
from ._json import jsonify
from ._session import Session

__all__ = ["WebSocketAdapter"]


class WebSocketAdapter:
    """A connection, for the handlers of `@app.websocket`.

    The receive and send methods raise WebSocketDisconnect once the connection has ended.
    """

    def __init__(self, session: Session) -> None:
        self.id = session.member.id
        self.query_params = session.query_params
        self._session = session

    async def _receive(self) -> str | bytes:
        connection = self._session.connection
        event = await connection.receive()
        if event["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(connection.close_code, connection.close_reason)
        data: str | bytes = event["bytes"] if event.get("text") is None else event["text"]
        return data

    async def receive_text(self) -> str:
        """Receive a message as text. Raises UnicodeDecodeError for a binary one that is not UTF-8."""
        data = await self._receive()
        return data if isinstance(data, str) else data.decode()

    async def receive_bytes(self) -> bytes:
        """Receive a message as bytes; text is encoded in UTF-8."""
        data = await self._receive()
        return data.encode() if isinstance(data, str) else data

    async def receive_json(self) -> Any:
        """Receive a message and parse it as JSON. Raises ValueError for one that is not."""
        return json.loads(await self._receive())

    async def send_text(self, data: str) -> None:
        """Send a text message."""
        await self._session.member.send(data)

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message."""
        await self._session.member.send(data)

    async def send_json(self, data: Any) -> None:
        """Send `data` as compact JSON, in a text message."""
        await self._session.member.send(jsonify(data))

    async def broadcast(self, data: str | bytes) -> None:
        """Send to every connection of this endpoint, this one included."""
        self._session.registry.broadcast(self._session.room, data)
        await anyio.lowlevel.checkpoint()

    async def close(self) -> None:
        """Close with 1000, after what was sent."""
        await self._session.end()
