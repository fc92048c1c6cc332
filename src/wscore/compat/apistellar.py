"""apistellar's API: `@websocket(path)` on a function of each message, or on a class with `websocket_*` methods.

    from wscore.compat.apistellar import Application, Path, websocket

    @websocket("/echo")
    async def echo(message, path: Path):
        return {"path": path, "you_said": message.get("text")}

    app = Application(__name__)

Routing, injection and a connection's lifecycle are `wscore.app`'s; decorators, controllers, the search of a module for
handlers and the JSON encoding are here. `docs/howto/coming-from-apistellar.md` lists what differs from apistellar, and
why.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, ClassVar, Final, NamedTuple, TypeVar, cast

from .._logs import logger
from ..app import App, Component, InjectionError, Registry, WebSocket, WebSocketDisconnect, WebSocketState
from ..app import Route as _Route
from ..app._application import Lifespan, make_injector
from ..app._handlers import Hooks, Runner, reply, run_hooks
from ..app._injection import CallPlan, Context, NamedProvider, call, signature_of
from ..app._routing import Converter
from ..app._shown import shown
from . import _http as http
from ._http import (
    URL,
    ASGIReceive,
    ASGIScope,
    ASGISend,
    Cookie,
    Header,
    Headers,
    Host,
    Method,
    Path,
    PathParams,
    Port,
    QueryParam,
    QueryParams,
    QueryString,
    Scheme,
)

__all__ = [
    "URL",
    "ASGIReceive",
    "ASGIScope",
    "ASGISend",
    "Application",
    "Component",
    "Controller",
    "Cookie",
    "Header",
    "Headers",
    "Host",
    "Method",
    "MissingParameter",
    "Path",
    "PathParams",
    "Port",
    "QueryParam",
    "QueryParams",
    "QueryString",
    "Route",
    "Scheme",
    "TypeEncoder",
    "WebSocket",
    "WebSocketDisconnect",
    "WebSocketHandler",
    "http",
    "route",
    "websocket",
]

log = logger("websocket")  # apistellar's name for it
T = TypeVar("T")

CONNECT, RECEIVE, DISCONNECT = "websocket_connect", "websocket_receive", "websocket_disconnect"


class Route(NamedTuple):
    """What `@websocket` records in `handler.routes`."""

    url: str
    method: str
    handler: Any
    name: str
    documented: bool = True
    standalone: bool = False


def websocket(
    url: str | None = None, name: str | None = None, documented: bool = True, standalone: bool = False
) -> Callable[[T], T]:
    """Serve `url` with the decorated function or class, which is returned unchanged and may be decorated again.

    Args:
        url: The path; by default the handler's name.
        name: The route's name; by default the handler's.
        documented: Recorded in the route, otherwise unused.
        standalone: Recorded in the route, otherwise unused.

    Raises:
        InjectionError: The class has no method `websocket_receive` (from the decorator).
    """

    def decorate(handler: T) -> T:
        target = cast("Any", handler)
        if inspect.isclass(handler) and not hasattr(handler, RECEIVE):
            raise InjectionError(f"class {handler.__qualname__}: expected a method {RECEIVE}(self, message)")
        routes = _routes(handler)
        first = name or target.__name__
        path = "/" + (url or target.__name__).removeprefix("/")
        made = Route(path, "GET", target, f"{first}_get" if routes else first, documented, standalone)
        target.routes = [*routes, made]  # a new list: a base class keeps its own
        return handler

    return decorate


def route(prefix: str, name: str | None = None) -> Callable[[type[T]], type[T]]:
    """Prefix the paths of a controller, and of the controllers derived from it."""

    def decorate(controller: type[T]) -> type[T]:
        target: Any = controller
        target.prefix = "" if prefix == "/" else prefix
        target.name = name or controller.__name__.lower()
        return controller

    return decorate


@route("", name="view")
class Controller:
    """A class of handlers: decorated functions, with or without `self`, and decorated classes in its body."""

    prefix: ClassVar[str]
    name: ClassVar[str]


class WebSocketHandler:
    """An optional base for classes of handlers: any class with a method `websocket_receive` is one.

    `send(value)` sends while the connection is open, encoding like a return value; `send(text, "websocket.close")`
    closes it with 1000 and that reason.
    """

    def __init__(self, send: Callable[..., Any]) -> None:
        self.send = send


class TypeEncoder(json.JSONEncoder):
    """Encodes return values; `TypeEncoder.register({Type: function})` adds types."""

    options: ClassVar[dict[type, Callable[[Any], Any]]] = {cast("type", Mapping): dict}

    @classmethod
    def register(cls, type_mapping: Mapping[type, Callable[[Any], Any]]) -> None:
        """Add functions that convert a type's objects to encodable ones."""
        cls.options.update(type_mapping)

    def default(self, o: Any) -> Any:
        """Encode with the first function whose type matches. Raises TypeError if there is none."""
        for kind, encode in self.options.items():
            if isinstance(o, kind):
                return encode(o)
        return super().default(o)


