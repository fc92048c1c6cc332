"""One call of an application, and how it ends."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from wscore import ClientConnection, Config, LocalProtocolError, ServerConnection
from wscore.testing._driver import Driver
from wscore.testing._wire import Wire

from .apps import Failure, echo

pytestmark = pytest.mark.anyio


def driven(app: Any) -> Driver:
    now = anyio.current_time()
    wire = Wire(ClientConnection("ws://h/", Config(), now=now, random=bytes), ServerConnection(Config(), now=now))
    wire.carry()
    return Driver(app, wire)


async def test_it_says_what_the_application_does() -> None:
    """In words for a test's error: from the call to the end."""
    driver = driven(echo)
    said = [driver.doing]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(driver.run)
        await anyio.wait_all_tasks_blocked()
        said.append(driver.doing)
        driver._wire.client.close(now=anyio.current_time())
        driver._wire.carry()
        await driver.over.wait()
    said.append(driver.doing)
    assert said == ["has not been called", "waits in receive()", "has returned"]
    assert driver.failure is None


async def test_it_keeps_what_the_application_raised() -> None:
    """And says the kind of it."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise Failure("at once")

    driver = driven(app)
    await driver.run()
    assert isinstance(driver.failure, Failure)
    assert driver.doing == "has raised Failure"
    assert driver.over.is_set()


async def test_a_cancelled_application_is_no_failure() -> None:
    """Who cancels is the test, at its end."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep_forever)

    driver = driven(app)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(driver.run)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert driver.failure is None
    assert driver.over.is_set()


async def test_receiving_after_the_disconnect_is_the_applications_mistake() -> None:
    """It gets the core's error, where on a queue it would wait for ever."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while True:
            await receive()

    driver = driven(app)
    driver._wire.client.close(now=anyio.current_time())
    driver._wire.carry()
    await driver.run()
    assert isinstance(driver.failure, LocalProtocolError)
