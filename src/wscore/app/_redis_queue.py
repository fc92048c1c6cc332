"""The bounded queue of messages for Redis, and the counters of their fate."""

from __future__ import annotations

import dataclasses
from collections import deque

__all__ = ["RedisCounters", "RedisQueue"]


@dataclasses.dataclass(slots=True)
class RedisCounters:
    """Counts of messages in this process, since the backplane was created."""

    published: int = 0
    """Accepted by Redis."""
    dropped: int = 0
    """Not published: the queue was full, Redis refused them, or the backplane was not running."""
    unconfirmed: int = 0
    """Sent, but the connection was lost before the answer: they may or may not have arrived, and are not resent."""
    received: int = 0
    """Received from other processes."""
    malformed: int = 0
    """Received from elsewhere, in an unknown format."""
    losses: int = 0
    """How often the connection to Redis was lost."""


class RedisQueue:
    """An ordered queue of messages for channels. When it is full, the new message is dropped."""

    def __init__(self, counters: RedisCounters, *, max_count: int, max_size: int) -> None:
        self._counters = counters
        self._max_count = max_count
        self._max_size = max_size
        self._messages: deque[tuple[bytes, bytes]] = deque()
        self._size = 0

    def __len__(self) -> int:
        return len(self._messages)

    def put(self, channel: bytes, message: bytes) -> bool:
        """Queue a message. Return False if it was dropped."""
        if len(self._messages) >= self._max_count or self._size >= self._max_size:
            self._counters.dropped += 1
            return False
        self._messages.append((channel, message))
        self._size += len(message)
        return True

    def take(self, count: int, size: int) -> list[tuple[bytes, bytes]]:
        """Remove and return the first messages: at most `count`, stopping once they reach `size` bytes."""
        taken: list[tuple[bytes, bytes]] = []
        while self._messages and len(taken) < count and size > 0:
            taken.append(self._messages.popleft())
            size -= len(taken[-1][1])
            self._size -= len(taken[-1][1])
        return taken

    def drop(self) -> None:
        """Drop all messages, at the backplane's end."""
        self._counters.dropped += len(self._messages)
        self._messages.clear()
        self._size = 0
