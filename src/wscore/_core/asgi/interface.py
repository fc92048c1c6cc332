"""Which interface an object implements: ASGI 3, the older ASGI 2, a factory of either, or none that can be served.

Decided from its signature before the first client connects: an object of the wrong kind would answer every client with
500. If the signature is inconclusive (a `*args`, an object written in C), ASGI 3 is assumed.
"""

from __future__ import annotations

import dis
import functools
import inspect
from enum import Enum
from itertools import pairwise
from types import FunctionType
from typing import Any

from .messages import Application

__all__ = ["Interface", "as_asgi3", "interface_of"]


class Interface(Enum):
    """How an object is called."""

    ASGI3 = "(scope, receive, send), awaited"
    ASGI2 = "(scope), which gives what is called with (receive, send), awaited"
    FACTORY = "(), which gives an application"


def interface_of(app: Any) -> Interface:
    """Return how to call `app`.

    Raises:
        TypeError: It cannot be served; the text says in one line what is wrong and what to write.
    """
    if not callable(app):
        raise TypeError(f"it is of type {type(app).__name__}, which cannot be called")
    try:
        signature = inspect.signature(app)
    except (TypeError, ValueError):
        return Interface.ASGI3
    if _takes(signature, 3) and (not inspect.isclass(app) or hasattr(app, "__await__")):
        _refuse_plain(app)
        return Interface.ASGI3
    if inspect.iscoroutinefunction(app) or inspect.isasyncgenfunction(app):
        what = "a factory cannot be async, and an application" if _takes(signature, 0) else "an application"
        raise TypeError(f"it is an async function with {signature}: {what} takes (scope, receive, send)")
    if _takes(signature, 0):
        return Interface.FACTORY
    if _takes(signature, 1):
        return Interface.ASGI2
    hint = ", which is WSGI's shape," if _takes(signature, 2) else ""
    raise TypeError(f"it is called with {signature}{hint} and an ASGI application with (scope, receive, send)")


def as_asgi3(app: Any) -> Application:
    """Return `app`, or a wrapper if it is an ASGI 2 application.

    Raises:
        TypeError: It is neither.
    """
    try:
        interface = interface_of(app)
    except TypeError as error:
        raise TypeError(f"the application cannot be served: {error}") from None
    match interface:
        case Interface.ASGI3:
            return app  # type: ignore[no-any-return]
        case Interface.ASGI2:
            return _wrapped(app)
        case Interface.FACTORY:  # pragma: no branch  # the last of them
            raise TypeError("the application is a factory, since it takes no arguments: call it, and serve the result")


def _wrapped(app: Any) -> Application:
    async def asgi3(scope: Any, receive: Any, send: Any) -> None:
        instance = app({**scope, "asgi": {**scope["asgi"], "version": "2.0"}})
        await instance(receive, send)

    return asgi3


def _takes(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True


def _refuse_plain(app: Any) -> None:
    """Refuse a function that returns nothing awaitable: `async` was forgotten, or it yields."""
    partial: Any = app
    while isinstance(app, functools.partial):
        app = partial = partial.func
    call: Any = app if inspect.isfunction(app) or inspect.ismethod(app) else getattr(app, "__call__", None)  # noqa: B004
    function: Any = inspect.unwrap(getattr(call, "__func__", call))
    if not isinstance(function, FunctionType) or inspect.iscoroutinefunction(function):
        return
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        raise TypeError("it yields, so that it cannot be awaited: an ASGI application is an `async def` without yield")
    if _returns_nothing(function):
        raise TypeError("it is a plain `def` that returns nothing to await: write `async def`")


def _returns_nothing(function: FunctionType) -> bool:
    """Return whether a function always returns None; a wrapper that returns another's coroutine does not."""
    for before, this in pairwise(dis.get_instructions(function)):
        if this.opname == "RETURN_CONST" and this.argval is not None:  # pragma: no cover  # in Python 3.12 and 3.13
            return False
        if this.opname == "RETURN_VALUE" and not (before.opname == "LOAD_CONST" and before.argval is None):
            return False
    return True
