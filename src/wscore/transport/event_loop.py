"""What code shared by several event loops needs of them: the time, events, and waiting."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Event", "EventLoop", "Notifier"]


class Event(Protocol):
    """An event, as in asyncio and trio."""

    def is_set(self) -> bool:
        """Return whether it is set."""
        ...

    def set(self) -> object:
        """Set it, and wake the waiting tasks."""
        ...


class EventLoop(Protocol):
    """An event loop's library, as a transport provides it."""

    def now(self) -> float:
        """Return the event loop's time, in seconds."""
        ...

    def event(self) -> Event:
        """Create an event that is not set."""
        ...

    async def wait(self, event: Event, until: float | None) -> None:
        """Wait until `event` is set, or until the time `until` (as `now`); None: no limit."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Sleep; 0 seconds yields to the event loop."""
        ...

    def cancelled(self) -> bool:
        """Return whether the running task is cancelled, or none is running because the event loop has ended."""
        ...


class Notifier:
    """Notifies any number of waiting tasks that something has changed."""

    def __init__(self, event_loop: EventLoop) -> None:
        self._event_loop = event_loop
        self._event = event_loop.event()

    def tell(self) -> None:
        """Wake the tasks waiting now. Tasks that start to wait later are not affected."""
        self._event.set()

    async def wait(self, until: float | None = None) -> None:
        """Wait for the next `tell`, or until the time `until`.

        Call it directly after checking the condition, without awaiting anything in between.
        """
        if self._event.is_set():
            self._event = self._event_loop.event()
        await self._event_loop.wait(self._event, until)
