"""A reusable future whose waiter resumes immediately when it is woken.

An asyncio future schedules the waiting task with the event loop. For a message that was just read, that costs a handle,
another iteration of the loop and another poll of all sockets: together more than everything else this package does with
the message. `Wakeup` implements the same protocol, but `wake` runs the task's step itself, as the loop would.

That is only allowed while no other task is in the middle of a step, that is, in a callback of the event loop. Anywhere
else `wake` schedules the step, as a future does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextvars import Context
from typing import Any

__all__ = ["Wakeup"]


class Wakeup:
    """Something tasks can wait for repeatedly: `await wakeup.wait()`. Several tasks may wait concurrently.

    A task recognizes a future by `_asyncio_future_blocking` (the protocol of asyncio's own futures, open to third
    parties). It passes its wake-up callback to `add_done_callback`, and calls `result` when it resumes. Cancelling the
    task ends only its wait; nothing that it waited for is lost.

    One task occupies this object from the start of its wait until it has resumed, woken or cancelled, because the
    outcome of its wait is stored here. A task that starts to wait in the meantime gets a `Wakeup` from `_beside`.
    """

    __slots__ = ("_asyncio_future_blocking", "_beside", "_cancelled", "_context", "_loop", "_resume", "_taken")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._asyncio_future_blocking = False
        self._loop = loop
        self._taken = False  # by a task that has not resumed yet
        self._resume: Callable[[Wakeup], object] | None = None  # runs the next step of the waiting task
        self._context: Context | None = None
        self._cancelled: asyncio.CancelledError | None = None
        self._beside: dict[Wakeup, None] | None = None  # of further waiting tasks, in order; created lazily: rare

    @property
    def awaited(self) -> bool:
        """Whether a task is waiting that has not been woken."""
        return self._resume is not None

    def wait(self) -> Awaitable[None]:
        """Return an awaitable that ends with the next `wake`. Await it immediately."""
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
        """Resume all waiting tasks: immediately, or soon if called from within a task. Idempotent."""
        resume = self._resume
        if resume is not None:
            self._resume = None
            if asyncio.current_task(self._loop) is None:
                assert self._context is not None  # set together with `_resume`
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

    # -- the future protocol, called by the task

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the event loop."""
        return self._loop

    def done(self) -> bool:
        """Return whether the task has been woken. anyio calls this to find tasks that wait."""
        return self._resume is None

    def add_done_callback(self, callback: Callable[[Wakeup], object], *, context: Context) -> None:
        """Store the callback that wakes the task."""
        self._resume = callback
        self._context = context

    def cancel(self, msg: Any = None) -> bool:
        """End the wait. Return False if the task was already woken: it is then cancelled when it resumes."""
        resume = self._resume
        if resume is None:
            return False
        self._resume = None
        self._cancelled = asyncio.CancelledError() if msg is None else asyncio.CancelledError(msg)
        self._loop.call_soon(resume, self, context=self._context)
        return True

    def result(self) -> None:
        """End the task's wait. Raises CancelledError if it was cancelled."""
        self._taken = False
        if self._cancelled is not None:
            cancelled, self._cancelled = self._cancelled, None
            try:
                raise cancelled
            finally:
                del cancelled  # its traceback refers to this frame: a reference cycle for every poll that timed out
