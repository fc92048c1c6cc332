"""The kinds of handler that may serve a route, recognised at registration.

Four kinds, distinguished by their shape:

- a function of the connection: a parameter is annotated `WebSocket`, and none is called `message`;
- a function of each message: a parameter is called `message`; what it returns is sent;
- a class with a method `receive`, and optionally `connect` and `disconnect`: one object per connection;
- `Events`: functions for "connect", "message", "close" and "error".

The last three run the same way: the connection is accepted, its messages are handled one at a time in order, return
values are sent (None sends nothing), and the end is reported once, whichever side caused it. An ASGI application, of
version 3 or 2, may serve a route as well.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from types import UnionType
from typing import Any, Final, NamedTuple, Union, get_args, get_origin

import anyio

from wscore import CloseCode
from wscore._logs import logger

from ._disconnect import WebSocketDisconnect
from ._injection import CallPlan, Context, InjectionError, Injector, call, signature_of
from ._routing import Converter
from ._websocket import WebSocket, WebSocketState

__all__ = ["Events", "Hooks", "Runner", "classify_endpoint", "reply", "run_hooks"]

log = logger("wscore.app")

Runner = Callable[[Context], Awaitable[None]]
"""Serves one connection."""

_LAST_WORDS: Final = 1.0
"""Seconds for a close function when the server cancels its connection; the shutdown itself has a deadline."""


class Events:
    """Functions for the events of a route's connections.

        chat = Events()

        @chat.on("message")
        async def talk(message: str, websocket: WebSocket) -> str: ...

    "connect" runs before the connection is accepted, and may refuse it with `websocket.close()`; "message" gets
    `message`, "close" gets `code` and `reason`, "error" gets `error` before the connection is closed with 1011. Each
    is optional, and all may take further parameters by annotation.
    """

    NAMES: Final = ("connect", "message", "close", "error")

    def __init__(self) -> None:
        self.functions: dict[str, Callable[..., Any]] = {}
        self.registered: list[Callable[[], None]] = []
        """Called after each registration: routes plan their calls here, so a wrong function fails at once."""

    def on(self, event: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Register a function for an event, replacing an earlier one.

        Args:
            event: "connect", "message", "close" or "error".

        Raises:
            InjectionError: There is no such event; or, from the decorator, nothing provides one of the function's
                parameters.
        """
        if event not in self.NAMES:
            raise InjectionError(f"no event is called {event!r}; expected one of {', '.join(self.NAMES)}")

        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            self.functions[event] = function
            for notice in self.registered:
                notice()
            return function

        return register


class Hooks(NamedTuple):
    """The functions of one connection, bound to it."""

    connect: Callable[[], Awaitable[Any]] | None
    message: Callable[[Mapping[str, Any]], Awaitable[Any]] | None
    """Gets the ASGI message."""
    close: Callable[[int, str], Awaitable[Any]] | None
    error: Callable[[Exception], Awaitable[Any]] | None


def classify_endpoint(endpoint: Any, injector: Injector, path: Mapping[str, Converter]) -> Runner:
    """Return the runner for an endpoint. Raises InjectionError for one of no known kind, or that cannot be called."""
    if isinstance(endpoint, Events):
        return _from_events(endpoint, injector, path)
    if not callable(endpoint):
        raise InjectionError(f"{endpoint!r}: expected a function, a class, Events or an ASGI application")
    name: str = getattr(endpoint, "__qualname__", None) or repr(endpoint)
    if inspect.isclass(endpoint) and callable(getattr(endpoint, "receive", None)):
        return _from_class(endpoint, name, injector, path)
    parameters, hints = signature_of(endpoint, name)
    names = [parameter.name for parameter in parameters]
    if names == ["scope", "receive", "send"] or (len(names) == 3 and not hints and inspect.isclass(endpoint)):
        return _from_asgi3(endpoint)
    if names == ["scope"]:
        return _from_asgi2(endpoint)
    if inspect.isclass(endpoint):
        raise InjectionError(f"class {name}: expected a method receive(self, message), and no such method is there")
    if "message" in names:
        return _from_message_function(endpoint, name, hints.get("message", Any), injector, path)
    if any(hints.get(parameter) is WebSocket for parameter in names):
        return _from_connection_function(injector.plan(endpoint, path=path, name=name))
    raise InjectionError(
        f"{name}({', '.join(names)}): expected a parameter annotated WebSocket (a function of the connection), or one "
        "called 'message' (a function of each message)"
    )


