"""Robyn's WebSockets over `wscore.app`: its names and manners, with no machinery of its own.

One order holds on a connection: its messages are handled one after another, and what its handlers send and return
leaves in the order in which they said it, a close last. `docs/howto/coming-from-robyn.md` says where this differs from
Robyn, and why.
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
