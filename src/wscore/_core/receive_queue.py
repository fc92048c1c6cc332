"""Messages for the application: bounded in bytes and in count, with one disconnect at the end."""

from __future__ import annotations

from collections import deque
from typing import Final

from .asgi.messages import ReceivedMessage
from .outgoing import payload_size

__all__ = ["ReceiveQueue"]


# Shared by all connections that have received nothing yet: an empty deque takes 760 bytes. It cannot hold anything.
_NONE_YET: Final[deque[str | bytes]] = deque(maxlen=0)


class ReceiveQueue:
    """A queue with a high-water mark (`full`) and a low-water mark (`roomy`), at which reading resumes.

    The caller stops putting when `full`. One message may overshoot the limit in bytes, since a message larger than the
    limit could never arrive otherwise. The low-water mark is half the limits: pausing and resuming a socket for every
    message costs uvicorn a fifth of its time.
    """

    __slots__ = ("_connect", "_disconnect", "_max_count", "_max_size", "free_count", "free_size", "full", "messages")

    messages: deque[str | bytes]
    """The peer's messages, oldest first."""
    free_count: int
    """How many more messages fit."""
    free_size: int
    """How many more bytes fit; the last message may exceed them."""
    full: bool
    """No further message should be put. An attribute, like those above, because it is read for each message."""

    def __init__(self, max_count: int, max_size: int) -> None:
        self.messages = _NONE_YET
        self._max_count = self.free_count = max_count
        self._max_size = self.free_size = max_size
        self._connect: ReceivedMessage | None = None
        self._disconnect: ReceivedMessage | None = None
        self.full = False

    def put(self, messages: list[str | bytes], size: int) -> None:
        """Queue messages from the peer with `size` bytes of payload in total."""
        if self.messages is _NONE_YET:
            self.messages = deque()
        self.messages.extend(messages)
        self.free_count -= len(messages)
        self.free_size -= size
        self.full = self.free_count <= 0 or self.free_size <= 0

    def put_connect(self, message: ReceivedMessage) -> None:
        """Queue the first message. It does not count as a message: an application may never ask for it."""
        self._connect = message

    def put_disconnect(self, message: ReceivedMessage) -> None:
        """Queue the last message; it stays behind messages that are put later."""
        assert self._disconnect is None  # a property of the table: QUEUE_DISCONNECT comes once on any path
        self._disconnect = message

    def correct_disconnect(self, message: ReceivedMessage) -> None:
        """Replace the last message, if it is still queued."""
        if self._disconnect is not None:
            self._disconnect = message

    def take_payload(self) -> str | bytes | None:
        """Return the payload of the peer's next message, or None."""
        if not self.messages:
            return None
        payload = self.messages.popleft()
        self.free_count += 1
        self.free_size += payload_size(payload)
        if self.full:
            self.full = self.free_count <= 0 or self.free_size <= 0
        return payload

    def take(self) -> ReceivedMessage | None:
        """Return the next ASGI message, or None."""
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
        """Drop all messages but the disconnect."""
        self._connect = None
        self.messages.clear()
        self.free_count, self.free_size = self._max_count, self._max_size
        self.full = False

    def __bool__(self) -> bool:
        """Return whether `take` would return a message."""
        return bool(self.messages) or self._connect is not None or self._disconnect is not None

    @property
    def size(self) -> int:
        """Bytes of payload queued."""
        return self._max_size - self.free_size

    @property
    def roomy(self) -> bool:
        """Whether the queue is at most half full, in count and in bytes."""
        return self.free_count * 2 >= self._max_count and self.free_size * 2 >= self._max_size
