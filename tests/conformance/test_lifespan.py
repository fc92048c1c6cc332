"""Lifespan: the startup before any connection, the shutdown after the last, and failing is told (ASGI lifespan)."""

from __future__ import annotations

from typing import Any

import pytest

from wscore import StartupFailed

from .apps import Noting, echo
from .harness import Gate, Notes, quick
from .wire import TEXT, frame


@pytest.mark.uvloop_too
def test_order_and_state(serve: Any) -> None:
    """Startup, then connections with a copy of the state, then shutdown after the last connection."""
    events = Notes()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            assert (await receive())["type"] == "lifespan.startup"
            scope["state"]["shared"] = ["from startup"]
            events.put("startup")
            await send({"type": "lifespan.startup.complete"})
            assert (await receive())["type"] == "lifespan.shutdown"
            events.put("shutdown")
            await send({"type": "lifespan.shutdown.complete"})
            events.put("after shutdown")
            return
        events.put(dict(scope["state"]))
        scope["state"]["own"] = True
        await echo(scope, receive, send)
        events.put("connection over")

    server = serve(app, lifespan="on")
    assert events.next() == "startup"
    server.open()
    assert events.next() == {"shared": ["from startup"]}
    other = server.open()
    assert events.next() == {"shared": ["from startup"]}
    server.begin_close()
    other.read_close()
    server.clients.close()
    assert [events.next() for _ in range(4)] == ["connection over", "connection over", "shutdown", "after shutdown"]
    server.wait_ended()


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_startup_failed(mode: str, serve: Any) -> None:
    """startup.failed is StartupFailed with the application's own words; nothing is left."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.raises(StartupFailed, match="no database"):
        serve(app, lifespan=mode)


def test_startup_raises_when_on(serve: Any) -> None:
    """With "on", an application that raises in its startup has failed to start."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise ZeroDivisionError("on purpose")

    with pytest.raises(StartupFailed, match="on purpose"):
        serve(app, lifespan="on")


@pytest.mark.parametrize("how", ["raises", "returns"])
def test_auto_without_lifespan(how: str, serve: Any) -> None:
    """With "auto", an application that knows no lifespan is served all the same."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            if how == "raises":
                raise AssertionError("websockets only")
            return
        assert scope["state"] == {}
        await echo(scope, receive, send)

    wire = serve(app, lifespan="auto").open()
    wire.send(frame(TEXT, "x"))
    assert wire.read_text() == "x"


def test_off(serve: Any) -> None:
    """With "off" the application is not asked."""
    app = Noting()
    serve(app, lifespan="off").open()
    assert app.scopes.next()["type"] == "websocket"


def test_startup_takes_too_long(serve: Any) -> None:
    """A startup beyond lifespan_timeout is StartupFailed, and the application is cancelled."""
    never, cancelled = Gate(), Gate()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await never.wait()
        finally:
            cancelled.open()

    with pytest.raises(StartupFailed, match="longer than"):
        serve(app, lifespan="on", config=quick(lifespan_timeout=0.1))
    cancelled.reached()


def test_shutdown_failed(serve: Any, errors: Any) -> None:
    """shutdown.failed is logged with the application's own words; the server ends."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.failed", "message": "could not save"})

    serve(app, lifespan="on").close()
    assert "could not save" in errors.take_one().getMessage()


def test_shutdown_raises(serve: Any, errors: Any) -> None:
    """An application that raises in its shutdown is logged; the server ends."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        raise ZeroDivisionError("on purpose")

    serve(app, lifespan="on").close()
    assert "on purpose" in errors.take_one().getMessage()


def test_shutdown_takes_too_long(serve: Any, errors: Any) -> None:
    """A lifespan that never ends does not hold up the end of the server for ever."""
    never = Gate()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await never.wait()

    serve(app, lifespan="on", config=quick(shutdown_grace=0.1, close_timeout=0.1)).close()
    assert "too long" in errors.take_one().getMessage()


def test_lifespan_that_ends_early(serve: Any) -> None:
    """An application whose lifespan returns after the startup goes on being served."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            return
        await echo(scope, receive, send)

    serve(app, lifespan="on").open()