class MissingParameter(AssertionError):
    """The request lacks a query parameter, header or cookie that the handler requires; it is refused."""


def _required(kind: Any) -> NamedProvider:
    def source(context: Context, name: str, default: Any) -> Any:
        value = http.BY_NAME[kind](context, name, default)
        if value is None and default is inspect.Parameter.empty:
            raise MissingParameter(f"{kind.__name__}: {name} not found!")
        return value

    return source


_BY_NAME: Final[dict[Any, NamedProvider]] = {
    **http.BY_NAME,
    **{kind: _required(kind) for kind in (QueryParam, Header, Cookie)},
}


class _Endpoint(NamedTuple):
    handler: Any
    controller: Any = None


class Application(App):
    """The ASGI application of the module called `name`, or of `handlers`.

    Args:
        name: A module whose decorated functions and classes, Controllers and components are served. It is searched on
            first use, so `Application(__name__)` may be anywhere in it.
        handlers: Served instead of the module's.
        components: Provide values for handlers' parameters.
        registry: By default a new one, for this process alone.
        lifespan: Called with the application; entered before it serves, exited at shutdown.

    Raises:
        InjectionError: A handler cannot be called as it is written. Raised at once for `handlers`, otherwise on first
            use.
    """

    def __init__(
        self,
        name: str,
        *,
        handlers: Iterable[Any] | None = None,
        components: Iterable[Component | Callable[..., Any]] = (),
        registry: Registry | None = None,
        lifespan: Lifespan | None = None,
    ) -> None:
        super().__init__(registry=registry, lifespan=lifespan, injector=make_injector(components, _BY_NAME))
        self.name = name
        self._looked = handlers is not None
        self._add_all(handlers or ())

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a websocket connection or the lifespan."""
        if scope["type"] == "websocket":
            self._look()
        await super().__call__(scope, receive, send)

    @asynccontextmanager
    async def _running(self) -> AsyncGenerator[Mapping[str, Any]]:
        self._look()
        async with super()._running() as state:
            yield state

    def _look(self) -> None:
        if self._looked:
            return
        if self.name not in sys.modules:
            raise LookupError(f"no module is called {self.name!r}; name one, or give handlers=[...]")
        found = list(vars(sys.modules[self.name]).values())
        self._routes.clear()  # of a failed attempt: without a lifespan, each connection tries again
        for value in found:
            if inspect.isclass(value) and issubclass(value, Component) and "resolve" in dir(value):
                self._injector.add(value())
        self._add_all(value for value in found if _is_controller(value) or _routes(value))
        self._looked = True

    def _add_all(self, handlers: Iterable[Any]) -> None:
        for handler in handlers:
            if _is_controller(handler):
                kind: type = handler
                prefix = "".join(vars(each).get("prefix", "") for each in reversed(kind.__mro__))
                controller = kind()
                for value in vars(kind).values():
                    self._add_routes(prefix, _Endpoint(value, controller))
            else:
                self._add_routes("", _Endpoint(handler))

    def _add_routes(self, prefix: str, endpoint: _Endpoint) -> None:
        for each in _routes(endpoint.handler):
            functions = _functions(each.handler).values()
            self.add(_Route(http.typed_path(prefix + each.url, functions, each.name), endpoint, each.name))

    def classify_endpoint(self, endpoint: Any, path: Mapping[str, Converter]) -> Runner:
        """Return the runner for a decorated function or class."""
        handler, controller = endpoint
        name: str = handler.__qualname__
        functions = _functions(handler)
        if inspect.isclass(handler):
            functions["__init__"] = handler
        else:
            functions[RECEIVE] = _bound(handler, controller, name)
        plans = {
            method: self._injector.plan(function, given=_given(method, function, name), path=path, name=name)
            for method, function in functions.items()
        }
        return partial(_run, plans)


def _is_controller(value: Any) -> bool:
    return inspect.isclass(value) and issubclass(value, Controller) and value is not Controller


def _routes(value: Any) -> list[Route]:
    routes: Any = vars(value).get("routes") if inspect.isfunction(value) or inspect.isclass(value) else None
    return [each for each in routes or () if isinstance(each, Route)]


def _functions(handler: Any) -> dict[str, Callable[..., Any]]:
    if not inspect.isclass(handler):
        return {RECEIVE: handler}
    return {method: getattr(handler, method) for method in (CONNECT, RECEIVE, DISCONNECT) if hasattr(handler, method)}


def _bound(function: Callable[..., Any], controller: Any, name: str) -> Callable[..., Any]:
    """Bind a controller's function to it, wherever `self` is among its parameters."""
    names = [parameter.name for parameter in signature_of(function, name)[0]]
    if controller is None or "self" not in names:
        return function
    return function.__get__(controller) if names[0] == "self" else partial(function, self=controller)


