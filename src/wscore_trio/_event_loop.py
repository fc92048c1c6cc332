"""trio's implementation of `wscore.transport.event_loop.EventLoop`."""

from __future__ import annotations

import math
from typing import Any

import trio

__all__ = ["Loop"]


class Loop:
    """The running trio event loop."""

    event = trio.Event

    def now(self) -> float:
        """Return trio's time, in seconds."""
        return trio.current_time()

    async def wait(self, event: Any, until: float | None) -> None:
        """Wait until `event` is set, or until the time `until`; None: no limit."""
        with trio.move_on_at(math.inf if until is None else until):
            await event.wait()

    async def sleep(self, seconds: float) -> None:
        """Sleep; 0 yields once."""
        await trio.sleep(seconds)

    def cancelled(self) -> bool:
        """Return whether the running task itself is cancelled, not merely handling a Cancelled from elsewhere."""
        try:
            return trio.current_effective_deadline() == -math.inf
        except RuntimeError:  # the loop has ended, and a leftover coroutine is being finalized
            return True
