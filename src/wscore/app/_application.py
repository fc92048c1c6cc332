"""`App`: an ASGI 3 application of websocket routes, with injection, a registry and a lifespan."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import anyio

from wscore import Application, CloseCode, Scope
from wscore._logs import logger

from ._address import Address
from ._disconnect import WebSocketDisconnect
from ._handlers import Events, Runner, classify_endpoint
from ._headers import Headers
from ._injection import Component, Context, Deferred, Injector, NamedProvider, PathParameters
from ._query import QueryParams
from ._registry import Member, Registry
from ._routing import Converter, Pattern, compile_path, route_path
from ._state import State
from ._url import URL
from ._websocket import WebSocket, WebSocketState

__all__ = ["App", "Cookies", "Mount", "Path", "Route"]

log = logger("wscore.app")


Endpoint = TypeVar("Endpoint")
Lifespan = Callable[[Any], AbstractAsyncContextManager[Mapping[str, Any] | None]]
"""Called with the application; entered before it serves, exited at shutdown. Yields the lifespan's `state`."""


class Path(str):
    """The connection's path, injected by this annotation."""

    __slots__ = ()


class Opened:
    """Signals that the connection was accepted."""

    def __init__(self) -> None:
        self.event = anyio.Event()


class Cookies(dict[str, str]):
    """The connection's cookies, injected by this annotation."""


class Route(NamedTuple):
    """A path and its endpoint: one of the four kinds of handler, or an ASGI application."""

    path: str
    endpoint: Any
    name: str | None = None


class Routed(Protocol):
    """An ASGI application with a `path`, like other frameworks' routes."""

    path: str

    def __call__(self, scope: Any, receive: Any, send: Any) -> Awaitable[None]:
        """Serve a connection."""
        ...


class Mount(NamedTuple):
    """A path and the ASGI application, or the routes, that serve everything below it."""

    path: str
    app: Application | Sequence[Route | Mount]


BUILTINS: Final = (
    WebSocket,
    Scope,
    Path,
    PathParameters,
    URL,
    Headers,
    QueryParams,
    Cookies,
    Address,
    State,
    Registry,
    Opened,
)
"""Annotations whose values every connection has. `Member` is provided by `join`, which joins the registry."""


async def join(websocket: WebSocket, registry: Registry, opened: Opened) -> AsyncIterator[Member]:
    """Provide `Member`: join the registry until the connection ends."""
    async with registry.join(websocket, opened=opened.event) as member:
        yield member


def make_injector(
    components: Iterable[Component | Callable[..., Any]] = (), by_name: Mapping[Any, NamedProvider] | None = None
) -> Injector:
    """Return an application's injector: built-in values, `components`, and values by parameter name."""
    return Injector((join, *components), builtins=BUILTINS, by_name=by_name)


