"""Delays between attempts to connect: exponential backoff with jitter."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Backoff"]


class Backoff:
    """Computes the delays between attempts: they start at `initial` and double each time, up to `maximum`.

    Each is shortened at random by up to half, so a thousand clients of a server that went down do not all come back at
    once.
    """

    def __init__(self, random: Callable[[], float], *, initial: float = 1.0, maximum: float = 60.0) -> None:
        """Start with no failed attempts.

        Args:
            random: Returns random numbers from 0 to 1, as `random.random` does.
            initial: The first delay, in seconds.
            maximum: The longest delay, in seconds.

        Raises:
            ValueError: Not 0 < `initial` <= `maximum`.
        """
        if not 0 < initial <= maximum:
            raise ValueError(f"Backoff(initial={initial}, maximum={maximum}): expected 0 < initial <= maximum")
        self._random = random
        self._initial = initial
        self._maximum = maximum
        self._attempts = 0

    def after_failure(self) -> float:
        """Return how many seconds to wait after a failed attempt."""
        longest = min(self._maximum, self._initial * 2.0 ** min(self._attempts, 64))
        self._attempts += 1
        return longest * (1 - self._random() / 2)

    def after_connection(self, lasted: float) -> float:
        """Return how many seconds to wait after a connection has ended.

        Args:
            lasted: How long the connection was open, in seconds.

        Returns:
            0 after a real connection. One shorter than `initial` counts as a failure: `websockets` reconnects without a
            pause to a server that accepts every client and then fails.
        """
        if lasted < self._initial:
            return self.after_failure()
        self._attempts = 0
        return 0.0
