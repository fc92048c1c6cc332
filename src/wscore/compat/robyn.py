"""Robyn's WebSockets over `wscore.app`: its names and manners, with no machinery of its own.

One order holds on a connection: its messages are handled one after another, and what its handlers send and return
leaves in the order in which they said it, a close last. `docs/howto/coming-from-robyn.md` says where this differs from
Robyn, and why.
"""

from __future__ import annotations

import importlib
import inspect
import json
import types
import uuid
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, suppress
from typing import Any, Final, TypeVar, Union, get_args, get_origin

import anyio
import anyio.lowlevel

from wscore.app import App, InjectionError, Member, Registry, Route, WebSocketDisconnect
from wscore.app import WebSocket as Connection
from wscore.app._handlers import Hooks, run_hooks
from wscore.app._injection import Context, call, signature_of

from .._logs import logger
from ..app._shown import shown

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

log = logger("wscore.robyn")

Function = TypeVar("Function", bound=Callable[..., Any])

_POLICY_VIOLATION: Final = 1008
_DEPENDENCIES: Final = ("global_dependencies", "router_dependencies")


def jsonify(value: Any) -> str:
    """Give `value` as compact JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


class QueryParams:
    """The query's parameters, decoded; a name may have several values. `get` gives the last."""

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._values: dict[str, list[str]] = {}
        for key, value in pairs:
            self.set(key, value)

    def set(self, key: str, value: str) -> None:
        """Add a value, behind those of the same name."""
        self._values.setdefault(key, []).append(value)

    def get(self, key: str, default: str | None = None) -> str | None:
        """Give the last value."""
        return self._values[key][-1] if key in self._values else default

    def get_first(self, key: str) -> str | None:
        """Give the first value."""
        return self._values[key][0] if key in self._values else None

    def get_all(self, key: str) -> list[str] | None:
        """Give all values."""
        return list(self._values[key]) if key in self._values else None

    def contains(self, key: str) -> bool:
        """Tell whether there is a value."""
        return key in self._values

    def extend(self, other: QueryParams) -> None:
        """Add the values of `other`."""
        for key, values in other._values.items():
            self._values.setdefault(key, []).extend(values)

    def empty(self) -> bool:
        """Tell whether there are no parameters."""
        return not self._values

    def to_dict(self) -> dict[str, list[str]]:
        """Give all values of all names."""
        return {key: list(values) for key, values in self._values.items()}

    def keys(self) -> list[str]:
        """Give the names."""
        return list(self._values)

    def values(self) -> list[list[str]]:
        """Give the values of each name."""
        return list(self.to_dict().values())


class _Session:
    """A connection to an endpoint, behind what its handlers see of it."""

    def __init__(self, connection: Connection, member: Member, registry: Registry, room: str) -> None:
        self.connection = connection
        self.member = member
        self.registry = registry
        self.room = room
        self.query_params = QueryParams(connection.query_params.multi_items())
        self.close_wanted = False
        self._handling = False
        self._ended = False

    def close(self) -> None:
        """Close, or take note that the handler that runs wants it. On the event loop, so that neither is missed."""
        if self._handling:
            self.close_wanted = True
        else:
            self.member.close()

    async def say(self, function: Callable[..., Any], **arguments: Any) -> None:
        """Send what a handler returns."""
        self._handling = True
        try:
            value = await call(function, **arguments)
            if value is not None:
                await self.member.send(value if isinstance(value, str | bytes) else jsonify(value))
        finally:
            self._handling = False

    async def tell_end(self, tell: Callable[[], Awaitable[object]]) -> None:
        """Run the close handler, once."""
        if not self._ended:
            self._ended = True
            with suppress(WebSocketDisconnect):
                await tell()

    async def end(self, code: int = 1000, reason: str = "") -> None:
        """Close, and wait until what was said before is sent."""
        self.member.close(code, reason)
        await self.member.outbox.flush()


