"""Robyn's WebSockets over `wscore.app`, in both generations of its API.

- The older one (Robyn 0.65): `WebSocket(app, path)` with handlers registered by `on("connect")`, which get a
  `WebSocketConnector`.
- The newer one (Robyn 0.88): `@app.websocket(path)` on a function that drives a `WebSocketAdapter`.

Routing, connections, rooms and the order of hooks are `wscore.app`'s. Parameters are filled here, not by its injector:
by Robyn's rules they go by name, by position or by the query.

A connection has one order: messages are handled one at a time, and what handlers send and return leaves in the order
in which they produced it, a close last. `docs/howto/coming-from-robyn.md` lists where this differs from Robyn, and why.
"""

from ...app import WebSocketDisconnect
from ._adapter import WebSocketAdapter
from ._connector import WebSocketConnector
from ._handler import WebSocketHandler
from ._json import jsonify
from ._query_params import QueryParams
from ._router import Robyn, SubRouter
from ._websocket import WebSocket

__all__ = [
    "QueryParams",
    "Robyn",
    "SubRouter",
    "WebSocket",
    "WebSocketAdapter",
    "WebSocketConnector",
    "WebSocketDisconnect",
    "WebSocketHandler",
    "jsonify",
]
