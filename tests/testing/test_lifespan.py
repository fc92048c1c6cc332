"""The lifespan of an application under test, by itself."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from wscore import StartupFailed
from wscore.testing._lifespan import lifespan_manager

from .apps import Failure, echo, lively

pytestmark = pytest.mark.anyio


async def test_the_application_starts_before_and_stops_behind() -> None:
    """What it keeps in its state is there in between."""
    log: list[str] = []
    async with lifespan_manager(lively(log), 5) as state:
        assert (log, state) == (["startup"], {"name": "kept"})
    assert log == ["startup", "shutdown"]


async def test_an_application_that_knows_no_lifespan_is_none_the_worse() -> None:
    """One that raises when asked, and one that returns."""

    async def returns(scope: Any, receive: Any, send: Any) -> None:
        pass

    for app in (echo, returns):
        async with lifespan_manager(app, 5) as state:
            assert state == {}


async def test_an_application_that_fails_and_goes_on_waits_for_nobody() -> None:
    """After `startup.failed` who waits for a message has ended; the timeout is not waited for."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while await receive():
            await send({"type": "lifespan.startup.failed", "message": "no database"})

    with anyio.fail_after(20), pytest.raises(StartupFailed, match="no database"):
        async with lifespan_manager(app, 1000):
            pytest.fail("it has not started")


@pytest.mark.parametrize("kind", [SystemExit, pytest.fail.Exception])
async def test_what_is_no_exception_is_raised(kind: type[BaseException]) -> None:
    """An application that gives up with `sys.exit()` has not merely no lifespan."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise kind("no settings")

    with pytest.raises(kind, match="no settings"):
        async with lifespan_manager(app, 5):
            pytest.fail("it has not started")


async def test_an_exception_of_the_shutdown_is_raised_and_that_of_the_body_before_it() -> None:
    """Neither in a group."""
    with pytest.raises(Failure, match="shutdown"):
        async with lifespan_manager(lively([], shutdown="raise"), 5):
            pass
    with pytest.raises(KeyError):
        async with lifespan_manager(lively([], shutdown="raise"), 5):
            raise KeyError("mine")


async def test_a_wrong_answer_is_the_applications_mistake() -> None:
    """It raises in the application; one that lets it out before it has answered has no lifespan."""
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await send({"type": "lifespan.startup.done"})
        except ValueError as error:
            seen.append(str(error))
            raise

    async with lifespan_manager(app, 5):
        pass
    assert len(seen) == 1
    assert seen[0].startswith("message type 'lifespan.startup.done': expected lifespan.startup.complete")