class WebSocketConnector:
    """A connection: the `ws` of a handler. Its methods may be called from any thread, those that wait excepted."""

    def __init__(self, session: _Session) -> None:
        self.id = session.member.id
        """Stays the same for as long as the connection lasts."""
        self.query_params = session.query_params
        self._session = session

    def sync_send_to(self, recipient_id: str, message: str | bytes) -> None:
        """Queue a message for a connection of this endpoint; one that is not there is logged, and no error."""
        registry, room = self._session.registry, self._session.room
        recipient = registry.get(recipient_id)
        if recipient is None or room not in recipient.rooms:
            log.warning("No client found for id: %s", shown(recipient_id))
            return
        registry.send_to(recipient_id, message)

    def sync_broadcast(self, message: str | bytes) -> None:
        """Queue a message for every connection of this endpoint, this one included."""
        self._session.registry.broadcast(self._session.room, message)

    async def async_send_to(self, recipient_id: str, message: str | bytes) -> None:
        """Do as `sync_send_to` does, and give way to others."""
        self.sync_send_to(recipient_id, message)
        await anyio.lowlevel.checkpoint()

    async def async_broadcast(self, message: str | bytes) -> None:
        """Do as `sync_broadcast` does, and give way to others."""
        self.sync_broadcast(message)
        await anyio.lowlevel.checkpoint()

    def close(self) -> None:
        """Close the connection with 1000; while one of its handlers runs, once that one's return value is sent."""
        with suppress(anyio.RunFinishedError):
            self._session.registry.on_loop(self._session.close)


class _Endpoint:
    """What serves a path: the part that both forms have in common."""

    def __init__(self, router: SubRouter, endpoint: str) -> None:
        self.endpoint = endpoint
        self.app: Robyn | None = None
        self.router_dependencies = router.router_dependencies
        router.add_web_socket(endpoint, self)

    async def serve(self, connection: Connection) -> None:
        assert self.app is not None  # a Robyn has routed to it
        await connection.accept()
        registry, room = self.app.registry, self.endpoint
        async with registry.join(connection, id=str(uuid.uuid4()), rooms=[room]) as member:
            hooks = self.hooks(_Session(connection, member, registry, room))
            await run_hooks(Context({Connection: connection}, AsyncExitStack()), hooks)

    def hooks(self, session: _Session) -> Hooks:
        raise NotImplementedError

    def dependency(self, name: str) -> dict[str, Any]:
        assert self.app is not None
        return self.app.global_dependencies if name == "global_dependencies" else self.router_dependencies


class WebSocket(_Endpoint):
    """A path with handlers for "connect", "message" and "close", each of them optional.

    A handler may be sync or async. It gets by name what it asks for: `ws`, `msg` (what came, or "" where nothing did),
    `global_dependencies` and `router_dependencies`; other names stand for `ws` and then `msg`. What it returns is sent.
    """

    def __init__(self, robyn_object: SubRouter, endpoint: str) -> None:
        super().__init__(robyn_object, endpoint)
        self.router_dependencies: dict[str, Any] = {}
        self._router = robyn_object
        self._handlers: dict[str, tuple[Callable[..., Any], dict[str, str]]] = {}

    def on(self, type: str) -> Callable[[Function], Function]:
        """Register a handler; a later one takes the place of an earlier one."""

        def register(handler: Function) -> Function:
            if type not in ("connect", "message", "close"):
                raise ValueError(f"Socket method {type} does not exist")
            self._handlers[type] = handler, _names_for(handler)
            return handler

        return register

    def inject(self, **dependencies: Any) -> None:
        """Add to the `router_dependencies` of these handlers."""
        self.router_dependencies.update(dependencies)

    def inject_global(self, **dependencies: Any) -> None:
        """Add to the `global_dependencies` of the application's handlers."""
        self._router.inject_global(**dependencies)

    def hooks(self, session: _Session) -> Hooks:
        """Give the functions for one connection."""
        ws = WebSocketConnector(session)

        async def say(event: str, msg: str | bytes = "") -> None:
            if event in self._handlers:
                function, names = self._handlers[event]
                values = {"ws": ws, "msg": msg, **{name: self.dependency(name) for name in _DEPENDENCIES}}
                await session.say(function, **{parameter: values[name] for parameter, name in names.items()})

        async def handle(event: str, msg: str | bytes = "") -> None:
            await say(event, msg)
            if session.close_wanted:
                await close()  # before the close frame, so that what it returns is still sent
                await session.end()

        async def message(event: Any) -> None:
            await handle("message", event["bytes"] if event.get("text") is None else event["text"])

        async def close(*_: Any) -> None:
            await session.tell_end(lambda: say("close"))

        return Hooks(lambda: handle("connect"), message, close, None)


