"""The network's time: calls that are due at a moment, made one after the other.

Calls that are due at the same moment come in an order that is drawn, as on a real machine nothing orders them; the
same seed draws the same order. What must keep an order (the bytes of a stream) has at most one call at a time.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable

__all__ = ["Call", "VirtualClock"]


class Call:
    """A call that is due; `cancel` takes it back."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[[], object]) -> None:
        self.function: Callable[[], object] | None = function

    def cancel(self) -> None:
        """Take it back. Idempotent, and harmless after the call was made."""
        self.function = None


class VirtualClock:
    """Seconds, which pass only from one call to the next."""

    def __init__(self, chance: random.Random) -> None:
        self.now = 0.0
        self.on_earlier: Callable[[], object] | None = None
        """Called where a call is due before all others."""
        self._draw = chance.random
        self._count = itertools.count()
        self._calls: list[tuple[float, float, int, Call]] = []

    def call_at(self, at: float, function: Callable[[], object]) -> Call:
        """Call `function` at the time `at`; at once, but not within this call, if that is past."""
        call = Call(function)
        now = self.now
        entry = at if at > now else now, self._draw(), next(self._count), call
        heapq.heappush(self._calls, entry)
        if self.on_earlier is not None and self._calls[0] is entry:
            self.on_earlier()
        return call

    def next_at(self) -> float | None:
        """Return when the next call is due; None: there is none."""
        calls = self._calls
        while calls and calls[0][3].function is None:
            heapq.heappop(calls)
        return calls[0][0] if calls else None

    def step(self) -> bool:
        """Advance to the next call and make it. Return False if there is none."""
        calls = self._calls
        while calls:
            at, _, _, call = heapq.heappop(calls)
            if call.function is not None:
                self.now = at
                function, call.function = call.function, None
                function()
                return True
        return False
