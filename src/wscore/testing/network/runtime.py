"""Where the coroutines of a network run: on its own clock, or in an event loop."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

from .clock import VirtualClock
from .tasks import Cancelled, Scheduler, Signal, Task

__all__ = ["ClockRuntime", "Runtime", "Waiter"]


class Waiter(Protocol):
    """Something to wait for: a call wakes whoever waits at that moment."""

    def __call__(self) -> None:
        """Wake all that wait."""
        ...

    @property
    def waited(self) -> bool:
        """Whether somebody waits for the next call."""
        ...

    def wait(self) -> Awaitable[None]:
        """Wait for the next call."""
        ...


class Runtime(Protocol):
    """What a driver's end needs of it."""

    clock: VirtualClock
    chance: random.Random

    def waiter(self) -> Waiter:
        """Make something to wait for."""
        ...

    def spawn(self, function: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> Any:
        """Run a coroutine function in a task of its own."""
        ...

    def turn(self) -> Awaitable[None]:
        """Let everybody else have a turn."""
        ...

    def cancelled(self) -> type[BaseException] | None:
        """Return the exception of a cancelled task, if the running task is one."""
        ...


class ClockRuntime(Scheduler):
    """Runs coroutines in steps, between the calls of the clock: nothing else happens meanwhile."""

    def __init__(self, clock: VirtualClock, chance: random.Random) -> None:
        super().__init__(clock)
        self.chance = chance
        self.tasks: dict[Task, None] = {}
        """Those that are not done, in the order of their beginnings."""
        self.uncaught: BaseException | None = None
        """What a task has raised for which nobody waits."""

    def waiter(self) -> Signal:
        """As in `Runtime`."""
        return Signal()

    def spawn(self, function: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> Task:
        """As in `Runtime`."""
        task = Task(self, function(*args), getattr(function, "__qualname__", repr(function)))
        self.tasks[task] = None
        task.on_done = self._done
        return task

    async def turn(self) -> None:
        """As in `Runtime`."""
        turn = Signal()
        self.clock.call_at(self.clock.now, turn)
        await turn

    async def sleep(self, seconds: float) -> None:
        """Wait for so many seconds of the network's time."""
        over = Signal()
        self.clock.call_at(self.clock.now + seconds, over)
        await over

    def cancelled(self) -> type[BaseException] | None:
        """As in `Runtime`."""
        task = self.current
        return Cancelled if task is not None and task.cancelled else None

    def _done(self, task: Task) -> None:
        del self.tasks[task]
        if task.error is not None and not task.awaited and not isinstance(task.error, Cancelled):
            self.uncaught = self.uncaught or task.error