def _names_for(handler: Callable[..., Any]) -> dict[str, str]:
    """Give what each of a handler's parameters stands for."""
    parameters = [p for p in inspect.signature(handler).parameters.values() if p.kind is not p.VAR_KEYWORD]
    left = [name for name in ("ws", "msg") if name not in [p.name for p in parameters]]
    names: dict[str, str] = {}
    for parameter in parameters:
        if parameter.name in ("ws", "msg", *_DEPENDENCIES):
            names[parameter.name] = parameter.name
        elif left:
            names[parameter.name] = left.pop(0)
        else:
            raise InjectionError(
                f"{handler.__qualname__}: nobody provides parameter {parameter.name!r}; there are ws, msg, "
                + ", ".join(_DEPENDENCIES)
            )
    return names


class WebSocketAdapter:
    """A connection, for the handlers of `@app.websocket`. Every method raises WebSocketDisconnect once it is over."""

    def __init__(self, session: _Session) -> None:
        self.id = session.member.id
        self.query_params = session.query_params
        self._session = session

    async def _receive(self) -> str | bytes:
        connection = self._session.connection
        event = await connection.receive()
        if event["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(connection.close_code, connection.close_reason)
        data: str | bytes = event["bytes"] if event.get("text") is None else event["text"]
        return data

    async def receive_text(self) -> str:
        """Receive a message as text; UnicodeDecodeError for a binary one that is none."""
        data = await self._receive()
        return data if isinstance(data, str) else data.decode()

    async def receive_bytes(self) -> bytes:
        """Receive a message as bytes, text as UTF-8."""
        data = await self._receive()
        return data.encode() if isinstance(data, str) else data

    async def receive_json(self) -> Any:
        """Receive a message and read it as JSON."""
        return json.loads(await self._receive())

    async def send_text(self, data: str) -> None:
        """Send a text message."""
        await self._session.member.send(data)

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message."""
        await self._session.member.send(data)

    async def send_json(self, data: Any) -> None:
        """Send `data` as compact JSON, in a text message."""
        await self._session.member.send(jsonify(data))

    async def broadcast(self, data: str | bytes) -> None:
        """Send to every connection of this endpoint, this one included."""
        self._session.registry.broadcast(self._session.room, data)
        await anyio.lowlevel.checkpoint()

    async def close(self) -> None:
        """Close with 1000, behind what was sent."""
        await self._session.end()


class WebSocketHandler(_Endpoint):
    """What `@app.websocket(path)` makes of a function; `on_connect` and `on_close` register two more.

    The first parameter gets the adapter, the others by name `query_params` and the dependencies, or else the query's
    parameter of that name, converted to what they are annotated with.
    """

    def __init__(self, router: SubRouter, endpoint: str, handler: Callable[..., Any]) -> None:
        self._filled = {"message": _Filled(handler)}
        super().__init__(router, endpoint)

    def on_connect(self, handler: Function) -> Function:
        """Register what runs when a connection was accepted; text that it returns is sent."""
        self._filled["connect"] = _Filled(handler)
        return handler

    def on_close(self, handler: Function) -> Function:
        """Register what runs when a connection ends; text that it returns is sent where it is still open."""
        self._filled["close"] = _Filled(handler)
        return handler

    def hooks(self, session: _Session) -> Hooks:
        """Give the functions for one connection."""
        websocket = WebSocketAdapter(session)
        arguments: dict[str, dict[str, Any]] = {}

        async def say(event: str) -> None:
            if event in arguments:
                await session.say(self._filled[event].function, **arguments[event])

        async def converse() -> None:
            try:
                for event, filled in self._filled.items():
                    arguments[event] = filled.arguments(websocket, self.dependency)
            except _WrongParameter as error:
                arguments.clear()  # nobody is told of the end who heard nothing of the beginning
                await websocket.send_text(f"Error: {error}")
                await session.end(_POLICY_VIOLATION, "wrong parameters")
                return
            await say("connect")
            await call(self._filled["message"].function, **arguments["message"])  # what it returns is nobody's
            await close()
            await session.end()

        async def close(*_: Any) -> None:
            await session.tell_end(lambda: say("close"))

        return Hooks(converse, None, close, None)


class _WrongParameter(ValueError):
    """A parameter that the query lacks, or has wrong."""


def _bool(text: str) -> bool:
    if text.lower() in ("true", "1", "yes", "on"):
        return True
    if text.lower() in ("false", "0", "no", "off"):
        return False
    raise ValueError(text)


class _Filled:
    """A handler of the newer form, and what its parameters are filled with."""

    CONVERTERS: Final[dict[Any, Callable[[str], Any]]] = {str: str, int: int, float: float, bool: _bool}

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        name = getattr(function, "__qualname__", repr(function))
        parameters, hints = signature_of(function, name)
        self._adapter, self._rest = parameters[:1], parameters[1:]
        self._types: dict[str, Any] = {}
        for parameter in self._rest:
            annotation = hints.get(parameter.name, str)
            if get_origin(annotation) in (Union, types.UnionType):  # X | None
                annotation = next(each for each in get_args(annotation) if each is not type(None))
            if parameter.name in ("query_params", *_DEPENDENCIES):
                continue
            if annotation is not QueryParams and annotation not in self.CONVERTERS:
                raise InjectionError(f"{name}: parameter {parameter.name!r}: expected one of str, int, float, bool")
            self._types[parameter.name] = annotation

    def arguments(self, websocket: WebSocketAdapter, dependency: Callable[[str], Any]) -> dict[str, Any]:
        """Give the arguments for a connection, or raise _WrongParameter."""
        query = websocket.query_params
        values = {each.name: self._value(each, query, dependency) for each in self._rest}
        return values | {each.name: websocket for each in self._adapter}

    def _value(self, parameter: inspect.Parameter, query: QueryParams, dependency: Callable[[str], Any]) -> Any:
        name = parameter.name
        if name in _DEPENDENCIES:
            return dependency(name)
        if name == "query_params" or self._types[name] is QueryParams:
            return query
        text = query.get(name)
        if text is None:
            if parameter.default is parameter.empty:
                raise _WrongParameter(f"Missing required parameter: {name!r}")
            return parameter.default
        try:
            return self.CONVERTERS[self._types[name]](text)
        except ValueError:
            expected = self._types[name].__name__
            raise _WrongParameter(f"Invalid value {text!r} for parameter {name!r}: expected {expected}") from None


class SubRouter:
    """WebSockets below a prefix, for an application to include."""

    def __init__(self, file_object: str = "", prefix: str = "") -> None:
        del file_object  # Robyn finds its own files by it
        self.prefix = prefix
        self.router_dependencies: dict[str, Any] = {}
        self.global_dependencies: dict[str, Any] = {}
        self.endpoints: list[tuple[str, _Endpoint]] = []

    def inject(self, **dependencies: Any) -> None:
        """Add to the `router_dependencies` of the handlers that `websocket` registers here."""
        self.router_dependencies.update(dependencies)

    def inject_global(self, **dependencies: Any) -> None:
        """Add to the `global_dependencies` of all handlers of the application."""
        self.global_dependencies.update(dependencies)

    def websocket(self, endpoint: str) -> Callable[[Callable[..., Any]], WebSocketHandler]:
        """Serve `endpoint` with a function that receives and sends: `@app.websocket("/chat")`."""
        return lambda handler: WebSocketHandler(self, endpoint, handler)

    def add_web_socket(self, endpoint: str, ws: _Endpoint) -> None:
        """Serve `endpoint` with `ws`; a `WebSocket` does this itself."""
        self.endpoints.append((self.prefix + endpoint, ws))

    def include_router(self, router: SubRouter) -> None:
        """Serve what was registered on `router` until now, below its prefix."""
        self.global_dependencies.update(router.global_dependencies)
        router.global_dependencies = self.global_dependencies
        for endpoint, ws in router.endpoints:
            self.add_web_socket(endpoint, ws)


class Robyn(SubRouter):
    """An application: ASGI, so that `wscore run module:app` or any other server serves it; `start` does as well."""

    def __init__(self, file_object: str = "", *, registry: Registry | None = None) -> None:
        super().__init__(file_object)
        self._app = App(registry=registry)

    @property
    def registry(self) -> Registry:
        """Who is connected."""
        return self._app.registry

    def add_web_socket(self, endpoint: str, ws: _Endpoint) -> None:
        """Serve `endpoint` with `ws`; a `WebSocket` does this itself."""
        ws.app, ws.endpoint = self, endpoint
        self._app.add(Route(endpoint, ws.serve))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a connection, or the lifespan."""
        await self._app(scope, receive, send)

    def start(self, host: str = "127.0.0.1", port: int = 8080, *, backend: str = "asyncio") -> None:
        """Serve until a signal comes, on asyncio or trio; SystemExit where it cannot."""
        serve = importlib.import_module("wscore._cli.serve").serve
        status = serve(self, "Robyn", host=host, port=port, backend=backend)
        if status:
            raise SystemExit(status)
