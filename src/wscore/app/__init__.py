"""The application's side: pure ASGI, on any server."""

from ._address import Address
from ._cookies import parse_cookies
from ._disconnect import WebSocketDisconnect, WebSocketDisconnected, WrongFrameType
from ._headers import Headers, MutableHeaders
from ._query import QueryParams
from ._routing import PathError, compile_path
from ._state import State
from ._url import URL
from ._websocket import WebSocket, WebSocketClose, WebSocketState

__all__ = [
    "URL",
    "Address",
    "Headers",
    "MutableHeaders",
    "PathError",
    "QueryParams",
    "State",
    "WebSocket",
    "WebSocketClose",
    "WebSocketDisconnect",
    "WebSocketDisconnected",
    "WebSocketState",
    "WrongFrameType",
    "compile_path",
    "parse_cookies",
]
