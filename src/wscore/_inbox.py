"""Messages for the application: bounded in bytes and in count, one disconnect and that last."""

from __future__ import annotations

from collections import deque
from typing import Final

from ._asgi import ReceivedMessage

__all__ = ["Inbox", "payload_size"]


def payload_size(payload: str | bytes) -> int:
    """Count a message's bytes, as they are on the wire before masking and compression."""
    return len(payload) if isinstance(payload, bytes) or payload.isascii() else len(payload.encode())


# Of every connection to which nothing was sent yet: an empty deque takes 760 bytes. It cannot hold anything.
_NONE_YET: Final[deque[str | bytes]] = deque(maxlen=0)


class Inbox:
    """A queue that says when it is full, and when it has emptied enough for reading to go on.

    The caller stops putting when `full`; one message may overshoot the limit in bytes, or a message larger than it
    could never arrive. `roomy` comes back only at half the limits, as pausing and resuming a socket for every message
    takes uvicorn a fifth of its time.
    """

    __slots__ = ("_connect", "_disconnect", "_max_count", "_max_size", "_messages", "_size", "full")

    full: bool
    """No further message should be put. An attribute, as it is asked for before each message."""

    def __init__(self, max_count: int, max_size: int) -> None:
        self._messages: deque[str | bytes] = _NONE_YET
        self._size = 0
        self._max_count = max_count
        self._max_size = max_size
        self._connect: ReceivedMessage | None = None
        self._disconnect: ReceivedMessage | None = None
        self.full = False

    def put(self, messages: list[str | bytes], size: int) -> None:
        """Queue messages of the peer's, whose payloads take `size` bytes together."""
        if self._messages is _NONE_YET:
            self._messages = deque()
        self._messages.extend(messages)
        self._size += size
        self.full = len(self._messages) >= self._max_count or self._size >= self._max_size

    def put_connect(self, message: ReceivedMessage) -> None:
        """Queue the first message: an application may never ask for it, and it holds up nothing."""
        self._connect = message

    def put_disconnect(self, message: ReceivedMessage) -> None:
        """Queue the last message; it stays behind whatever is still put before it is taken."""
        assert self._disconnect is None  # QUEUE_DISCONNECT comes once on any path: a theorem on the table
        self._disconnect = message

    def take_payload(self) -> str | bytes | None:
        """Give the next message of the peer's as it is, or None."""
        if not self._messages:
            return None
        payload = self._messages.popleft()
        self._size -= payload_size(payload)
        if self.full:
            self.full = len(self._messages) >= self._max_count or self._size >= self._max_size
        return payload

    def take(self) -> ReceivedMessage | None:
        """Give the next message, or None."""
        if self._connect is not None:
            first, self._connect = self._connect, None
            return first
        payload = self.take_payload()
        if payload is not None:
            if isinstance(payload, str):
                return {"type": "websocket.receive", "text": payload}
            return {"type": "websocket.receive", "bytes": payload}
        last, self._disconnect = self._disconnect, None
        return last

    def drop_messages(self) -> None:
        """Forget all messages but the disconnect."""
        self._connect = None
        self._messages.clear()
        self._size = 0
        self.full = False

    @property
    def room(self) -> tuple[int, int]:
        """How many more messages should be put, and bytes; the last of them may exceed those."""
        return self._max_count - len(self._messages), self._max_size - self._size

    @property
    def holds_messages(self) -> bool:
        """What the peer sent waits."""
        return bool(self._messages)

    def __bool__(self) -> bool:
        """Tell whether `take` would give a message."""
        return bool(self._messages) or self._connect is not None or self._disconnect is not None

    @property
    def size(self) -> int:
        """Bytes of payload held."""
        return self._size

    @property
    def roomy(self) -> bool:
        """At most half full, in count and in bytes."""
        return len(self._messages) * 2 <= self._max_count and self._size * 2 <= self._max_size