def _given(method: str, function: Callable[..., Any], name: str) -> list[str]:
    """Return the parameters that are not injected: the first, the message or `send`, under any name."""
    names = [parameter.name for parameter in signature_of(function, name)[0]]
    if method == "__init__":
        return names[:1]
    own = names[:1] if names[:1] == ["self"] else []
    if len(names) == len(own):
        raise InjectionError(f"{name}: expected a parameter for the message in {method}")
    return [*own, names[len(own)]]


# -- serving a connection


async def _run(plans: Mapping[str, CallPlan], context: Context) -> None:
    websocket: WebSocket = context.values[WebSocket]
    path: str = websocket.scope["path"]
    try:
        bound = {method: await plan.bind(context) for method, plan in plans.items()}
    except MissingParameter as error:
        log.debug("Websocket of %s refused: %s", shown(path), shown(error))
        await websocket.close()
        return
    functions = {method: plan.function for method, plan in plans.items()}
    if "__init__" in plans:
        kind = functions.pop("__init__")
        takes_send = bool(signature_of(kind, kind.__name__)[0])
        handler = await call(kind, *[partial(_send, websocket)][:takes_send], **bound["__init__"])
        functions = {method: getattr(handler, method) for method in functions}

    async def connect() -> Any:
        if CONNECT not in functions:
            log.debug("Websocket of %s connect.", shown(path))
            return None
        try:
            value = await call(functions[CONNECT], {"type": "websocket.connect"}, **bound[CONNECT])
        except Exception:
            # A handler refuses by raising: the client gets a 403, and the server logs the error.
            if websocket.application_state is WebSocketState.CONNECTING:
                await websocket.close()
            raise
        return _encode(value) if value else None

    async def receive(message: Mapping[str, Any]) -> Any:
        return _encode(await call(functions[RECEIVE], message, **bound[RECEIVE]))

    async def disconnect(code: int, reason: str) -> None:
        if DISCONNECT not in functions:
            log.debug("Websocket of %s disconnect.", shown(path))
            return
        message = {"type": "websocket.disconnect", "code": code, "reason": reason}
        await call(functions[DISCONNECT], message, **bound[DISCONNECT])

    await run_hooks(context, Hooks(connect, receive, disconnect, None))


async def _send(websocket: WebSocket, value: Any, type: str = "websocket.send") -> None:
    """Send a value, encoded like a return value; apistellar's other types accept and close."""
    data = _encode(value)
    match type:
        case "websocket.accept":
            await websocket.accept()
            await reply(websocket, data if value else None)
        case "websocket.close":
            await websocket.close(1000, data if isinstance(data, str) else None)
        case "websocket.send" if isinstance(data, bytes):
            await websocket.send_bytes(data)
        case "websocket.send" if isinstance(data, str):
            await websocket.send_text(data)
        case "websocket.send":
            pass  # None sends nothing
        case _:
            raise ValueError(f"send: type {type!r}; expected websocket.send, websocket.accept or websocket.close")


def _encode(value: Any) -> str | bytes | None:
    """Encode as apistellar does: JSON with spaces, in ASCII; text, bytes and None are unchanged."""
    if value is None or isinstance(value, str | bytes):
        return value
    if isinstance(value, bytearray | memoryview):
        return bytes(value)  # pyright: ignore[reportUnknownArgumentType]
    return json.dumps(value, cls=TypeEncoder)
