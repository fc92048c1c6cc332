"""What waits for Redis, within limits, and what became of it: the counters."""

from __future__ import annotations

import dataclasses
from collections import deque

__all__ = ["RedisCounters", "RedisQueue"]


@dataclasses.dataclass(slots=True)
class RedisCounters:
    """Messages, as this process has seen them, since the backplane was made."""

    published: int = 0
    """Taken by Redis."""
    dropped: int = 0
    """Never sent: the queue was full, Redis refused them, or the backplane had ended."""
    unconfirmed: int = 0
    """Sent, but the connection was lost before the answer: others may have them or not, and they are not sent again."""
    received: int = 0
    """Come from other processes."""
    malformed: int = 0
    """Come from somebody else, in no form that is known here."""
    losses: int = 0
    """Times that the connection to Redis was lost."""


class RedisQueue:
    """Messages for channels, in their order. One that finds it full is dropped, and those before it stay."""

    def __init__(self, counters: RedisCounters, *, max_count: int, max_size: int) -> None:
        self._counters = counters
        self._max_count = max_count
        self._max_size = max_size
        self._messages: deque[tuple[bytes, bytes]] = deque()
        self._size = 0

    def __len__(self) -> int:
        return len(self._messages)

    def put(self, channel: bytes, message: bytes) -> bool:
        """Queue a message; False where it is dropped."""
        if len(self._messages) >= self._max_count or self._size >= self._max_size:
            self._counters.dropped += 1
            return False
        self._messages.append((channel, message))
        self._size += len(message)
        return True

    def take(self, count: int, size: int) -> list[tuple[bytes, bytes]]:
        """Take the first messages: `count` at most, and no more once they have `size` bytes."""
        taken: list[tuple[bytes, bytes]] = []
        while self._messages and len(taken) < count and size > 0:
            taken.append(self._messages.popleft())
            size -= len(taken[-1][1])
            self._size -= len(taken[-1][1])
        return taken

    def drop(self) -> None:
        """Drop what is there: nobody will send it any more."""
        self._counters.dropped += len(self._messages)
        self._messages.clear()
        self._size = 0