class App:
    """An ASGI application.

        app = App()

        @app.websocket("/hello/{name}")
        async def hello(websocket: WebSocket, name: str) -> None:
            await websocket.accept()
            await websocket.send_text(f"hello {name}")

    A connection that matches no route gets a 404 if the server can send one, otherwise a 403. A handler that returns
    ends its connection with 1000; one that raises ends it with 1011, and the server logs the error.

    Args:
        routes: Tried in this order; mounts come after all routes.
        components: Provide values for handlers' parameters.
        registry: By default a new one, for this process alone.
        lifespan: Called with the application; entered before it serves, exited at shutdown. Yields the `state`.
        injector: Replaces the default injector; `components` is then ignored.

    Raises:
        PathError: A route's path is malformed.
        InjectionError: A handler or component cannot be called as it is written.
    """

    def __init__(
        self,
        routes: Iterable[Route | Mount | Routed] = (),
        *,
        components: Iterable[Component | Callable[..., Any]] = (),
        registry: Registry | None = None,
        lifespan: Lifespan | None = None,
        injector: Injector | None = None,
    ) -> None:
        self.registry = Registry() if registry is None else registry
        self._injector = make_injector(components) if injector is None else injector
        self._lifespan = lifespan
        self._routes: list[tuple[Pattern, Runner]] = []
        self._mounts: list[tuple[Pattern, Application]] = []
        for route in routes:
            self.add(route)

    # -- registration

    def add(self, route: Route | Mount | Routed) -> None:
        """Add a route, a mount, or an ASGI application that has a `path`.

        Raises:
            PathError: The path is malformed.
            InjectionError: The endpoint is no known kind of handler, or nothing provides one of its parameters.
        """
        if isinstance(route, Mount):
            app = route.app
            mounted: Application = app if callable(app) else App(app, registry=self.registry, injector=self._injector)
            self._mounts.append((compile_path(route.path, prefix=True), mounted))
        else:
            pattern = compile_path(route.path)
            endpoint = route.endpoint if isinstance(route, Route) else route
            self._routes.append((pattern, self.classify_endpoint(endpoint, pattern.converters)))

    def classify_endpoint(self, endpoint: Any, path: Mapping[str, Converter]) -> Runner:
        """Return what serves an endpoint's connections. Subclasses may support other kinds of handler than the four."""
        return classify_endpoint(endpoint, self._injector, path)

    def websocket(self, path: str, *, name: str | None = None) -> Callable[[Endpoint], Endpoint]:
        """Serve `path` with the decorated handler: `@app.websocket("/room/{name}/{n:int}")`.

        Args:
            path: Literal text with parameters in braces.
            name: The route's name; `App` itself does not use it.

        Raises:
            PathError: The path is malformed (from the decorator).
            InjectionError: The handler cannot be called as it is written (from the decorator).
        """

        def register(endpoint: Endpoint) -> Endpoint:
            self.add(Route(path, endpoint, name))
            return endpoint

        return register

    def events(self, path: str) -> Events:
        """Serve `path` with functions registered on the result: `chat = app.events("/chat")`, `@chat.on(...)`."""
        events = Events()
        self.add(Route(path, events))
        return events

    def mount(self, path: str, app: Application | Sequence[Route | Mount]) -> None:
        """Serve everything below `path` with another ASGI application, or with routes.

        Args:
            path: The prefix; it moves to the scope's `root_path`.
            app: Routes given here share this application's registry and components.

        Raises:
            PathError: A path is malformed.
            InjectionError: A handler among the routes cannot be called as it is written.
        """
        self.add(Mount(path, app))

    # -- ASGI

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a websocket connection or the lifespan; answer an HTTP request with 426.

        Raises:
            ValueError: The scope has another type.
        """
        match scope["type"]:
            case "websocket":
                await self._serve(scope, receive, send)
            case "lifespan":
                await self._live(scope, receive, send)
            case "http":
                await _upgrade_required(send)
            case other:
                raise ValueError(f"an application for websocket and lifespan, not for {other!r}")

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        path = route_path(scope)
        for pattern, runner in self._routes:
            parameters = pattern.match(path)
            if parameters is not None:
                parameters = {**scope.get("path_params", {}), **parameters}
                await self._run(runner, {**scope, "path_params": parameters}, receive, send)
                return
        for pattern, app in self._mounts:
            below = pattern.match_prefix(path)
            if below is not None:
                parameters, prefix = below
                root = scope.get("root_path", "") + prefix
                path_params = {**scope.get("path_params", {}), **parameters}
                await app({**scope, "root_path": root, "path_params": path_params}, receive, send)
                return
        await _not_found(WebSocket(scope, receive, send))

    async def _run(self, runner: Runner, scope: dict[str, Any], receive: Any, send: Any) -> None:
        opened = Opened()
        scope.setdefault("app", self)
        websocket = WebSocket(scope, receive, send, on_accepted=opened.event.set)
        try:
            async with AsyncExitStack() as stack:
                await runner(Context(self._values(websocket, opened), stack))
        except Exception as error:
            if isinstance(error, WebSocketDisconnect) and websocket.is_disconnected:
                return  # the peer is gone; a handler need not catch this
            # Not every server closes the connection when the application fails. Logging the error is the server's task.
            await _close(websocket, CloseCode.INTERNAL_ERROR)
            raise
        await _close(websocket)

    def _values(self, websocket: WebSocket, opened: Opened) -> dict[Any, Any]:
        return {
            WebSocket: websocket,
            Scope: websocket.scope,
            Path: Deferred(lambda: Path(websocket.scope["path"])),
            PathParameters: PathParameters(websocket.path_params),
            URL: Deferred(lambda: websocket.url),
            Headers: Deferred(lambda: websocket.headers),
            QueryParams: Deferred(lambda: websocket.query_params),
            Cookies: Deferred(lambda: Cookies(websocket.cookies)),
            Address: Deferred(lambda: websocket.client),
            State: Deferred(lambda: websocket.state),
            Registry: self.registry,
            Opened: opened,
        }

    @asynccontextmanager
    async def _running(self) -> AsyncGenerator[Mapping[str, Any]]:
        async with self.registry.running():
            if self._lifespan is None:
                yield {}
            else:
                async with self._lifespan(self) as state:
                    yield state or {}

    async def _live(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        started = False
        try:
            async with self._running() as state:
                scope.get("state", {}).update(state)
                await send({"type": "lifespan.startup.complete"})
                started = True
                await receive()
        except Exception as error:
            log.exception("the application's lifespan failed")
            await send({"type": f"lifespan.{'shutdown' if started else 'startup'}.failed", "message": str(error)})
            return
        await send({"type": "lifespan.shutdown.complete"})


async def _close(websocket: WebSocket, code: int = CloseCode.NORMAL_CLOSURE) -> None:
    """Close an open connection; refuse one that was not answered, unless the handler failed."""
    state = websocket.application_state
    try:
        if state is WebSocketState.CONNECTED or (
            state is WebSocketState.CONNECTING and code != CloseCode.INTERNAL_ERROR
        ):
            await websocket.close(code)
    except WebSocketDisconnect:
        pass


async def _not_found(websocket: WebSocket) -> None:
    if "websocket.http.response" in (websocket.scope.get("extensions") or {}):
        body = b"no such path\n"
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body))]
        await websocket.send({"type": "websocket.http.response.start", "status": 404, "headers": headers})
        await websocket.send({"type": "websocket.http.response.body", "body": body})
    else:
        await websocket.close()


async def _upgrade_required(send: Any) -> None:
    headers = [(b"upgrade", b"websocket"), (b"connection", b"Upgrade"), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 426, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
