"""Rooms that span processes and machines, through Redis' publish/subscribe: at-most-once, and senders never wait.

Each process subscribes to the rooms in which it has members, and to one channel for ids. Outgoing messages go into a
bounded queue, and from there to Redis in batches, one per round trip. While Redis is unreachable, members in this
process still get messages; the queue fills, and messages that find it full are dropped and counted.
"""

from __future__ import annotations

import random
import ssl as tls
import uuid
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Final

import anyio

from wscore import Backoff
from wscore._logs import logger

from ._backplane import Deliver, Envelope
from ._redis_message import Names, encode
from ._redis_queue import RedisCounters, RedisQueue

if TYPE_CHECKING:
    from ._redis_session import Session

__all__ = ["RedisBackplane"]

log = logger("wscore.app")

_FIRST_DELAY: Final = 0.1  # seconds; most losses are restarts
_LONGEST_DELAY: Final = 1.0  # seconds; a thousand processes then make a thousand attempts per second
_PATIENCE: Final = 1.5  # seconds; by then the others are back, even if their last attempt came just too early
_LAST_WORDS: Final = 1.0  # seconds to flush the queue when the application ends; mostly members leaving


class RedisBackplane:
    """The backplane of processes that share a Redis: `Registry(backplane=RedisBackplane("redis://localhost"))`.

    Needs the extra `redis` and Redis 6 or later. It must be running: `App` runs it in its lifespan, elsewhere use
    `Registry.running`. Different applications on the same Redis need different prefixes.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "wscore:",
        expiry: float = 30.0,
        timeout: float = 5.0,
        max_queue: int = 1024,
        max_queue_size: int = 2**24,
        ssl: tls.SSLContext | None = None,
    ) -> None:
        """Configure the backplane; it connects in `running`.

        Args:
            url: `redis://USER:PASSWORD@HOST:PORT/DB`, `rediss://` for TLS, or `unix:///PATH`.
            prefix: Starts the names of all channels and keys.
            expiry: Seconds after which the presence of a dead process's members expires.
            timeout: Seconds for Redis to connect, and to answer.
            max_queue: Messages that may wait for Redis.
            max_queue_size: Bytes that may wait for Redis.
            ssl: For `rediss://`. The default trusts the system's CAs and checks the certificate's name.

        Raises:
            ValueError: The URL is unusable, or a number is too small.
            ImportError: coredis is not installed.
        """
        if expiry <= 0 or timeout <= 0 or max_queue < 1 or max_queue_size < 1:
            raise ValueError(
                "RedisBackplane: expiry and timeout must be above 0, max_queue and max_queue_size 1 or more"
            )
        try:
            from ._redis_session import Target
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "coredis":
                raise
            raise ImportError(
                "RedisBackplane needs coredis, which is not installed: pip install 'wscore[redis]'"
            ) from None
        try:
            self._target = Target(url, timeout=timeout, context=ssl)
        except ValueError as error:
            raise ValueError(f"RedisBackplane: {error}") from None
        self.counters = RedisCounters()
        self._names = Names(prefix)
        self._expiry = expiry
        self._queue = RedisQueue(self.counters, max_count=max_queue, max_size=max_queue_size)
        self._here: dict[str, set[str]] = {}
        self._origin = uuid.uuid4().hex
        self._session: Session | None = None
        self._runs = False
        self._warned = False

    @property
    def connected(self) -> bool:
        """Whether other processes are currently reachable."""
        return self._session is not None and self._session.up

    # -- what a registry calls

    def running(self, deliver: Deliver) -> AbstractAsyncContextManager[object]:
        """Connect, and deliver incoming messages, until the context exits. It is entered after the first attempt.

        Raises:
            RuntimeError: It is already running: a backplane belongs to one registry.
        """
        return self._running(deliver)

    def publish(self, envelope: Envelope) -> None:
        """Queue an envelope for the other processes. Drops it if the queue is full or the backplane is not running."""
        if not self._runs:
            self.counters.dropped += 1
            self._warn("RedisBackplane does not run: what is sent reaches this process alone (does lifespan run?)")
        elif self._queue.put(self._channel(envelope), encode(envelope, self._origin)):
            if self._session is not None:
                self._session.wake()
        else:
            self._warn("the queue for Redis is full: other processes miss messages")

    def entered(self, room: str, id: str) -> None:
        """Subscribe to a room, and announce a member there."""
        self._here.setdefault(room, set()).add(id)
        if self._session is not None:
            self._session.change(room, id)

    def left(self, room: str, id: str) -> None:
        """Withdraw a member from a room, and unsubscribe if it was the last one."""
        self._here[room].discard(id)
        if not self._here[room]:
            del self._here[room]
        if self._session is not None:
            self._session.change(room, id)

    async def present(self, room: str) -> list[str]:
        """Return the ids of a room's members in the other processes; none while Redis is unreachable."""
        return await self._session.present(room) if self._session is not None and self._session.up else []

    async def count(self, room: str) -> int:
        """Return the number of a room's members in the other processes; 0 while Redis is unreachable."""
        return await self._session.count(room) if self._session is not None and self._session.up else 0

    # -- lifecycle

    @asynccontextmanager
    async def _running(self, deliver: Deliver) -> AsyncGenerator[None]:
        if self._runs:
            raise RuntimeError("this RedisBackplane runs already: each registry needs its own")
        self._runs = True
        tried = anyio.Event()
        failure: Exception | None = None
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._stay_connected, deliver, tried)
                await tried.wait()
                try:
                    yield
                except Exception as error:  # kept out of the task group, which would wrap it
                    failure = error
                with anyio.move_on_after(_LAST_WORDS):
                    if self._session is not None and self._session.up:
                        await self._session.flush()
                tasks.cancel_scope.cancel()
        finally:
            self._runs = False
            self._queue.drop()
        if failure is not None:
            raise failure

    async def _stay_connected(self, deliver: Deliver, tried: anyio.Event) -> None:
        from ._redis_session import Session, reason

        lost_at: float | None = None
        dropped = unconfirmed = 0
        backoff = _backoff()

        def up() -> None:
            nonlocal lost_at
            if lost_at is not None:
                away, lost = anyio.current_time() - lost_at, self.counters.dropped - dropped
                text = f"Redis at {self._target} is back after {away:.1f} s; {lost} messages were dropped meanwhile"
                if in_doubt := self.counters.unconfirmed - unconfirmed:
                    text += f", and {in_doubt} more may not have arrived"
                log.warning("%s", text)
            lost_at = None
            self._warned = False
            tried.set()

        while True:
            began, before = anyio.current_time(), self.counters.unconfirmed
            session = self._session = Session(
                self._target,
                origin=self._origin,
                names=self._names,
                here=self._here,
                queue=self._queue,
                counters=self.counters,
                expiry=self._expiry,
                deliver=deliver,
            )
            try:
                await session.run(patience=0 if lost_at is None else _PATIENCE, up=up)
            except* Exception as group:
                if session.up:
                    self.counters.losses += 1
                    if anyio.current_time() - began > _LONGEST_DELAY:
                        backoff = _backoff()
                if lost_at is None:
                    # Count from the last answer: a hung Redis is noticed late, when the queue has long been full.
                    lost_at, dropped, unconfirmed = anyio.current_time(), session.dropped_before, before
                    text = "Redis at %s is away, and other processes with it; trying again (%s)"
                    log.warning(text, self._target, reason(group))
            finally:
                self._session = None
            tried.set()
            await anyio.sleep(backoff.after_failure())

    def _channel(self, envelope: Envelope) -> bytes:
        return self._names.ids if envelope.room is None else self._names.channel(envelope.room)

    def _warn(self, text: str) -> None:
        """Warn once until Redis is back."""
        if not self._warned:
            log.warning(text)
        self._warned = True


def _backoff() -> Backoff:
    return Backoff(random.random, initial=_FIRST_DELAY, maximum=_LONGEST_DELAY)
