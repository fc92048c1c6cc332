"""How asyncio waits: what is written once for several event loops is given this."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

__all__ = ["Loop"]


class Loop:
    """The running loop."""

    event = asyncio.Event

    def now(self) -> float:
        """Give the loop's time."""
        return asyncio.get_running_loop().time()

    async def wait(self, event: Any, until: float | None) -> None:
        """Wait until `event` is set, or until a time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await event.wait()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    def cancelled(self) -> bool:
        """Tell whether this task was cancelled, and not merely something that it awaits."""
        try:
            task = asyncio.current_task()
        except RuntimeError:  # the loop has ended, and a forgotten task is being taken apart
            return True
        return task is None or task.cancelling() > 0
