"""A bounded queue of messages for one connection, and the task that sends them, started on demand.

Others' messages are queued without waiting. A slow receiver fills only its own queue; the policy decides what happens
then.
"""

from __future__ import annotations

import contextvars
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Literal

import anyio
import anyio.abc

from wscore import CloseCode, PreparedMessage
from wscore._logs import logger

from ._disconnect import WebSocketDisconnect
from ._websocket import WebSocket

__all__ = ["Outbox", "SlowPolicy", "payload_size"]

log = logger("wscore.app")

SlowPolicy = Literal["skip", "close"]
"""What to do with a receiver whose queue is full: skip the message, or close with 1013 (try again later)."""


class Outbox:
    """The queue of one connection. Nothing is sent before `opened` is set, which means accepted.

    Its tasks run in `tasks`, started lazily: messages for most members never wait, and an idle task costs kilobytes.
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
        # wscore's transports take a broadcast message directly, without a task that sends it (docs/reference/api.md).
        self._send_nowait = websocket._send_nowait  # pyright: ignore[reportPrivateUsage]
        self._opened = opened
        self._tasks = tasks
        self._context = contextvars.copy_context()  # the member's, not the first sender's
        self._max_count = max_count
        self._max_size = max_size
        self._slow = slow
        self._messages: deque[tuple[dict[str, Any], int]] = deque()
        self._size = 0
        self._news: anyio.Event | None = None  # there is something to send; created by the sending task
        self._progress: anyio.Event | None = None  # something was sent; created lazily: rarely awaited
        self._too_slow = False
        self._sends = False  # the sending task was started
        self._closing = False  # a close is the last message in the queue
        self._gone = False

    def offer(self, message: dict[str, Any], prepared: PreparedMessage) -> bool:
        """Queue another sender's message; if the queue is full, apply the policy.

        Args:
            message: The ASGI message to queue.
            prepared: The same message, for a transport that takes it directly. Tried first if nothing is queued.

        Returns:
            Whether the message was taken.
        """
        if self._gone or self._closing or self._too_slow:
            return False
        if self._send_nowait is not None and not self._messages and self._send_nowait(prepared):
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
        """Queue the connection's own message; waits while the queue is full.

        Raises:
            WebSocketDisconnect: The connection is gone or being closed. A task that only sends must learn of it.
        """
        while self._full and not self._gone:
            await self._progressed()
        if self._closing:
            await self.flush()  # so that the connection has ended when this raises
        if self._gone or self._closing:
            raise WebSocketDisconnect(self._websocket.close_code, self._websocket.close_reason)
        self._put(message, size)

    def close(self, code: int, reason: str) -> None:
        """Queue a close as the last message, even if the queue is full. Idempotent."""
        if not self._closing:
            self._put({"type": "websocket.close", "code": code, "reason": reason}, 0)
            self._closing = True

    async def flush(self) -> None:
        """Wait until everything was sent or the connection is gone. Returns at once if it was never accepted."""
        while self._messages and self._opened.is_set() and not self._gone:
            await self._progressed()

    def end(self) -> None:
        """Discard the queue and send nothing more: the connection is gone, or is no longer a member."""
        self._gone = True
        self._messages.clear()
        self._size = 0
        self._tell_progress()

    async def _send_all(self) -> None:
        """Send queued messages until the connection is gone."""
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
            pass  # the handler learns of it from its own receive
        finally:
            self.end()

    async def _close_too_slow(self) -> None:
        """Close the connection whose queue was full."""
        log.warning("client %s reads too slowly and is closed", self._websocket.client)
        with suppress(WebSocketDisconnect):
            await self._websocket.close(CloseCode.TRY_AGAIN_LATER, "reads too slowly")

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
    """Return the size of a message's payload in bytes.

    Raises:
        TypeError: `data` is neither str nor bytes.
        UnicodeEncodeError: The text contains surrogates.
    """
    if isinstance(data, bytes):
        return len(data)
    if not isinstance(data, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers may not be typed
        raise TypeError(f"expected str or bytes to send, not {type(data).__name__}")
    return len(data) if data.isascii() else len(data.encode())
