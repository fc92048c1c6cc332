"""The application layer: pure ASGI, on any server.

`App` serves routes. A route's handler is a function of the connection, a function of each message, a class, or
`Events`; its parameters are injected by annotation. `WebSocket` is a connection, `Registry` tracks the connected ones.
"""

from .._public import set_public_module as _set_public_module
from ._address import Address
from ._application import App, Cookies, Mount, Path, Route
from ._backplane import Backplane, Deliver, Envelope
from ._cookies import parse_cookies
from ._disconnect import WebSocketDisconnect, WebSocketDisconnected, WrongFrameType
from ._handlers import Events
from ._headers import Headers, MutableHeaders
from ._injection import Component, InjectionError, Injector
from ._outbox import SlowPolicy
from ._query import QueryParams
from ._redis import RedisBackplane
from ._redis_queue import RedisCounters
from ._registry import Member, Registry
from ._routing import PathError, compile_path
from ._state import State
from ._url import URL
from ._websocket import WebSocket, WebSocketClose, WebSocketState

__all__ = [
    "URL",
    "Address",
    "App",
    "Backplane",
    "Component",
    "Cookies",
    "Deliver",
    "Envelope",
    "Events",
    "Headers",
    "InjectionError",
    "Injector",
    "Member",
    "Mount",
    "MutableHeaders",
    "Path",
    "PathError",
    "QueryParams",
    "RedisBackplane",
    "RedisCounters",
    "Registry",
    "Route",
    "SlowPolicy",
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

_set_public_module(__name__, [globals()[name] for name in __all__])
