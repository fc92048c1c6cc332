"""The alarms of many connections, for a transport that keeps the time for all of them in one place.

Waits for nothing and has no clock. A cancelled alarm stays in the heap until it is the first, or most of the heap is
cancelled: so cancelling costs little, and what is kept has a limit.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from typing import Any, Protocol

__all__ = ["Alarm", "Alarms", "Step", "Timed"]


class Timed(Protocol):
    """A connection, for which time passes."""

    def lost(self) -> None:
        """Close the socket."""
        ...


Step = Callable[[Any], None]
"""A method of a connection, not bound to it: that would take 64 bytes more."""


class Alarm:
    """A time, and what a connection does then."""

    __slots__ = ("at", "connection", "step")

    def __init__(self, at: float, connection: Timed, step: Step) -> None:
        self.at = at
        self.connection: Timed | None = connection
        """None once it is cancelled."""
        self.step = step

    def __lt__(self, other: Alarm) -> bool:
        return self.at < other.at


class Alarms:
    """Alarms in the order of their times."""

    def __init__(self) -> None:
        self._heap: list[Alarm] = []
        self._cancelled = 0  # since the heap was made anew: at least as many as it holds of them

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, alarm: Alarm) -> None:
        """Add a new alarm."""
        heapq.heappush(self._heap, alarm)

    def cancel(self, alarm: Alarm) -> None:
        """Forget an alarm, even one that was taken as due and has not been called yet."""
        alarm.connection = None
        self._cancelled += 1
        if self._cancelled > len(self._heap) // 2:
            self._heap = [each for each in self._heap if each.connection is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def next(self) -> float:
        """Return the time of the first alarm; infinity if there is none."""
        heap = self._heap
        while heap and heap[0].connection is None:
            heapq.heappop(heap)
        return heap[0].at if heap else math.inf

    def take_due(self, now: float) -> list[Alarm]:
        """Remove and return the alarms whose time has come; they may still be cancelled."""
        due: list[Alarm] = []
        while self.next() <= now:
            due.append(heapq.heappop(self._heap))
        return due
