"""Coroutines that run on the network's clock, without an event loop.

A coroutine waits only for a `Signal`, as those of this package do, and `Network.sleep`. Who is woken looks again at
what it waits for, as every waiter of a driver does.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from typing import Any

from .clock import VirtualClock

__all__ = ["Cancelled", "Scheduler", "Signal", "Task"]


class Cancelled(BaseException):
    """Raised in a coroutine whose task was cancelled, where it waits."""


class Signal:
    """Wakes whoever waits for it at that moment."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: list[Task] = []

    def __call__(self) -> None:
        """Wake all that wait."""
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            for task in waiting:
                task.wake()

    def __await__(self) -> Generator[Signal]:
        """Wait for the next call."""
        yield self

    async def wait(self) -> None:
        """Wait for the next call."""
        await self

    @property
    def waited(self) -> bool:
        """Whether somebody waits for the next call."""
        return bool(self._waiting)

    def add(self, task: Task) -> None:
        """Let a task wait."""
        self._waiting.append(task)

    def remove(self, task: Task) -> None:
        """Let a task wait no more."""
        if task in self._waiting:
            self._waiting.remove(task)


class Scheduler:
    """Where tasks take their steps, one at a time."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.current: Task | None = None
        """The task whose step is being made."""


class Task:
    """A coroutine that runs, from its start to its end, in steps."""

    def __init__(self, scheduler: Scheduler, coroutine: Coroutine[Signal, None, Any], name: str) -> None:
        self.name = name
        self.done = False
        self.result: Any = None
        self.error: BaseException | None = None
        self.cancelled = False
        """Whether `cancel` was called; not whether that has ended it."""
        self.awaited = False
        """Whether somebody looks at `error` in the end; if not, the network raises it."""
        self.at_once = False
        """Whether a step is made where the task is woken, as asyncio's transport does it, and not in a call of its own
        as trio's scheduler does."""
        self.on_done: Callable[[Task], object] | None = None
        self._scheduler = scheduler
        self._coroutine = coroutine
        self._waits_for: Signal | None = None
        self._begun = False
        self._told_cancelled = False
        self._scheduled = False
        self._schedule()

    def wake(self) -> None:
        """Make the next step: now, or in a call of its own."""
        self._waits_for = None
        if self.at_once and self._scheduler.current is None:
            self._step()
        elif not self._scheduled:
            self._schedule()

    def cancel(self) -> None:
        """Raise `Cancelled` where the coroutine waits. Idempotent; no effect on one that is done."""
        if not self.done and not self.cancelled:
            self.cancelled = True
            if self._waits_for is not None:
                self._waits_for.remove(self)
            self.wake()

    def abandon(self) -> None:
        """Never continue."""
        if not self.done:
            self.done = True
            if self._waits_for is not None:
                self._waits_for.remove(self)
            self._coroutine.close()

    @property
    def where(self) -> str:
        """Where the coroutine is, down to what it awaits, for messages."""
        places: list[str] = []
        coroutine: Any = self._coroutine
        while (frame := getattr(coroutine, "cr_frame", None)) is not None:
            places.append(f"{frame.f_code.co_qualname} (line {frame.f_lineno})")
            coroutine = coroutine.cr_await
        return f"{self.name}: {' > '.join(places)}"

    def _schedule(self) -> None:
        self._scheduled = True
        clock = self._scheduler.clock
        clock.call_at(clock.now, self._step)

    def _step(self) -> None:
        self._scheduled = False
        if self.done:
            return
        scheduler = self._scheduler
        before, scheduler.current = scheduler.current, self
        try:
            if self.cancelled and self._begun and not self._told_cancelled:
                self._told_cancelled = True
                waits_for = self._coroutine.throw(Cancelled())
            else:
                self._begun = True
                waits_for = self._coroutine.send(None)
        except StopIteration as done:
            self._finish(done.value, None)
        except BaseException as error:  # whatever it is, it is for who made the task
            self._finish(None, error)
        else:
            if self.cancelled and not self._told_cancelled:
                self.wake()  # cancelled before its first step, or within a step
            else:
                self._waits_for = waits_for
                waits_for.add(self)
        finally:
            scheduler.current = before

    def _finish(self, result: Any, error: BaseException | None) -> None:
        self.done = True
        self.result, self.error = result, error
        if self.on_done is not None:
            self.on_done(self)
