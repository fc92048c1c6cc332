"""Letting a task wait, and go on at once when it is woken.

asyncio's future asks the loop to run the waiting task later. For a message that has just been read that is a handle,
another turn of the loop and another look at all sockets, which together cost more than everything this package does
with the message. `Wakeup` does as a future does, but `wake` takes the step itself, as the loop would.

It may do so only where no other task is in the middle of a step: in a callback of the loop. Elsewhere it asks the loop,
like everybody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextvars import Context
from typing import Any

__all__ = ["Wakeup"]


class Wakeup:
    """What a task waits for, any number of times: `await wakeup.wait()`. Others may wait beside it.

    A task knows a future by `_asyncio_future_blocking` (the protocol of asyncio's own futures, which third parties may
    implement); it leaves how to wake it with `add_done_callback`, and asks for `result` when woken. Cancelling the task
    ends the waiting, and what it waited for is still there.

    One task has it until it has gone on, woken or cancelled, for what it is told then stands here; who begins to wait
    before that waits beside it.
    """

    __slots__ = ("_asyncio_future_blocking", "_beside", "_cancelled", "_context", "_loop", "_resume", "_taken")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._asyncio_future_blocking = False
        self._loop = loop
        self._taken = False  # by a task that has not gone on yet
        self._resume: Callable[[Wakeup], object] | None = None  # takes the step of the task that waits
        self._context: Context | None = None
        self._cancelled: asyncio.CancelledError | None = None
        self._beside: dict[Wakeup, None] | None = None  # of further tasks, in their order, which is seldom

    @property
    def awaited(self) -> bool:
        """A task waits, and nobody has woken it."""
        return self._resume is not None

    def wait(self) -> Awaitable[None]:
        """Wait until woken: to be awaited at once."""
        return self._wait_beside() if self._taken else self

    async def _wait_beside(self) -> None:
        if self._beside is None:
            self._beside = {}
        beside, wakeup = self._beside, Wakeup(self._loop)
        beside[wakeup] = None
        try:
            await wakeup
        finally:
            beside.pop(wakeup, None)

    def wake(self) -> None:
        """Let all who wait go on: now, or from within another task soon. A second time is nothing new."""
        resume = self._resume
        if resume is not None:
            self._resume = None
            if asyncio.current_task(self._loop) is None:
                assert self._context is not None  # it came with the way to wake the task
                self._context.run(resume, self)
            else:
                self._loop.call_soon(resume, self, context=self._context)
        if self._beside:
            for wakeup in list(self._beside):
                wakeup.wake()

    def __await__(self) -> Generator[Any, None, None]:
        """Wait, one task at a time."""
        self._asyncio_future_blocking = self._taken = True
        yield self

    # -- what the task asks of a future

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Tell whose it is."""
        return self._loop

    def done(self) -> bool:
        """Tell whether it was woken: anyio asks, looking for tasks that wait."""
        return self._resume is None

    def add_done_callback(self, callback: Callable[[Wakeup], object], *, context: Context) -> None:
        """Take note of how to wake the task."""
        self._resume = callback
        self._context = context

    def cancel(self, msg: Any = None) -> bool:
        """End the waiting; False where the task was woken already, and is to be cancelled when it goes on."""
        resume = self._resume
        if resume is None:
            return False
        self._resume = None
        self._cancelled = asyncio.CancelledError() if msg is None else asyncio.CancelledError(msg)
        self._loop.call_soon(resume, self, context=self._context)
        return True

    def result(self) -> None:
        """Say why it goes on: raises CancelledError where it was cancelled."""
        self._taken = False
        if self._cancelled is not None:
            cancelled, self._cancelled = self._cancelled, None
            try:
                raise cancelled
            finally:
                del cancelled  # whose traceback holds this frame: a circle, for every poll that was in vain
