"""What an application does to its own end: one connection ends, the log says why, and everybody else goes on."""

from __future__ import annotations

import logging
import sys
from typing import Any

import anyio
import pytest
import sniffio

from .apps import echo
from .harness import Gate
from .wire import TEXT, frame, request

pytestmark = pytest.mark.uvloop_too


class Stop(BaseException):
    """An application's own, which no `except Exception` catches."""


async def await_a_cancelled_task() -> None:
    """Let a cancellation out that was never meant for the application."""
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

    task = asyncio.create_task(asyncio.sleep(3600))
    task.cancel()
    await task


async def fail(how: str) -> None:
    match how:
        case "exit":
            sys.exit(3)
        case "generator":
            raise GeneratorExit
        case "own":
            raise Stop
        case "group":
            raise BaseExceptionGroup("several", [Stop(), ValueError()])
        case "cancelled":
            await await_a_cancelled_task()


@pytest.mark.parametrize("how", ["exit", "generator", "own", "group", "cancelled"])
@pytest.mark.parametrize("when", ["woken", "later", "unanswered"])
def test_whatever_an_application_raises_ends_its_own_connection(when: str, how: str, serve: Any, errors: Any) -> None:
    """1011, or 500 before the accept; an entry with its traceback; others and new ones are served on."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/":
            return await echo(scope, receive, send)
        await receive()
        if scope["path"] != "/unanswered":
            await send({"type": "websocket.accept"})
            await receive()
        if scope["path"] == "/later":
            await anyio.sleep(0.01)
        return await fail(how)

    server = serve(app)
    other = server.open()
    if when == "unanswered":
        wire = server.connect()
        wire.send(request(target="/unanswered"))
        assert wire.read_refusal().status == 500
    else:
        wire = server.open(target=f"/{when}")
        wire.send(frame(TEXT, "go"))
        wire.ends_with(1011)
    record = errors.take_one()
    assert record.levelno == logging.ERROR
    assert record.exc_info
    for each in (other, server.open()):
        each.send(frame(TEXT, "still there"))
        assert each.read_text() == "still there"


def test_the_end_of_the_server_is_no_failure(serve: Any) -> None:
    """An application that is cancelled at the end of its server leaves no entry in the log."""
    waiting, never = Gate(), Gate()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        waiting.open()
        await never.wait()

    server = serve(app)
    server.open()
    waiting.reached()
    server.abort()
    server.wait_ended()
