"""Messages for the application: bounded in bytes and in count, one disconnect and that last."""

from __future__ import annotations

from collections import deque

from ._asgi import ReceivedMessage

__all__ = ["Inbox"]


class Inbox:
    """A queue that says when it is full, and when it has emptied enough for reading to go on.

    The caller stops putting when `full`; one message may overshoot the limit in bytes, or a message larger than it
    could never arrive. `roomy` comes back only at half the limits, as pausing and resuming a socket for every message
    takes uvicorn a fifth of its time.
    """

    __slots__ = ("_disconnect", "_max_count", "_max_size", "_messages", "_size", "full")

    full: bool
    """No further message should be put. An attribute, as it is asked for before each message."""

    def __init__(self, max_count: int, max_size: int) -> None:
        self._messages: deque[tuple[ReceivedMessage, int]] = deque()
        self._size = 0
        self._max_count = max_count
        self._max_size = max_size
        self._disconnect: ReceivedMessage | None = None
        self.full = False

    def put(self, message: ReceivedMessage, size: int) -> None:
        """Queue a message whose payload takes `size` bytes."""
        self._messages.append((message, size))
        self._size += size
        self.full = len(self._messages) >= self._max_count or self._size >= self._max_size

    def put_disconnect(self, message: ReceivedMessage) -> None:
        """Queue the last message; it stays behind whatever is still put before it is taken."""
        assert self._disconnect is None  # QUEUE_DISCONNECT comes once on any path: a theorem on the table
        self._disconnect = message

    def take(self) -> ReceivedMessage | None:
        """Give the next message, or None."""
        if self._messages:
            message, size = self._messages.popleft()
            self._size -= size
            if self.full:
                self.full = len(self._messages) >= self._max_count or self._size >= self._max_size
            return message
        last, self._disconnect = self._disconnect, None
        return last

    def drop_messages(self) -> None:
        """Forget all messages but the disconnect."""
        self._messages.clear()
        self._size = 0
        self.full = False

    @property
    def holds_messages(self) -> bool:
        """What the peer sent waits; an application may never ask for `websocket.connect`, and that holds up nothing."""
        return bool(self._messages) and self._messages[-1][0]["type"] == "websocket.receive"

    def __bool__(self) -> bool:
        """Tell whether `take` would give a message."""
        return bool(self._messages) or self._disconnect is not None

    @property
    def size(self) -> int:
        """Bytes of payload held."""
        return self._size

    @property
    def roomy(self) -> bool:
        """At most half full, in count and in bytes."""
        return len(self._messages) * 2 <= self._max_count and self._size * 2 <= self._max_size
