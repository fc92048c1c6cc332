"""asyncio's implementation of `wscore.transport.event_loop.EventLoop`."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

__all__ = ["Loop", "get_selector_loop"]


def get_selector_loop() -> asyncio.AbstractEventLoop:
    """Return the running event loop. Raises RuntimeError if it cannot watch sockets, as Windows' default one cannot."""
    loop = asyncio.get_running_loop()
    if type(loop).add_reader is asyncio.AbstractEventLoop.add_reader:
        raise RuntimeError(
            f"wscore_asyncio needs an event loop with add_reader, which {type(loop).__name__} has not; "
            "on Windows run the program with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop)"
        )
    return loop


class Loop:
    """The running event loop."""

    event = asyncio.Event

    def now(self) -> float:
        """Return the event loop's time, in seconds."""
        return asyncio.get_running_loop().time()

    async def wait(self, event: Any, until: float | None) -> None:
        """Wait until `event` is set, or until the time `until`; None: no limit."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await event.wait()

    async def sleep(self, seconds: float) -> None:
        """Sleep; 0 yields once."""
        await asyncio.sleep(seconds)

    def cancelled(self) -> bool:
        """Return whether the running task itself was cancelled, not merely something it awaits."""
        try:
            task = asyncio.current_task()
        except RuntimeError:  # the loop has ended, and a leftover coroutine is being finalized
            return True
        return task is None or task.cancelling() > 0
