"""One task keeps the time for every connection of a server: exactly, for each alone, and with no more than it needs."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from wscore.testing import virtual_trio as virtual
from wscore.transport.alarms import Alarm
from wscore_trio._timekeeper import Timekeeper


@asynccontextmanager
async def keeping() -> AsyncIterator[Timekeeper]:
    async with trio.open_nursery() as nursery:
        timekeeper = Timekeeper()
        nursery.start_soon(timekeeper.run)
        yield timekeeper
        nursery.cancel_scope.cancel()


class Connection:
    """Calls a function at each step; `lost` says that one has failed."""

    def __init__(self, call: Callable[[], object] = lambda: None) -> None:
        self._call = call
        self.gone = False

    def step(self) -> None:
        self._call()

    def lost(self) -> None:
        self.gone = True


def at(timekeeper: Timekeeper, when: float, call: Callable[[], object] = lambda: None) -> Alarm:
    return timekeeper.call_at(when, Connection(call), Connection.step)


def soon(timekeeper: Timekeeper, call: Callable[[], object]) -> None:
    timekeeper.call_soon(Connection(call), Connection.step)


class Times:
    """When each alarm rang."""

    def __init__(self) -> None:
        self.rung: list[tuple[int, float]] = []

    def note(self, number: int) -> Callable[[], None]:
        return lambda: self.rung.append((number, trio.current_time()))


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20), st.none() | st.integers(0, 20)), max_size=40))
def test_every_alarm_rings_at_its_time_unless_it_was_cancelled(plan: list[tuple[int, int, int | None]]) -> None:
    """Placed and cancelled in any order: each rings once, at its very time or when it was placed, if that is later."""
    times = Times()

    async def place(timekeeper: Timekeeper, number: int, placed: int, due: int, cancelled: int | None) -> None:
        await trio.sleep(placed + 0.25)
        alarm = at(timekeeper, began + due, times.note(number))
        if cancelled is not None:
            await trio.sleep(cancelled)
            timekeeper.cancel(alarm)

    began = 0.0

    async def main() -> None:
        nonlocal began
        began = trio.current_time()
        async with keeping() as timekeeper, trio.open_nursery() as nursery:
            for number, each in enumerate(plan):
                nursery.start_soon(place, timekeeper, number, *each)
            await trio.sleep(100)

    virtual.run(main)
    expected: list[tuple[int, float]] = []
    doubtful: set[int] = set()  # overdue when it was placed, and cancelled at once: either may come first
    for number, (placed, wanted, cancelled) in enumerate(plan):
        due = max(wanted, placed + 0.25)
        if cancelled == 0 and wanted <= placed:
            doubtful.add(number)
        elif cancelled is None or cancelled + placed + 0.25 > due:
            expected.append((number, began + due))
    assert sorted(each for each in times.rung if each[0] not in doubtful) == expected


def test_an_alarm_that_was_cancelled_wakes_nobody() -> None:
    """trio's clock for tests jumps to the next time at which something happens, and past all others."""
    jumps: list[float] = []

    class Watching(trio.abc.Instrument):
        def before_io_wait(self, timeout: float) -> None:
            jumps.append(trio.current_time())

    async def main() -> None:
        async with keeping() as timekeeper:
            began = trio.current_time()
            alarms = [at(timekeeper, began + seconds) for seconds in (5, 1, 3, 2, 4)]
            await virtual.settled()
            for alarm in alarms[1:]:
                timekeeper.cancel(alarm)
            trio.lowlevel.add_instrument(Watching())
            await trio.sleep(10)
            assert {jump - began for jump in jumps} == {0, 5, 10}

    virtual.run(main)


def test_with_no_alarm_left_time_stands_still() -> None:
    """The last alarm's cancellation leaves no deadline behind."""

    async def main() -> None:
        async with keeping() as timekeeper:
            timekeeper.cancel(at(timekeeper, trio.current_time() + 5))
            await virtual.settled()
            assert trio.lowlevel.current_statistics().seconds_to_next_deadline > 1000

    virtual.run(main)


def test_a_failure_ends_one_connection(caplog: pytest.LogCaptureFixture) -> None:
    """A step that raises is logged and ends its connection; the others take theirs all the same, then and later."""
    times = Times()

    def fails() -> None:
        raise ZeroDivisionError

    class FailsTwice(Connection):
        def lost(self) -> None:
            super().lost()
            raise LookupError

    failing, failing_twice = Connection(fails), FailsTwice(fails)

    async def main() -> None:
        async with keeping() as timekeeper:
            now = trio.current_time()
            for seconds in (1, 2):
                timekeeper.call_at(now + seconds, failing_twice, Connection.step)
                at(timekeeper, now + seconds, times.note(seconds))
            timekeeper.call_soon(failing, Connection.step)
            soon(timekeeper, times.note(0))
            await trio.sleep(3)
            assert [(number, when - now) for number, when in times.rung] == [(0, 0), (1, 1), (2, 2)]

    with caplog.at_level(logging.ERROR, "wscore.error"):
        virtual.run(main)
    assert [record.getMessage() for record in caplog.records] == ["a connection failed"] * 3
    assert failing.gone
    assert failing_twice.gone


def test_an_alarm_placed_by_another_waits_for_the_loop() -> None:
    """One connection that always has something due leaves the others their turns."""

    async def main() -> None:
        steps = 0
        async with keeping() as timekeeper:

            def again() -> None:
                nonlocal steps
                steps += 1
                at(timekeeper, 0, again)

            again()
            for turn in range(20):
                assert steps <= turn + 1
                await trio.lowlevel.checkpoint()

    virtual.run(main)


def test_of_two_alarms_due_at_once_one_may_cancel_the_other() -> None:
    """A connection that ends in its one alarm is not called by its other one."""
    rung: list[str] = []

    async def main() -> None:
        async with keeping() as timekeeper:
            when = trio.current_time() + 1
            alarms: dict[str, Alarm] = {}

            def ring(name: str, other: str) -> None:
                rung.append(name)
                timekeeper.cancel(alarms[other])

            alarms["a"] = at(timekeeper, when, lambda: ring("a", "b"))
            alarms["b"] = at(timekeeper, when, lambda: ring("b", "a"))
            at(timekeeper, when + 1, lambda: rung.append("later"))
            await trio.sleep(3)

    virtual.run(main)
    assert rung in (["a", "later"], ["b", "later"])


def test_a_step_that_asks_for_another_gets_it() -> None:
    """What is asked for in the timekeeper's own task is not forgotten."""
    called: list[int] = []

    async def main() -> None:
        async with keeping() as timekeeper:
            at(timekeeper, 0, lambda: soon(timekeeper, lambda: called.append(1)))
            soon(timekeeper, lambda: soon(timekeeper, lambda: called.append(2)))
            await virtual.settled()

    virtual.run(main)
    assert sorted(called) == [1, 2]
