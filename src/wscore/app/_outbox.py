"""Messages for one connection from others: a bounded queue, and the task that sends what is in it, once there is any.

Putting a message in never waits. A receiver that reads too slowly fills its own queue and nobody else's; what happens
then is the policy's affair.
"""

from __future__ import annotations

import contextvars
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, Literal

import anyio
import anyio.abc

from wscore import PreparedMessage
from wscore._logs import logger

from ._disconnect import WebSocketDisconnect
from ._websocket import WebSocket

__all__ = ["Outbox", "SlowPolicy", "payload_size"]

log = logger("wscore.app")

SlowPolicy = Literal["skip", "close"]
"""What happens to a receiver whose queue is full: it misses the message, or is closed with 1013 (try again later)."""

_TRY_AGAIN_LATER: Final = 1013


class Outbox:
    """The queue of one connection. `opened` is set once it was accepted; nothing is sent before.

    Its tasks run in `tasks`, begun when they are first needed: most members of most rooms never have to wait, and a
    task that waits for nothing takes some kilobytes.
    """

    def __init__(
        self,
        websocket: WebSocket,
        opened: anyio.Event,
        tasks: anyio.abc.TaskGroup,
        *,
        max_count: int,
        max_size: int,
        slow: SlowPolicy,
    ) -> None:
        self.skipped = 0
        """Messages that the receiver missed because its queue was full."""
        self._websocket = websocket
        # Our own transports take a message for many at once, without a task that sends it (docs/reference/api.md).
        self._post = websocket._send_nowait  # pyright: ignore[reportPrivateUsage]
        self._opened = opened
        self._tasks = tasks
        self._context = contextvars.copy_context()  # the member's, and not that of whoever sends to it first
        self._max_count = max_count
        self._max_size = max_size
        self._slow = slow
        self._messages: deque[tuple[dict[str, Any], int]] = deque()
        self._size = 0
        self._news: anyio.Event | None = None  # there is something to send; made by the task that sends
        self._progress: anyio.Event | None = None  # something was sent; made by who waits for that, which is seldom
        self._too_slow = False
        self._sends = False  # the task that does is there
        self._closing = False  # a close is the last message in the queue
        self._gone = False

    def offer(self, message: dict[str, Any], prepared: PreparedMessage) -> bool:
        """Take somebody else's message, or deal with a receiver that is too slow; False where it misses it.

        `prepared` is the same, for a transport that takes it at once; else, and behind what is queued, it is queued.
        """
        if self._gone or self._closing or self._too_slow:
            return False
        if self._post is not None and not self._messages and self._post(prepared):
            return True
        if not self._full:
            self._put(message, prepared.size)
            return True
        if self._slow == "close":
            self._too_slow = True
            self._begin(self._close_too_slow)
        else:
            if not self.skipped:
                log.warning("client %s reads too slowly and misses messages", self._websocket.client)
            self.skipped += 1
        return False

    async def put(self, message: dict[str, Any], size: int) -> None:
        """Queue the connection's own message behind what is there; waits while the queue is full.

        WebSocketDisconnect once the connection is gone or is being closed: a task that only sends must hear of it.
        """
        while self._full and not self._gone:
            await self._progressed()
        if self._closing:
            await self.flush()  # so that who hears of the end finds the connection at its end
        if self._gone or self._closing:
            raise WebSocketDisconnect(self._websocket.close_code, self._websocket.close_reason)
        self._put(message, size)

    def close(self, code: int, reason: str) -> None:
        """Queue a close behind what is there, however much that is; nothing is queued behind it."""
        if not self._closing:
            self._put({"type": "websocket.close", "code": code, "reason": reason}, 0)
            self._closing = True

    async def flush(self) -> None:
        """Wait until everything was sent, or the connection is gone; one that was never opened gets nothing."""
        while self._messages and self._opened.is_set() and not self._gone:
            await self._progressed()

    def end(self) -> None:
        """Send nothing any more, and forget what is queued: the connection is gone, or no member any more."""
        self._gone = True
        self._messages.clear()
        self._size = 0
        self._tell_progress()

    async def _send_all(self) -> None:
        """Send what comes, until the connection is gone."""
        try:
            await self._opened.wait()
            while True:
                while self._messages:
                    message, size = self._messages[0]
                    await self._websocket.send(message)
                    self._messages.popleft()
                    self._size -= size
                    self._tell_progress()
                self._news = anyio.Event()
                await self._news.wait()
        except WebSocketDisconnect:
            pass  # the handler hears of it from its own receive
        finally:
            self.end()

    async def _close_too_slow(self) -> None:
        """Close the connection whose queue was full."""
        log.warning("client %s reads too slowly and is closed", self._websocket.client)
        with suppress(WebSocketDisconnect):
            await self._websocket.close(_TRY_AGAIN_LATER, "reads too slowly")

    async def _progressed(self) -> None:
        if self._progress is None:
            self._progress = anyio.Event()
        await self._progress.wait()

    def _tell_progress(self) -> None:
        if self._progress is not None:
            self._progress.set()
            self._progress = None

    @property
    def _full(self) -> bool:
        return len(self._messages) >= self._max_count or self._size >= self._max_size

    def _put(self, message: dict[str, Any], size: int) -> None:
        if not self._gone:
            self._messages.append((message, size))
            self._size += size
            if self._news is not None:
                self._news.set()
            elif not self._sends:
                self._sends = True
                self._begin(self._send_all)

    def _begin(self, task: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._context.run(self._tasks.start_soon, task)


def payload_size(data: str | bytes) -> int:
    """Count the bytes of a message's payload. TypeError and UnicodeEncodeError for what cannot be sent."""
    if isinstance(data, bytes):
        return len(data)
    if not isinstance(data, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers may not be typed
        raise TypeError(f"expected str or bytes to send, not {type(data).__name__}")
    return len(data) if data.isascii() else len(data.encode())
