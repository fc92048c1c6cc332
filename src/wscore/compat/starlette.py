"""The names of `starlette.websockets`, and the WebSocket-related ones of Starlette's other modules.

    from wscore.compat.starlette import WebSocket, WebSocketDisconnect, WebSocketEndpoint, WebSocketRoute

The connection is `wscore.app.WebSocket`; the endpoint class, the route class and the exception are here.
`docs/howto/coming-from-starlette.md` lists what differs from Starlette, and why.
"""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Awaitable, Callable, Generator, Iterable, MutableMapping
from typing import Any, Literal

from ..app import (
    WebSocket,
    WebSocketClose,
    WebSocketDisconnect,
    WebSocketDisconnected,
    WebSocketState,
    compile_path,
)
from ..app._routing import route_path

__all__ = [
    "WebSocket",
    "WebSocketClose",
    "WebSocketDisconnect",
    "WebSocketDisconnected",
    "WebSocketEndpoint",
    "WebSocketException",
    "WebSocketRoute",
    "WebSocketState",
]

ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]


class WebSocketException(Exception):
    """Raised by an endpoint to close its connection with `code` and `reason`; before an accept it is a 403."""

    def __init__(self, code: int, reason: str | None = None) -> None:
        self.code = code
        self.reason = reason or ""

    def __str__(self) -> str:
        return f"{self.code}: {self.reason}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}(code={self.code!r}, reason={self.reason!r})"


class WebSocketEndpoint:
    """A class of handlers: one instance per connection, which is served by awaiting the instance.

    `encoding` determines what `on_receive` gets: "text", "bytes", "json", or None for the message as it came.
    """

    encoding: Literal["text", "bytes", "json"] | None = None

    def __init__(self, scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "websocket"
        self.scope = scope
        self.receive = receive
        self.send = send

    def __await__(self) -> Generator[Any, None, None]:
        return self.dispatch().__await__()

    async def dispatch(self) -> None:
        """Serve the connection, from connect to disconnect."""
        websocket = WebSocket(self.scope, self.receive, self.send)
        await self.on_connect(websocket)
        close_code = 1000
        try:
            while (message := await websocket.receive())["type"] == "websocket.receive":
                await self.on_receive(websocket, await self.decode(websocket, message))
            close_code = int(message.get("code") or 1000)
        except Exception:
            close_code = 1011
            raise
        finally:
            await self.on_disconnect(websocket, close_code)

    async def decode(self, websocket: WebSocket, message: Any) -> Any:
        """Decode a message according to `encoding`.

        Raises:
            RuntimeError: The message is of the wrong kind, or not JSON; the connection was closed with 1003.
        """
        assert self.encoding in {None, "text", "bytes", "json"}, f"Unsupported 'encoding' attribute {self.encoding}"
        text, data = message.get("text"), message.get("bytes")
        if self.encoding == "text" and text is None:
            await self._refuse(websocket, "Expected text websocket messages, but got bytes")
        if self.encoding == "bytes":
            if data is None:
                await self._refuse(websocket, "Expected bytes websocket messages, but got text")
            return data
        if self.encoding == "json":
            try:
                return json.loads(data.decode() if text is None else text)
            except json.JSONDecodeError:
                await self._refuse(websocket, "Malformed JSON data received.")
        return data if text is None else text

    async def _refuse(self, websocket: WebSocket, why: str) -> None:
        await websocket.close(1003)
        raise RuntimeError(why)

    async def on_connect(self, websocket: WebSocket) -> None:
        """Handle a new connection; by default accept it."""
        await websocket.accept()

    async def on_receive(self, websocket: WebSocket, data: Any) -> None:
        """Handle a message."""

    async def on_disconnect(self, websocket: WebSocket, close_code: int) -> None:
        """Handle the end. `close_code` is the client's, or 1011 after an exception here."""


class WebSocketRoute:
    """A path and its endpoint; itself an ASGI application, which refuses scopes that do not match.

    Args:
        path: Literal text with parameters in braces.
        endpoint: A function `func(websocket)`; anything else is an ASGI application.
        name: By default the endpoint's.
        middleware: Starlette's `Middleware` objects, or tuples of (class, positional arguments, keyword arguments),
            outermost first.
    """

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        name: str | None = None,
        middleware: Iterable[Any] | None = None,
    ) -> None:
        assert path.startswith("/"), "Routed paths must start with '/'"
        self.path = path
        self.endpoint = endpoint
        self.name: str = getattr(endpoint, "__name__", type(endpoint).__name__) if name is None else name
        inner: Any = endpoint
        while isinstance(inner, functools.partial):
            inner = inner.func  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        function = inspect.isfunction(inner) or inspect.ismethod(inner)
        self.app: ASGIApp = _session(endpoint) if function else endpoint
        for cls, args, kwargs in reversed(list(middleware or ())):
            self.app = cls(self.app, *args, **kwargs)
        self._pattern = compile_path(path)

    def match(self, scope: Any) -> dict[str, Any] | None:
        """Return what to add to a matching scope, `endpoint` and `path_params`; None if it does not match."""
        if scope["type"] != "websocket":
            return None
        found = self._pattern.match(route_path(scope))
        if found is None:
            return None
        return {"endpoint": self.endpoint, "path_params": {**scope.get("path_params", {}), **found}}

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Serve a scope that matches, and refuse any other."""
        child_scope = self.match(scope)
        if child_scope is None:
            await WebSocketClose()(scope, receive, send)
            return
        scope.update(child_scope)
        await self.app(scope, receive, send)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WebSocketRoute) and (self.path, self.endpoint) == (other.path, other.endpoint)

    def __hash__(self) -> int:
        return hash((self.path, self.endpoint))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(path={self.path!r}, name={self.name!r})"


def _session(function: Callable[[WebSocket], Awaitable[None]]) -> ASGIApp:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        websocket = WebSocket(scope, receive, send)
        try:
            await function(websocket)
        except WebSocketException as error:
            await websocket.close(error.code, error.reason)

    return app