# -- the kinds


def _from_connection_function(plan: CallPlan) -> Runner:
    async def run(context: Context) -> None:
        await reply(context.values[WebSocket], await call(plan.function, **await plan.bind(context)))

    return run


def _from_message_function(
    function: Callable[..., Any], name: str, annotation: Any, injector: Injector, path: Mapping[str, Converter]
) -> Runner:
    plan = injector.plan(function, given=["message"], path=path, name=name)
    read = _reader(annotation)

    async def run(context: Context) -> None:
        arguments = await plan.bind(context)

        async def message(event: Mapping[str, Any]) -> Any:
            return await call(plan.function, message=read(event), **arguments)

        await run_hooks(context, Hooks(None, message, None, None))

    return run


def _from_class(kind: type, name: str, injector: Injector, path: Mapping[str, Converter]) -> Runner:
    made = injector.plan(kind, path=path, name=name)
    plans: dict[str, CallPlan] = {}
    for method, given in (("connect", ()), ("receive", ("message",)), ("disconnect", ("code", "reason"))):
        function = getattr(kind, method, None)
        if function is not None:
            plans[method] = injector.plan(function, given=("self", *given), path=path, name=f"{name}.{method}")
    _, hints = signature_of(plans["receive"].function, f"{name}.receive")
    if "message" not in inspect.signature(plans["receive"].function).parameters:
        raise InjectionError(f"{name}.receive: expected a parameter called 'message'")
    read = _reader(hints.get("message", Any))

    async def run(context: Context) -> None:
        handler = await call(made.function, **await made.bind(context))
        bound = {method: await plan.bind(context) for method, plan in plans.items()}

        async def connect() -> Any:
            return await call(handler.connect, **bound["connect"])

        async def message(event: Mapping[str, Any]) -> Any:
            return await call(handler.receive, message=read(event), **bound["receive"])

        async def close(code: int, reason: str) -> Any:
            end = _wanted(plans["disconnect"], code=code, reason=reason)
            return await call(handler.disconnect, **end, **bound["disconnect"])

        await run_hooks(
            context,
            Hooks(connect if "connect" in plans else None, message, close if "disconnect" in plans else None, None),
        )

    return run


def _from_events(events: Events, injector: Injector, path: Mapping[str, Converter]) -> Runner:
    plans: dict[str, CallPlan] = {}
    readers: dict[str, Callable[[Mapping[str, Any]], Any]] = {}
    given = {"connect": (), "message": ("message",), "close": ("code", "reason"), "error": ("error",)}

    def compile_plans() -> None:
        for event, function in events.functions.items():
            if event not in plans or plans[event].function is not function:
                name = f"{getattr(function, '__qualname__', function)!s} (on {event})"
                plans[event] = injector.plan(function, given=given[event], path=path, name=name)
                _, hints = signature_of(function, name)
                readers[event] = _reader(hints.get("message", Any))

    compile_plans()
    events.registered.append(compile_plans)

    async def run(context: Context) -> None:
        bound = {event: await plan.bind(context) for event, plan in plans.items()}

        def hook(event: str) -> Callable[..., Awaitable[Any]] | None:
            if event not in plans:
                return None
            plan, arguments = plans[event], bound[event]

            async def run_hook(*values: Any) -> Any:
                if event == "message":
                    values = (readers[event](values[0]),)
                offered = dict(zip(given[event], values, strict=True))
                return await call(plan.function, **_wanted(plan, **offered), **arguments)

            return run_hook

        await run_hooks(context, Hooks(*(hook(event) for event in Events.NAMES)))

    return run


