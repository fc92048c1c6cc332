"""Virtual time on trio: its own `MockClock`, and an end for what hangs. The interface is `virtual_asyncio`'s.

Sockets stay real, with the same condition: what is sent must be with its receiver at once, as AF_UNIX has it.

The order in which trio runs tasks that are ready at once is chance, on purpose. Here that chance is drawn from
`random`: who seeds that (hypothesis does, and chooses the seed with `random_module()`) sees the same run again.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import outcome
import trio
from trio.lowlevel import Task
from trio.testing import MockClock, wait_all_tasks_blocked

from ._hang import LIMIT, TURNS, Hang

__all__ = ["jump", "run", "settled"]

T = TypeVar("T")

_scheduler: Any = trio._core._run  # pyright: ignore[reportPrivateUsage]  # as pytest-trio does it


class _Guard(trio.abc.Instrument):
    """Gives up on a run that does not end."""

    def __init__(self) -> None:
        self.why: str | None = None
        self._scope = trio.CancelScope()
        self._turns = 0
        self._at = 0.0

    async def watch(self, main: Callable[..., Awaitable[T]], *args: Any) -> outcome.Outcome[T]:
        result: outcome.Outcome[T] = outcome.Error(Hang("it was given up before it began"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._wait_for_limit)
            with self._scope:
                result = await outcome.acapture(main, *args)
            nursery.cancel_scope.cancel()
        return result

    def before_io_wait(self, timeout: float) -> None:
        now = trio.current_time()
        self._turns = self._turns + 1 if now == self._at else 0
        self._at = now
        if self._turns > TURNS and self.why is None:
            self._give_up(f"{TURNS} turns of the loop at one moment")

    async def _wait_for_limit(self) -> None:
        await trio.sleep(LIMIT)
        self._give_up("nothing is ready, and nothing will ever be")

    def _give_up(self, why: str) -> None:
        self.why = "\n".join([why, *_where(trio.lowlevel.current_root_task())])
        self._scope.cancel()


def run(main: Callable[..., Awaitable[T]], *args: Any) -> T:
    """Run `main` to its end. Raises Hang where it can have none."""
    guard = _Guard()
    _scheduler._ALLOW_DETERMINISTIC_SCHEDULING = True
    _scheduler._r.seed(random.getrandbits(64))
    result = trio.run(guard.watch, main, *args, clock=MockClock(autojump_threshold=0), instruments=[guard])
    if guard.why is not None:
        raise Hang(guard.why)
    return result.unwrap()


async def settled() -> None:
    """Wait until nothing is ready."""
    await wait_all_tasks_blocked()


def jump(seconds: float) -> None:
    """Let time pass while nobody gets a turn, as it does for a loop that is kept busy."""
    clock = trio.lowlevel.current_clock()
    assert isinstance(clock, MockClock)
    clock.jump(seconds)


def _where(task: Task | None) -> Iterator[str]:
    if task is None:
        return
    places = [f"{at.f_code.co_name} ({at.f_code.co_filename}:{line})" for at, line in task.iter_await_frames()]
    yield f"{task.name}: {' > '.join(places)}"
    for nursery in task.child_nurseries:
        for child in nursery.child_tasks:
            yield from _where(child)
