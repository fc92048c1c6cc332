"""What is written once for several event loops needs of them: the time, an event, and waiting for it; no more."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Event", "EventLoop", "Notifier"]


class Event(Protocol):
    """An event, as asyncio and trio have it."""

    def is_set(self) -> bool:
        """Tell whether it has happened."""
        ...

    def set(self) -> object:
        """Let it happen, and wake who waits."""
        ...


class EventLoop(Protocol):
    """An event loop's library, as a transport gives it."""

    def now(self) -> float:
        """Give the loop's time, in seconds."""
        ...

    def event(self) -> Event:
        """Make an event that has not happened."""
        ...

    async def wait(self, event: Event, until: float | None) -> None:
        """Wait until `event` has happened, or until a time of `now`; None: for ever."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; also for 0 seconds others get their turn."""
        ...

    def cancelled(self) -> bool:
        """Tell whether the running task is cancelled, or there is none any more, because the loop has ended."""
        ...


class Notifier:
    """Something has changed: whoever waits looks again, however many they are."""

    def __init__(self, waiting: EventLoop) -> None:
        self._waiting = waiting
        self._event = waiting.event()

    def tell(self) -> None:
        """Wake all who wait now. Who has not begun to wait has yet to look."""
        self._event.set()

    async def wait(self, until: float | None = None) -> None:
        """Wait for the next news, or until a time. To be called at once after looking, with no wait in between."""
        if self._event.is_set():
            self._event = self._waiting.event()
        await self._waiting.wait(self._event, until)
