"""Which interface an object speaks is told before anybody connects."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from wscore._core.asgi.interface import Interface, as_asgi3, interface_of


async def asgi3(scope: Any, receive: Any, send: Any) -> None:
    pass


def wraps(scope: Any, receive: Any, send: Any) -> Any:
    return asgi3(scope, receive, send)


@functools.wraps(asgi3)
def decorated(*args: Any) -> Any:
    return asgi3(*args)


def anything(*args: Any, **more: Any) -> Any:
    return asgi3(*args, **more)


class Instance:
    def __init__(self, debug: bool = False) -> None:
        pass

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        pass

    async def method(self, scope: Any, receive: Any, send: Any) -> None:
        pass


class Awaited:
    """As Starlette's endpoints: made with three arguments, and awaited."""

    def __init__(self, scope: Any, receive: Any, send: Any) -> None:
        pass

    def __await__(self) -> Any:
        return asgi3(None, None, None).__await__()


class Double:
    def __init__(self, scope: Any) -> None:
        pass

    async def __call__(self, receive: Any, send: Any) -> None:
        pass


def double(scope: Any) -> Any:
    async def instance(receive: Any, send: Any) -> None:
        pass

    return instance


class DoubleInstance:
    def __call__(self, scope: Any) -> Any:
        return double(scope)


def make() -> Any:
    return asgi3


@pytest.mark.parametrize(
    ("app", "interface"),
    [
        (asgi3, Interface.ASGI3),
        (wraps, Interface.ASGI3),
        (decorated, Interface.ASGI3),
        (anything, Interface.ASGI3),
        (Instance(), Interface.ASGI3),
        (Instance().method, Interface.ASGI3),
        (functools.partial(asgi3), Interface.ASGI3),
        (Awaited, Interface.ASGI3),
        (print, Interface.ASGI3),  # takes anything; what it is shows later
        (Double, Interface.ASGI2),
        (double, Interface.ASGI2),
        (DoubleInstance(), Interface.ASGI2),
        (make, Interface.FACTORY),
        (Instance, Interface.FACTORY),
    ],
)
def test_what_can_be_served(app: Any, interface: Interface) -> None:
    """Functions, methods, instances, partials and classes are told apart by how they can be called."""
    assert interface_of(app) is interface


def plain(scope: Any, receive: Any, send: Any) -> None:
    if scope:
        return
    raise NotImplementedError


class PlainInstance:
    def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        pass


async def yields(scope: Any, receive: Any, send: Any) -> Any:
    yield


def yields_plainly(scope: Any, receive: Any, send: Any) -> Any:
    yield


def wsgi(environ: Any, start_response: Any) -> Any:
    return []


async def make_slowly() -> Any:
    return asgi3


async def takes_one(scope: Any) -> None:
    pass


def takes_five(a: Any, b: Any, c: Any, d: Any, e: Any) -> None:
    pass


@pytest.mark.parametrize(
    ("app", "says"),
    [
        (3, "int"),
        (None, "NoneType"),
        (plain, "async def"),
        (functools.wraps(plain)(lambda *args: plain(*args)), "async def"),
        (functools.partial(plain), "async def"),
        (PlainInstance(), "async def"),
        (PlainInstance().__call__, "async def"),
        (yields, "yield"),
        (yields_plainly, "yield"),
        (wsgi, "WSGI"),
        (make_slowly, "a factory cannot be async"),
        (takes_one, "async function"),
        (takes_five, "(scope, receive, send)"),
    ],
)
def test_what_cannot_be_served(app: Any, says: str) -> None:
    """Each is refused in one line that says what to write."""
    for ask in (interface_of, as_asgi3):
        with pytest.raises(TypeError) as refused:
            ask(app)
        assert says in str(refused.value)
        assert "\n" not in str(refused.value)


def test_a_factory_is_not_guessed_by_a_program() -> None:
    """`serve` takes an application: whether to call a factory, and when, is the program's to say."""
    with pytest.raises(TypeError, match="factory"):
        as_asgi3(make)


@pytest.mark.parametrize("app", [Double, double, DoubleInstance()])
def test_asgi_2_is_wrapped(app: Callable[..., Any]) -> None:
    """A double callable becomes an ASGI 3 application."""
    coroutine: Any = as_asgi3(app)({"type": "lifespan", "asgi": {"version": "3.0"}}, None, None)  # type: ignore[arg-type]
    with pytest.raises(StopIteration):
        coroutine.send(None)
