"""apistar's API: handlers that get a `WebSocket` by annotation, and drive it.

    from wscore.compat.apistar import ASyncApp, Route, WebSocket, WebSocketDisconnect

    async def echo(ws: WebSocket):
        await ws.connect()
        try:
            while True:
                await ws.send(await ws.receive())
        except WebSocketDisconnect:
            pass

    app = ASyncApp(routes=[Route("/echo", "GET", echo)])

Routing, injection and the underlying connection are `wscore.app`'s; the `WebSocket` around it, its states and
exceptions, route tables and event hooks are here. `docs/howto/coming-from-apistar.md` lists what differs from apistar,
and why.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

from ...app import App, Component, InjectionError, Registry, WebSocketState
from ...app import Route as _Route
from ...app import WebSocket as _WebSocket
from ...app import WebSocketDisconnect as _WebSocketDisconnect
from ...app._application import Lifespan, make_injector
from ...app._handlers import Runner, reply
from ...app._injection import CallPlan, Context, call
from ...app._routing import Converter
from .. import _http as http
from .._http import WebSocketRequest
from . import exceptions, status
from .exceptions import (
    WebSocketDisconnect,
    WebSocketException,
    WebSocketGone,
    WebSocketNotConnected,
    WebSocketProtocolError,
)

__all__ = [
    "ASyncApp",
    "Component",
    "Include",
    "Route",
    "WSState",
    "WebSocket",
    "WebSocketDisconnect",
    "WebSocketException",
    "WebSocketGone",
    "WebSocketNotConnected",
    "WebSocketProtocolError",
    "WebSocketRequest",
    "exceptions",
    "http",
    "status",
]


class Route(NamedTuple):
    """A path and its handler. The method must be GET, as a websocket's request is."""

    url: str
    method: str
    handler: Callable[..., Any]
    name: str | None = None
    documented: bool = True
    standalone: bool = False


class Include(NamedTuple):
    """Routes below a path."""

    url: str
    name: str
    routes: Sequence[Route | Include]


class WSState(enum.Enum):
    """The state of a connection."""

    CONNECTING = 0
    CONNECTED = 1
    CLOSED = 2


class WebSocket:
    """A connection: `connect()`, then `send` and `receive`, then `close()`.

    Every use raises `WebSocketDisconnect` once the peer is gone, so a loop that only sends ends, too;
    `WebSocketNotConnected` before `connect()` and after `close()`.
    """

    def __init__(self, scope: Any, receive: Any = None, send: Any = None) -> None:
        if scope["type"] != "websocket":
            raise WebSocketProtocolError("Not a websocket scope")
        self._websocket = scope if isinstance(scope, _WebSocket) else _WebSocket(scope, receive, send)
        self._end: _WebSocketDisconnect | None = None  # by the peer

    def __repr__(self) -> str:
        return f"<WebSocket state:{self.state}>"

    @property
    def state(self) -> WSState:
        """The state; also CLOSED before `connect()`."""
        ours, theirs = self._websocket.application_state, self._websocket.client_state
        if theirs is not WebSocketState.CONNECTED:
            return WSState.CLOSED
        return {WebSocketState.CONNECTING: WSState.CONNECTING, WebSocketState.CONNECTED: WSState.CONNECTED}.get(
            ours, WSState.CLOSED
        )

    @property
    def connecting(self) -> bool:
        """Whether the client is waiting for `accept()`."""
        return self.state is WSState.CONNECTING

    @property
    def connected(self) -> bool:
        """Whether messages may be sent and received."""
        return self.state is WSState.CONNECTED

    @property
    def closed(self) -> bool:
        """Whether the connection has ended, or `connect()` was not called."""
        return self.state is WSState.CLOSED

    @property
    def subprotocols(self) -> list[str]:
        """The subprotocols that the client offers, most preferred first."""
        return self._websocket.subprotocols

    # -- opening and closing

    async def connect(self, subprotocol: str | None = None, close: bool = False, close_code: int = 1000) -> None:
        """Accept the connection.

        Args:
            subprotocol: One of `subprotocols`.
            close: Refuse the connection instead, with a 403.
            close_code: For `close`; a refused client does not see it.

        Raises:
            WebSocketProtocolError: The connection is already open, or its first message is not the connect.
            WebSocketNotConnected: The connection has ended.
        """
        if not self.closed:
            raise WebSocketProtocolError(f"Attempting to connect a WebSocket that is not closed: {self.state}")
        if self._websocket.client_state is not WebSocketState.CONNECTING:
            raise self._not_connected()
        try:
            await self._websocket.receive()
        except RuntimeError as error:  # not the connect message
            raise WebSocketProtocolError(str(error)) from error
        if close:
            await self.close(close_code)
        else:
            await self.accept(subprotocol)

    async def accept(self, subprotocol: str | None = None) -> None:
        """Accept the connection; `connect()` does this."""
        if not self.connecting:
            raise WebSocketProtocolError("Attempting to accept a WebSocket that is not connecting")
        with self._peer():
            await self._websocket.accept(subprotocol or None)

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        """Close the connection."""
        if self.closed:
            raise self._not_connected()
        with self._peer():
            await self._websocket.close(code, reason)

    # -- messages

    async def receive(self) -> str | bytes:
        """Receive a message: str for a text message, bytes for a binary one."""
        self._check_connected()
        with self._peer():
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                raise _WebSocketDisconnect(message.get("code") or 1000, message.get("reason"))
        data: str | bytes = message["bytes"] if message.get("text") is None else message["text"]
        return data

    async def receive_json(self, loads: Callable[[str | bytes], Any] | None = None) -> Any:
        """Receive a message, text or binary, and parse it as JSON. Raises what `loads` raises (ValueError)."""
        return (loads or json.loads)(await self.receive())

    async def send(self, data: str | bytes) -> None:
        """Send a text or a binary message; it may be empty.

        Raises:
            TypeError: `data` is neither str nor bytes.
        """
        if not isinstance(data, str | bytes | bytearray | memoryview):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"send: expected str or bytes, got {type(data).__name__}; send_json sends other values")
        await self.send_msg({"type": "websocket.send", "text" if isinstance(data, str) else "bytes": data})

    async def send_json(
        self, data: Any, dumps: Callable[[Any], str | bytes] | None = None, *, binary: bool = False
    ) -> None:
        """Send `data` as compact JSON in a text message; a binary one if `binary`, or if `dumps` returns bytes."""
        text = (dumps or _dumps)(data)
        await self.send(text.encode() if binary and isinstance(text, str) else text)

    async def send_msg(self, message: Mapping[str, Any]) -> None:
        """Send an ASGI message."""
        self._check_connected()
        with self._peer():
            await self._websocket.send(message)

    # -- how it ended

    def _check_connected(self) -> None:
        if not self.connected:
            raise self._not_connected()

    def _not_connected(self) -> WebSocketNotConnected:
        return WebSocketNotConnected() if self._end is None else WebSocketGone(self._end.reason, self._end.code)

    @contextmanager
    def _peer(self) -> Generator[None]:
        """Translate the disconnect to apistar's exception."""
        try:
            yield
        except _WebSocketDisconnect as error:
            self._end = error
            raise WebSocketDisconnect(error.reason, error.code) from error


