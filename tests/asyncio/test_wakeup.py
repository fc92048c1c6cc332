"""Waiting for a wake-up: the task goes on at once where it can, soon where it cannot, and may be cancelled."""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import pytest

from wscore_asyncio._wakeup import Wakeup

Case = Callable[[asyncio.AbstractEventLoop], Coroutine[Any, Any, None]]


@pytest.fixture(params=["asyncio", "asyncio in debug mode", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Case], None]:
    """Run a case on each loop."""
    factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    if request.param == "uvloop":
        factory = pytest.importorskip("uvloop").new_event_loop

    def run(case: Case) -> None:
        async def within() -> None:
            async with asyncio.timeout(30):
                await case(asyncio.get_running_loop())

        with asyncio.Runner(loop_factory=factory, debug="debug" in request.param) as runner:
            runner.run(within())

    return run


async def in_a_callback(loop: asyncio.AbstractEventLoop, call: Callable[[], object]) -> None:
    """Call from the loop, as a transport's callbacks are, and give what is scheduled meanwhile its turn."""
    loop.call_soon(call)
    await asyncio.sleep(0)
    await asyncio.sleep(0)


def test_a_callback_takes_the_step_itself(run: Callable[[Case], None]):
    """Woken in a callback of the loop, the task has gone on when `wake` returns."""

    async def case(loop: asyncio.AbstractEventLoop) -> None:
        seen: list[str] = []
        wakeup = Wakeup(loop)

        async def wait() -> None:
            await wakeup.wait()
            seen.append("first")
            await wakeup.wait()
            seen.append("second")

        def wake() -> None:
            assert wakeup.awaited
            wakeup.wake()
            seen.append("woken")

        task = loop.create_task(wait())
        await asyncio.sleep(0)
        await in_a_callback(loop, wake)
        await in_a_callback(loop, wake)
        assert seen == ["first", "woken", "second", "woken"]
        await task

    run(case)


def test_another_task_lets_it_go_on_soon(run: Callable[[Case], None]):
    """Woken from within a task's step, the waiting one goes on when the loop comes to it: tasks do not nest."""

    async def case(loop: asyncio.AbstractEventLoop) -> None:
        wakeup = Wakeup(loop)

        async def wait() -> str:
            await wakeup.wait()
            return "woken"

        task = loop.create_task(wait())
        await asyncio.sleep(0)
        wakeup.wake()
        wakeup.wake()  # nothing new
        assert not task.done()
        assert await task == "woken"

    run(case)


def test_nobody_waits(run: Callable[[Case], None]):
    """A wake-up that nobody waits for is lost: who waits looks first."""

    async def case(loop: asyncio.AbstractEventLoop) -> None:
        wakeup = Wakeup(loop)
        wakeup.wake()
        assert not wakeup.awaited

    run(case)


def test_a_cancelled_task_hears_of_it(run: Callable[[Case], None]):
    """Cancelling ends the waiting with the message given; the same wake-up can be waited for again."""

    async def case(loop: asyncio.AbstractEventLoop) -> None:
        wakeup = Wakeup(loop)
        heard: list[tuple[Any, ...]] = []

        async def wait() -> None:
            try:
                await wakeup.wait()
            except asyncio.CancelledError as error:
                heard.append(error.args)
                await wakeup.wait()

        task = loop.create_task(wait())
        await asyncio.sleep(0)
        task.cancel("enough")
        await asyncio.sleep(0)
        assert not task.done()
        await in_a_callback(loop, wakeup.wake)
        await task
        assert heard == [("enough",)]

    run(case)


@pytest.mark.parametrize("first", ["woken", "cancelled"])
def test_woken_and_cancelled_at_once(run: Callable[[Case], None], first: str):
    """A task that is woken and cancelled before it goes on is cancelled, whichever came first, and only once."""

    async def case(loop: asyncio.AbstractEventLoop) -> None:
        wakeup = Wakeup(loop)

        async def wait() -> None:
            await wakeup.wait()

        task = loop.create_task(wait())
        await asyncio.sleep(0)
        for what in (wakeup.wake, task.cancel) if first == "woken" else (task.cancel, wakeup.wake):
            what()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not wakeup.awaited

    run(case)


def test_timeouts_and_scopes_end_the_waiting(run: Callable[[Case], None]):
    """asyncio's timeouts and anyio's scopes end it as they end the waiting for any future."""

    async def case(loop: asyncio.AbstractEventLoop) -> None:
        wakeup = Wakeup(loop)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await wakeup.wait()
        with anyio.move_on_after(0.001) as scope:
            await wakeup.wait()
        assert scope.cancelled_caught
        assert not wakeup.awaited

    run(case)


def test_the_task_keeps_its_context(run: Callable[[Case], None]):
    """A step that a callback takes sees the task's context variables, not the callback's."""

    async def case(loop: asyncio.AbstractEventLoop) -> None:
        variable = contextvars.ContextVar("variable", default="the callback's")
        wakeup = Wakeup(loop)

        async def wait() -> str:
            variable.set("the task's")
            await wakeup.wait()
            return variable.get()

        task = loop.create_task(wait())
        await asyncio.sleep(0)
        await in_a_callback(loop, wakeup.wake)
        assert await task == "the task's"
        assert variable.get() == "the callback's"

    run(case)


def test_an_error_is_the_tasks(run: Callable[[Case], None]):
    """What the task raises in a step that a callback takes ends the task, and the callback hears nothing of it."""

    async def case(loop: asyncio.AbstractEventLoop) -> None:
        wakeup = Wakeup(loop)

        async def wait() -> None:
            await wakeup.wait()
            raise ValueError("mine")

        task = loop.create_task(wait())
        await asyncio.sleep(0)
        await in_a_callback(loop, wakeup.wake)
        with pytest.raises(ValueError, match="mine"):
            await task

    run(case)


def test_several_tasks_wait(run: Callable[[Case], None]):
    """All tasks that wait at a time go on at one wake-up, and one that was cancelled meanwhile holds up nobody."""

    async def case(loop: asyncio.AbstractEventLoop) -> None:
        wakeup = Wakeup(loop)
        seen: list[int] = []

        async def wait(number: int) -> None:
            await wakeup.wait()
            seen.append(number)

        tasks = [loop.create_task(wait(number)) for number in range(4)]
        await asyncio.sleep(0)
        tasks[2].cancel()
        await asyncio.sleep(0)
        await in_a_callback(loop, wakeup.wake)
        assert seen == [0, 1, 3]
        again = loop.create_task(wait(4))
        await asyncio.sleep(0)
        await in_a_callback(loop, wakeup.wake)
        assert seen == [0, 1, 3, 4]
        await again

    run(case)


def test_who_looks_for_waiting_tasks_is_told(run: Callable[[Case], None]):
    """anyio's `wait_all_tasks_blocked` looks at what a task waits for, and asks whether it is done."""

    async def case(loop: asyncio.AbstractEventLoop) -> None:
        wakeup = Wakeup(loop)

        async def wait() -> None:
            await wakeup.wait()

        task = loop.create_task(wait())
        await asyncio.sleep(0)
        assert not wakeup.done()
        await in_a_callback(loop, wakeup.wake)
        assert wakeup.done()
        await task

    run(case)
