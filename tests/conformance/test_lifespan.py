"""Lifespan: the startup before any connection, the shutdown after the last, and failing is told (ASGI lifespan)."""

from __future__ import annotations

import contextlib
import logging
from typing import Any

import anyio
import pytest
import sniffio

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


def test_auto_tells_of_a_crash_in_the_startup(serve: Any, errors: Any) -> None:
    """With "auto", an application that takes the startup and raises is served on, and the log has its traceback."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            raise RuntimeError("database is down")
        await echo(scope, receive, send)

    serve(app, lifespan="auto").open()
    record = errors.take_one()
    assert "database is down" in record.getMessage()
    assert record.exc_info is not None


@pytest.mark.uvloop_too
@pytest.mark.parametrize("mode", ["auto", "on"])
@pytest.mark.parametrize("kind", ["SystemExit", "GeneratorExit", "own", "cancellation"])
def test_what_is_no_exception_fails_the_startup(kind: str, mode: str, serve: Any) -> None:
    """An application that exits in its startup has failed to start; it does not take the program with it."""

    class Own(BaseException):
        pass

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if kind == "cancellation":
            await awaits_what_was_cancelled()
        raise {"SystemExit": SystemExit(2), "GeneratorExit": GeneratorExit(), "own": Own()}[kind]

    with pytest.raises(StartupFailed, match="Cancel" if kind == "cancellation" else kind.title().replace("exit", "")):
        serve(app, lifespan=mode)


async def awaits_what_was_cancelled() -> None:
    """Be handed a cancellation that is not the server's."""
    if sniffio.current_async_library() == "trio":
        import trio

        kept: list[BaseException] = []
        with trio.CancelScope() as scope:
            scope.cancel()
            try:
                await trio.lowlevel.checkpoint()
            except trio.Cancelled as error:
                kept.append(error)
        raise kept[0]
    import asyncio

    task = asyncio.ensure_future(asyncio.sleep(1000))
    task.cancel()
    await task


@pytest.mark.parametrize("kind", ["SystemExit", "ValueError"])
def test_what_is_raised_while_serving_is_told_at_once(kind: str, serve: Any, errors: Any) -> None:
    """An application whose lifespan breaks is served on, and the log says so before anybody has to stop it."""
    go = Gate()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await go.wait()
            raise {"SystemExit": SystemExit, "ValueError": ValueError}[kind]("on purpose")
        await echo(scope, receive, send)

    server = serve(app, lifespan="on")
    go.open()
    assert kind in errors.take_one().getMessage()
    server.open()


@pytest.mark.parametrize("lifespan", ["on", "off"])
def test_what_cannot_be_awaited_is_refused(lifespan: str, serve: Any) -> None:
    """A plain `def` is no application: that is said at the start, and not to each client."""

    def app(scope: Any, receive: Any, send: Any) -> None:
        pass

    with pytest.raises(TypeError, match="async def"):
        serve(app, lifespan=lifespan)


def test_what_gives_nothing_to_await_is_refused(serve: Any) -> None:
    """Where only the call shows it, the call of the lifespan does."""

    def app(scope: Any, receive: Any, send: Any) -> Any:
        return scope["type"]

    with pytest.raises(StartupFailed, match="async def"):
        serve(app, lifespan="auto")


def test_asgi_2(serve: Any) -> None:
    """A double callable is served, lifespan and all, and told which version of ASGI it is."""
    versions = Notes()

    class App:
        def __init__(self, scope: Any) -> None:
            self.scope = scope

        async def __call__(self, receive: Any, send: Any) -> None:
            versions.put((self.scope["type"], self.scope["asgi"]["version"]))
            if self.scope["type"] == "lifespan":
                await receive()
                await send({"type": "lifespan.startup.complete"})
                await receive()
                await send({"type": "lifespan.shutdown.complete"})
            else:
                await echo(self.scope, receive, send)

    wire = serve(App, lifespan="on").open()
    wire.send(frame(TEXT, "x"))
    assert wire.read_text() == "x"
    assert [versions.next(), versions.next()] == [("lifespan", "2.0"), ("websocket", "2.0")]


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


def test_a_slow_startup_is_told(serve: Any, errors: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """After some seconds the log says what is waited for; the application is served when it has started."""
    monkeypatch.setattr("wscore._core.asgi.lifespan.STARTUP_NOTICE", 0.05)
    told = Gate()

    class Telling(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.open()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await told.wait()
            await send({"type": "lifespan.startup.complete"})
        else:
            await echo(scope, receive, send)

    handler = Telling()
    logging.getLogger("wscore.error").addHandler(handler)
    try:
        serve(app, lifespan="on").open()
    finally:
        logging.getLogger("wscore.error").removeHandler(handler)
    assert "lifespan.startup" in errors.take_one().getMessage()


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


@pytest.mark.uvloop_too
@pytest.mark.parametrize("holds", ["the peer", "the application", "an application that ignores its cancellation"])
def test_the_shutdown_has_its_share_of_time(holds: str, serve: Any) -> None:
    """Whoever has used up the time of the connections, the lifespan still has its own: what it holds is saved."""
    never, saved = Gate(), Gate()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await anyio.sleep(0.2)  # as it takes to write something
            saved.open()
            await send({"type": "lifespan.shutdown.complete"})
        elif holds == "the peer":
            await echo(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.accept"})
            with contextlib.suppress(BaseException):
                await never.wait()
            if "ignores" in holds:
                with anyio.CancelScope(shield=True):
                    await saved.wait()

    server = serve(app, lifespan="on", config=quick(shutdown_grace=0.05, close_timeout=0.1))
    server.open()
    server.begin_close()
    saved.reached()
    server.wait_ended()


def test_lifespan_that_ends_early(serve: Any) -> None:
    """An application whose lifespan returns after the startup goes on being served."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            return
        await echo(scope, receive, send)

    serve(app, lifespan="on").open()