def _from_asgi3(application: Callable[..., Any]) -> Runner:
    async def run(context: Context) -> None:
        websocket = context.values[WebSocket]
        await application(websocket.scope, websocket.receive, websocket.send)

    return run


def _from_asgi2(application: Callable[..., Any]) -> Runner:
    async def run(context: Context) -> None:
        websocket = context.values[WebSocket]
        await application(websocket.scope)(websocket.receive, websocket.send)

    return run


# -- running them


async def run_hooks(context: Context, hooks: Hooks) -> None:
    """Serve a connection with its functions: accept, messages in order, and the end, reported once."""
    websocket: WebSocket = context.values[WebSocket]
    last_words = anyio.CancelScope()
    try:
        first = await hooks.connect() if hooks.connect is not None else None
        if websocket.application_state is WebSocketState.CONNECTING:
            await websocket.accept()
        await reply(websocket, first)
        while websocket.application_state is WebSocketState.CONNECTED:
            event = await websocket.receive()
            if event["type"] == "websocket.disconnect":
                break
            if hooks.message is not None:
                try:
                    answer = await hooks.message(event)
                except WrongKind as error:
                    await websocket.close(CloseCode.UNSUPPORTED_DATA, str(error))
                    break
                await reply(websocket, answer)
    except anyio.get_cancelled_exc_class():
        last_words = anyio.CancelScope(deadline=anyio.current_time() + _LAST_WORDS, shield=True)
        raise
    except Exception as error:
        if isinstance(error, WebSocketDisconnect):
            if websocket.is_disconnected:
                return  # during a send
            # An ordinary failure, which callers must not take for the end of this connection.
            error = RuntimeError(f"the function used another connection, and that had ended: {error!r}")
        if hooks.error is not None:
            with suppress(WebSocketDisconnect):
                await reply(websocket, await hooks.error(error))
        if websocket.application_state is WebSocketState.CONNECTED:
            with suppress(WebSocketDisconnect):
                await websocket.close(CloseCode.INTERNAL_ERROR)
        raise error  # noqa: TRY201  # it may differ from the one handled here
    finally:
        if hooks.close is not None and websocket.was_accepted:
            with last_words:
                await hooks.close(websocket.close_code, websocket.close_reason)


async def reply(websocket: WebSocket, value: Any) -> None:
    """Send a return value: text, binary, or JSON as text; nothing for None, or if the connection is not open."""
    if value is None or websocket.application_state is not WebSocketState.CONNECTED:
        return
    if isinstance(value, str):
        await websocket.send_text(value)
    elif isinstance(value, bytes | bytearray | memoryview):
        await websocket.send_bytes(bytes(value))  # pyright: ignore[reportUnknownArgumentType]
    else:
        await websocket.send_json(value)


class WrongKind(Exception):
    """A message of a kind that the function does not accept; closes the connection with 1003."""


def _reader(annotation: Any) -> Callable[[Mapping[str, Any]], Any]:
    """Return how to read `message`, by its annotation: `str` or `bytes` only that, both or none either, else JSON."""
    kinds = set(get_args(annotation)) if get_origin(annotation) in (Union, UnionType) else {annotation}
    if annotation is Any or kinds == {str, bytes}:
        return lambda event: event["bytes"] if event.get("text") is None else event["text"]
    if annotation is str:
        return lambda event: _one(event, "text")
    if annotation is bytes:
        return lambda event: _one(event, "bytes")
    return _read_json


def _one(event: Mapping[str, Any], key: str) -> Any:
    value = event.get(key)
    if value is None:
        raise WrongKind(f"expected {'text' if key == 'text' else 'binary'} messages")
    return value


def _read_json(event: Mapping[str, Any]) -> Any:
    text = event.get("text")
    try:
        return json.loads(event["bytes"] if text is None else text)
    except (ValueError, RecursionError):
        raise WrongKind("expected JSON") from None


def _wanted(plan: CallPlan, **values: Any) -> dict[str, Any]:
    """Keep the values that the function has parameters for; it may omit those it does not need."""
    return {name: value for name, value in values.items() if name in plan.given}
