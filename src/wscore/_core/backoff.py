"""How long to wait before the next attempt to connect: longer each time, and never for all clients alike."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Backoff"]


class Backoff:
    """The delays between attempts, in seconds: from `initial` on twice as long each time, at most `maximum`.

    Each is shortened by up to half of it, at random (`random` gives numbers from 0 to 1), so that a thousand clients of
    a server that went down do not all come back at once.
    """

    def __init__(self, random: Callable[[], float], *, initial: float = 1.0, maximum: float = 60.0) -> None:
        """Raises ValueError for numbers that make no sense."""
        if not 0 < initial <= maximum:
            raise ValueError(f"Backoff(first={initial}, most={maximum}): expected 0 < first <= most")
        self._random = random
        self._initial = initial
        self._maximum = maximum
        self._attempts = 0

    def after_failure(self) -> float:
        """Say how long to wait after an attempt that failed."""
        longest = min(self._maximum, self._initial * 2.0 ** min(self._attempts, 64))
        self._attempts += 1
        return longest * (1 - self._random() / 2)

    def after_connection(self, lasted: float) -> float:
        """Say how long to wait after a connection that lasted so many seconds.

        Not at all where it was a real one. One that ended at once counts as a failure: `websockets` comes back without
        a pause to a server that accepts everybody and then falls over.
        """
        if lasted < self._initial:
            return self.after_failure()
        self._attempts = 0
        return 0.0