async def connection_of(websocket: _WebSocket) -> WebSocket:
    """Provide the one `WebSocket` of a connection, for its handler, its event hooks and its components."""
    return WebSocket(websocket)


class ASyncApp(App):
    """The ASGI application of `routes`, all of them for websockets.

    Args:
        routes: Tried in this order.
        components: Provide values for handlers' parameters.
        event_hooks: Objects, or classes instantiated per connection, with `on_request`, called before the handler,
            and `on_response`, called after it in reverse order.
        registry: By default a new one, for this process alone.
        lifespan: Called with the application; entered before it serves, exited at shutdown.

    Raises:
        PathError: A route's path is malformed.
        InjectionError: A handler cannot be called as it is written, or a route's method is not GET.
    """

    def __init__(
        self,
        routes: Iterable[Route | Include],
        *,
        components: Iterable[Component | Callable[..., Any]] | None = None,
        event_hooks: Sequence[Any] | None = None,
        registry: Registry | None = None,
        lifespan: Lifespan | None = None,
    ) -> None:
        injector = make_injector((connection_of, *(components or ())), http.BY_NAME)
        super().__init__(registry=registry, lifespan=lifespan, injector=injector)
        self._event_hooks = list(event_hooks or ())
        self._include("", routes)

    def _include(self, prefix: str, routes: Iterable[Route | Include]) -> None:
        for route in routes:
            if isinstance(route, Include):
                self._include(prefix + route.url, route.routes)
                continue
            handler: Any = route.handler
            name = route.name or str(getattr(handler, "__qualname__", handler))
            if route.method.upper() != "GET":
                raise InjectionError(f"{name}: method {route.method!r}; the request of a websocket is a GET")
            path = http.typed_path(prefix + route.url, [handler], name)
            self.add(_Route(path, handler, name))

    def classify_endpoint(self, endpoint: Any, path: Mapping[str, Converter]) -> Runner:
        """Return the runner for a handler and the event hooks around it."""
        handler = self._injector.plan(endpoint, path=path)
        hooks = [
            {name: self._hook(hook, name) for name in ("on_request", "on_response") if hasattr(hook, name)}
            for hook in self._event_hooks
        ]
        return partial(_run, handler, self._event_hooks, hooks)

    def _hook(self, hook: Any, name: str) -> CallPlan:
        given = ["self"] if callable(hook) else []  # a class: one instance per connection
        return self._injector.plan(getattr(hook, name), given=given)


async def _run(handler: CallPlan, hooks: list[Any], plans: list[dict[str, CallPlan]], context: Context) -> None:
    websocket: _WebSocket = context.values[_WebSocket]
    made: list[Any] = [hook() if callable(hook) else hook for hook in hooks]
    around = list(zip(made, plans, strict=True))
    try:
        for hook, each in around:
            if "on_request" in each:
                await call(hook.on_request, **await each["on_request"].bind(context))
        value = await call(handler.function, **await handler.bind(context))
        await reply(websocket, value if value is None or isinstance(value, str | bytes) else _dumps(value))
        for hook, each in reversed(around):
            if "on_response" in each:
                await call(hook.on_response, **await each["on_response"].bind(context))
    except _WebSocketDisconnect:
        pass  # no error, even if it is another connection's end
    except WebSocketException as error:
        if websocket.application_state is WebSocketState.CONNECTED:
            await websocket.close(error.status_code, _cut(error.detail))
        raise


def _cut(reason: str) -> str:
    return reason.encode()[:123].decode(errors="ignore")  # RFC 6455 5.5: the limit of a close frame


def _dumps(data: Any) -> str:
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
