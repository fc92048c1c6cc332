"""wscore on asyncio (and uvloop): `serve` runs an ASGI WebSocket application, `connect` is a WebSocket client."""

from wscore._public import set_public_module as _set_public_module

from ._client import WebSocket, connect
from ._server import Server, serve

__all__ = ["Server", "WebSocket", "connect", "serve"]

_set_public_module(__name__, [globals()[name] for name in __all__])
