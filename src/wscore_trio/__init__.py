"""wscore over trio: `serve` runs an ASGI websocket application on sockets."""

from ._server import Server, serve

__all__ = ["Server", "serve"]
