"""One call of an application, and how it ends."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from wscore import ClientConnection, Config, LocalProtocolError, ServerConnection
from wscore.testing._call import AppRunner
from wscore.testing._wire import MemoryLink

from .apps import Failure, echo

pytestmark = pytest.mark.anyio


def driven(app: Any) -> AppRunner:
    now = anyio.current_time()
    wire = MemoryLink(ClientConnection("ws://h/", Config(), now=now, random=bytes), ServerConnection(Config(), now=now))
    wire.carry()
    return AppRunner(app, wire)


async def test_it_says_what_the_application_does() -> None:
    """In words for a test's error: from the call to the end."""
    call = driven(echo)
    said = [call.doing]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call.run)
        await anyio.wait_all_tasks_blocked()
        said.append(call.doing)
        call._wire.client.close(now=anyio.current_time())
        call._wire.carry()
        await call.over.wait()
    said.append(call.doing)
    assert said == ["has not been called", "waits in receive()", "has returned"]
    assert call.failure is None


async def test_it_keeps_what_the_application_raised() -> None:
    """And says the kind of it."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise Failure("at once")

    call = driven(app)
    await call.run()
    assert isinstance(call.failure, Failure)
    assert call.doing == "has raised Failure"
    assert call.over.is_set()


async def test_a_cancelled_application_is_no_failure() -> None:
    """Who cancels is the test, at its end."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep_forever)

    call = driven(app)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call.run)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert call.failure is None
    assert call.over.is_set()


async def test_receiving_after_the_disconnect_is_the_applications_mistake() -> None:
    """It gets the core's error, where on a queue it would wait for ever."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while True:
            await receive()

    call = driven(app)
    call._wire.client.close(now=anyio.current_time())
    call._wire.carry()
    await call.run()
    assert isinstance(call.failure, LocalProtocolError)
