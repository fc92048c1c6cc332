"""Virtual time on asyncio: when nothing is ready, the clock jumps to the next call that is scheduled.

Sockets stay real. Only those may be used whose bytes are with the receiver once they are sent, as AF_UNIX has it: what
is on its way somewhere else (TCP, a thread, another process) is not seen, and the clock jumps over it. uvloop keeps
its own time in C, so there is no virtual time on it.
"""

from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from ._hang import LIMIT, TURNS, Hang

__all__ = ["VirtualLoop", "jump", "run", "settled"]

T = TypeVar("T")

_START = 1000.0


class _Selector(selectors.DefaultSelector):
    """Never waits: it tells what is ready, or says that nothing is."""

    def __init__(self, polled: Callable[[], None], idle: Callable[[], None]) -> None:
        super().__init__()
        self._polled = polled
        self._idle = idle

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._polled()
        events = super().select(0)
        if not events and (timeout is None or timeout > 0):
            self._idle()
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop with a clock of its own."""

    def __init__(self) -> None:
        self._now: float = _START
        self._turns = 0
        self._settling: list[asyncio.Future[None]] = []
        super().__init__(_Selector(self._count, self._nothing_ready))

    def time(self) -> float:
        """Return the virtual time, in seconds."""
        return self._now

    def jump(self, seconds: float) -> None:
        """Let time pass while nobody gets a turn, as it does for a loop that is kept busy."""
        self._now += seconds
        self._turns = 0

    async def settled(self) -> None:
        """Wait until nothing is ready: nobody can go on before time passes or somebody sends something."""
        idle = self.create_future()
        self._settling.append(idle)
        await idle

    def _count(self) -> None:
        self._turns += 1
        if self._turns > TURNS:
            self._turns = 0
            raise Hang(f"{TURNS} turns of the loop at one moment\n{self._where()}")

    def _nothing_ready(self) -> None:
        if self._settling:
            settling, self._settling = self._settling, []
            for each in settling:
                if not each.done():
                    each.set_result(None)
            return
        scheduled = cast("list[asyncio.TimerHandle]", getattr(self, "_scheduled"))  # noqa: B009  # a heap since 3.4
        due: float = scheduled[0].when() if scheduled else math.inf
        if due > _START + LIMIT:
            raise Hang(f"nothing is ready, and nothing will ever be\n{self._where()}")
        self.jump(due - self._now)
        self._now = due  # exactly, whatever the sum was rounded to

    def _where(self) -> str:
        return "\n".join(f"{task.get_name()}: {_chain(task.get_coro())}" for task in asyncio.all_tasks(self))


def run(main: Callable[..., Awaitable[T]], *args: Any) -> T:
    """Run `main` to its end. Raises Hang where it can have none."""

    async def started() -> T:
        return await main(*args)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(started())


async def settled() -> None:
    """Wait until nothing is ready."""
    await _running().settled()


def jump(seconds: float) -> None:
    """Let time pass while nobody gets a turn."""
    _running().jump(seconds)


def _running() -> VirtualLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop


def _chain(coroutine: Any) -> str:
    """Say where a coroutine is, and where the one is that it awaits, down to the last."""
    places: list[str] = []
    while (frame := getattr(coroutine, "cr_frame", None)) is not None:
        places.append(f"{frame.f_code.co_name} ({frame.f_code.co_filename}:{frame.f_lineno})")
        coroutine = coroutine.cr_await
    return " > ".join(places)
