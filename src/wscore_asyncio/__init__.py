"""wscore over asyncio (and uvloop): `serve` runs an ASGI websocket application on sockets, `connect` is a client."""

from ._client import WebSocket, connect
from ._server import Server, serve

__all__ = ["Server", "WebSocket", "connect", "serve"]
