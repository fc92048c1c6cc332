"""wscore on trio: `serve` runs an ASGI WebSocket application, `connect` is a WebSocket client."""

from ._client import WebSocket, connect
from ._server import Server, serve

__all__ = ["Server", "WebSocket", "connect", "serve"]
