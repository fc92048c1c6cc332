"""How trio waits: what is written once for several event loops is given this."""

from __future__ import annotations

import math
from typing import Any

import trio

__all__ = ["Loop"]


class Loop:
    """The running loop."""

    event = trio.Event

    def now(self) -> float:
        """Give the loop's time."""
        return trio.current_time()

    async def wait(self, event: Any, until: float | None) -> None:
        """Wait until `event` is set, or until a time."""
        with trio.move_on_at(math.inf if until is None else until):
            await event.wait()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await trio.sleep(seconds)

    def cancelled(self) -> bool:
        """Tell whether this task was cancelled, and not merely handed another's cancellation."""
        try:
            return trio.current_effective_deadline() == -math.inf
        except RuntimeError:  # the loop has ended, and a forgotten task is being taken apart
            return True
