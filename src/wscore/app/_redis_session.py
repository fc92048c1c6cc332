"""One session with Redis, from connect to loss: two connections, one for subscriptions and one for commands.

A session never reconnects. Any failure ends it, with an exception that says why; unsent messages stay in the queue for
the next session. The only file here that imports coredis.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from contextlib import aclosing, suppress
from contextvars import ContextVar
from itertools import islice
from typing import Any, Final, cast
from urllib.parse import urlsplit

import anyio
import anyio.abc
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from coredis.connection import BaseConnection
from coredis.exceptions import ConnectionError as ConnectionLost
from coredis.exceptions import ReadOnlyError, RedisError
from coredis.pool import ConnectionPool

from wscore._logs import logger

from ._backplane import Deliver
from ._redis_message import Malformed, Names, decode, decode_name, encode_name, sent_by
from ._redis_queue import RedisCounters, RedisQueue
from ._shown import shown

__all__ = ["Session", "Target", "reason"]

log = logger("wscore.app")

_BATCH: Final = 128  # messages sent before the first answer is awaited: one round trip for all of them
_BATCH_SIZE: Final = 2**20  # and bytes; more would be in memory twice
_CHUNK: Final = 500  # names per command, and commands in a row; bounds the delay for everyone else


# coredis logs every lost connection and failed attempt. Ours are logged once, with the reason; its other users' stay.
_ours: ContextVar[bool] = ContextVar("ours", default=False)
logging.getLogger("coredis").addFilter(lambda record: not _ours.get())


class Target:
    """Where Redis is, and how to connect. Raises ValueError for an unusable URL."""

    def __init__(self, url: str, *, timeout: float, context: ssl.SSLContext | None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"redis", "rediss", "unix"}:
            raise ValueError(
                f"expected redis://HOST:PORT/DB, rediss://HOST:PORT/DB or unix:///PATH, not the scheme {parts.scheme!r}"
            )
        if parts.scheme == "unix" and not parts.path:
            raise ValueError("expected a path: unix:///PATH")
        if parts.scheme != "unix":
            if not parts.hostname:
                raise ValueError(f"expected a host: {parts.scheme}://HOST:PORT/DB")
            if parts.path.strip("/") and not parts.path.strip("/").isdecimal():
                raise ValueError(f"expected the number of a database, not {parts.path.strip('/')!r}")
        options: dict[str, Any] = {"stream_timeout": timeout, "connect_timeout": timeout, "decode_responses": False}
        if parts.scheme == "rediss":  # coredis' default does not check the certificate's name
            options["ssl_context"] = context if context is not None else ssl.create_default_context()
        # The pool only serves to parse the URL. It would keep idle connections, and replace a lost one silently; here
        # each connection has a task, which ends when the connection does.
        self._pool: ConnectionPool[Any] = ConnectionPool.from_url(url, decode_components=True, **options)
        self.timeout = timeout

    def __str__(self) -> str:
        return str(self._pool.location)

    def connection(self, budget: anyio.CapacityLimiter) -> BaseConnection:
        """Return a new connection, not yet running."""
        options = {**self._pool.connection_kwargs, "processing_budget": budget}
        connection: BaseConnection = self._pool.connection_class(self._pool.location, **options)
        return connection


class Session:
    """Two connections, the tasks that use them, and what this process has told Redis so far."""

    def __init__(
        self,
        target: Target,
        *,
        origin: str,
        names: Names,
        here: Mapping[str, Set[str]],
        queue: RedisQueue,
        counters: RedisCounters,
        expiry: float,
        deliver: Deliver,
    ) -> None:
        self.up = False
        """Whether the session is fully set up and publishes."""
        self._target = target
        self._origin = origin
        self._origin_bytes = origin.encode()
        self._names = names
        self._here = here
        self._queue = queue
        self._counters = counters
        self._expiry = expiry
        self._deliver = deliver
        self._rooms: dict[bytes, str] = {}  # by subscribed channel
        self._changed: dict[str, set[str]] = {}  # by room: ids that entered or left since Redis was last told
        self._clock = 0.0  # Redis' clock minus this process's
        self._news = anyio.Event()
        self._progress = anyio.Event()
        self._confirmed = anyio.Event()  # Redis has answered the last SUBSCRIBE to the channel of ids
        self._busy = False
        self._warned = False  # about malformed messages
        self._refused = False  # about what Redis refuses
        self.dropped_before = counters.dropped
        """The number of dropped messages when Redis last accepted a batch."""
        self._budget = anyio.CapacityLimiter(1)
        self._talking: BaseConnection
        self._listening: BaseConnection

    # -- lifecycle

    async def run(self, *, patience: float, up: Callable[[], None]) -> None:
        """Connect, call `up`, and run until a failure, which is raised in an exception group.

        Subscribes at once, but publishes nothing for `patience` seconds: after a restart of Redis the processes
        reconnect one by one, and the first would publish to no one.
        """
        async with anyio.create_task_group() as tasks:
            self._talking = await tasks.start(_run, self._target, anyio.CapacityLimiter(1))
            self._listening = await tasks.start(_run, self._target, self._budget)
            tasks.start_soon(self._listen)
            tasks.start_soon(self._hear_refusals)
            await self._subscribe_all()
            await self._announce_all()
            tasks.start_soon(self._talk)
            tasks.start_soon(self._keep_alive)
            await anyio.sleep(patience)
            self.up = True
            self.wake()
            up()

    async def flush(self) -> None:
        """Wait until Redis has accepted everything queued."""
        while self._queue or self._changed or self._busy:
            self._progress = anyio.Event()
            await self._progress.wait()

    def wake(self) -> None:
        """Call when something was queued."""
        self._news.set()

    def change(self, room: str, id: str) -> None:
        """Call when a member has entered or left a room. The next batch tells Redis the state at that time."""
        self._changed.setdefault(room, set()).add(id)
        self._news.set()

    # -- listening

    async def _subscribe_all(self) -> None:
        rooms = list(self._here)
        for start in range(0, len(rooms), _CHUNK):
            self._subscribe(rooms[start : start + _CHUNK])
        await self._confirm()

    async def _confirm(self) -> None:
        """Subscribe to the channel of ids, and wait for the answer. Idempotent, and answered every time."""
        self._confirmed = anyio.Event()
        self._listening.send_command(b"SUBSCRIBE", self._names.ids)
        with anyio.move_on_after(self._target.timeout):
            await self._confirmed.wait()
            return
        raise TimeoutError(f"no answer to SUBSCRIBE within {self._target.timeout:g} s")

    def _subscribe(self, rooms: Sequence[str]) -> None:
        channels = {self._names.channel(room): room for room in rooms}
        self._rooms.update(channels)
        self._listening.send_command(b"SUBSCRIBE", *channels)

    async def _listen(self) -> None:
        """Deliver incoming messages, with backpressure.

        coredis buffers what it has read without limit, while messages are delivered one at a time. So its reading is
        paused (it needs a token from `_budget`) until the buffer is empty; what Redis then holds for us is subject to
        Redis' own limits.
        """
        holds = False
        async with aclosing(self._listening.push_messages) as pushes:
            async for push in pushes:
                self._hear(push)
                if self._listening.reusable:  # the buffer is empty
                    if holds:
                        self._budget.release_on_behalf_of(self)
                        holds = False
                elif not holds:
                    with suppress(anyio.WouldBlock):  # it is about to read: pause after that
                        self._budget.acquire_on_behalf_of_nowait(self)
                        holds = True

    async def _hear_refusals(self) -> None:
        """Raise Redis' answer to a refused SUBSCRIBE; an accepted one is answered by a push."""
        async with aclosing(self._listening.streamed_messages) as answers:
            async for answer in answers:
                raise answer if isinstance(answer, RedisError) else RedisError(f"an answer to nothing: {answer!r:.80}")

    def _hear(self, push: list[Any]) -> None:
        kind, channel = push[0], push[1]
        if kind == b"subscribe" and channel == self._names.ids:
            self._confirmed.set()
        if kind != b"message" or sent_by(push[2], self._origin_bytes):
            return
        room = self._rooms.get(channel)
        if room is None and channel != self._names.ids:
            return  # in transit when the last member left
        try:
            envelope = decode(push[2], room)
        except Malformed as error:
            self._counters.malformed += 1
            level = logging.DEBUG if self._warned else logging.WARNING
            self._warned = True
            log.log(
                level, "a message in Redis' channel %s is none of ours: %s", shown(decode_name(channel)), shown(error)
            )
            return
        self._counters.received += 1
        self._deliver(envelope)

    # -- talking

    async def _talk(self) -> None:
        """Send Redis changes and messages: one batch per round trip, then what has accumulated meanwhile."""
        while self._talking.usable:
            told = self._tell(list(islice(self._changed, _CHUNK)))
            messages = self._queue.take(_BATCH, _BATCH_SIZE) if self.up else []
            if told or messages:
                self._busy = True
                await self._publish(messages, told)
                self.dropped_before = self._counters.dropped
                self._busy = False
                self._progress.set()
            else:
                self._progress.set()
                self._news = anyio.Event()
                await self._news.wait()

    async def _publish(self, messages: list[tuple[bytes, bytes]], told: list[Awaitable[Any]]) -> None:
        unconfirmed = len(messages)
        try:
            # All are written before the first is awaited, and answered in order: one round trip for all.
            answers = [self._ask(b"PUBLISH", *message) for message in messages]
            await self._accepted(told)
            for answer in answers:
                refused = not await self._accepted([answer])
                unconfirmed -= 1
                self._counters.dropped += refused
                self._counters.published += not refused
        finally:
            self._counters.unconfirmed += unconfirmed

    def _tell(self, rooms: Sequence[str]) -> list[Awaitable[Any]]:
        """Write the state of these rooms: subscriptions and presence. Returns the answers to await."""
        told: list[Awaitable[Any]] = []
        listen: list[str] = []
        forget: list[bytes] = []
        for room in rooms:
            changed, here = self._changed.pop(room, set[str]()), self._here.get(room, set[str]())
            channel, key = self._names.channel(room), self._names.presence(room)
            if here and channel not in self._rooms:
                listen.append(room)
            elif not here and channel in self._rooms:
                del self._rooms[channel]
                forget.append(channel)
            told += self._announce(key, [id for id in changed if id in here])
            if left := [self._entry(id) for id in changed if id not in here]:
                told.append(self._ask(b"ZREM", key, *left))
        if listen:
            self._subscribe(listen)
        if forget:
            self._listening.send_command(b"UNSUBSCRIBE", *forget)
        return told

    # -- presence: an entry for each member of each room, which expires unless renewed

    async def present(self, room: str) -> list[str]:
        """Return the ids of a room's members in the other processes; none if Redis does not answer."""
        own = f"{self._origin}:".encode()
        found: list[bytes] = await self._find(b"ZRANGEBYSCORE", room) or []
        return [decode_name(entry.partition(b":")[2]) for entry in found if not entry.startswith(own)]

    async def count(self, room: str) -> int:
        """Return the number of a room's members in the other processes; 0 if Redis does not answer."""
        own = len(self._here.get(room, ()))
        return max(0, int(await self._find(b"ZCOUNT", room) or 0) - own)

    async def _find(self, command: bytes, room: str) -> Any:
        """Query the entries of a room that have not expired."""
        try:
            self._tell([room])  # first, on the same connection, so that our own entries are current
            return await self._ask(command, self._names.presence(room), self._now(), b"+inf", raises=True)
        except (RedisError, TimeoutError) as error:
            log.debug("Redis does not say who is there: %s", reason(error))
            return None

    async def _announce_all(self) -> None:
        """Renew the entries of all members, in chunks, and remove expired ones."""
        seconds, microseconds = await self._ask(b"TIME", raises=True)
        self._clock = int(seconds) + int(microseconds) / 1e6 - anyio.current_time()
        told: list[Awaitable[Any]] = []
        for room in list(self._here):
            key = self._names.presence(room)
            told.append(self._ask(b"ZREMRANGEBYSCORE", key, b"-inf", self._now()))
            told += self._announce(key, list(self._here.get(room, ())))
            if len(told) >= _CHUNK:
                await self._accepted(told)
                told = []
        await self._accepted(told)

    def _announce(self, key: bytes, ids: Sequence[str]) -> list[Awaitable[Any]]:
        """Write members' entries, which expire unless renewed, as does the key. Returns the answers to await."""
        expiry = round(self._expiry * 1000)
        told: list[Awaitable[Any]] = []
        for start in range(0, len(ids), _CHUNK):
            chunk = ids[start : start + _CHUNK]
            entries = [part for id in chunk for part in (self._now() + expiry, self._entry(id))]
            told.append(self._ask(b"ZADD", key, *entries))
        if ids:
            told.append(self._ask(b"PEXPIRE", key, expiry))
        return told

    def _entry(self, id: str) -> bytes:
        return encode_name(f"{self._origin}:{id}")

    def _now(self) -> int:
        """Return Redis' time, which all processes share, in milliseconds."""
        return round((anyio.current_time() + self._clock) * 1000)

    async def _keep_alive(self) -> None:
        """Renew what expires, and check that both connections still work."""
        while True:
            await anyio.sleep(self._expiry / 3)
            await self._announce_all()
            await self._confirm()

    def _ask(self, command: bytes, *arguments: Any, raises: bool = False) -> Awaitable[Any]:
        """Write a command and return its answer to await. An error answer is raised if `raises`, else returned."""
        return self._talking.create_request(command, *arguments, raise_exceptions=raises)

    async def _accepted(self, answers: Sequence[Awaitable[Any]]) -> bool:
        """Wait for answers. Return False if Redis refused something: it may not store anything, or is out of memory.

        The first refusal is a warning in the log, and the session goes on. Raises what a new connection may cure.
        """
        accepted = True
        for answer in answers:
            result = await answer
            if isinstance(result, ConnectionLost | TimeoutError | ReadOnlyError):
                raise result
            if isinstance(result, RedisError):
                accepted = False
                level = logging.DEBUG if self._refused else logging.WARNING
                log.log(level, "Redis refuses something: %s", shown(result))
                self._refused = True
        return accepted


async def _run(
    target: Target, budget: anyio.CapacityLimiter, *, task_status: anyio.abc.TaskStatus[BaseConnection]
) -> None:
    """Run a connection, and report it as started once it is up. Its end is an error."""
    connection = target.connection(budget)
    _ours.set(True)
    try:
        async with anyio.create_task_group() as tasks:
            await tasks.start(connection.run)
            task_status.started(connection)
        raise ConnectionLost("the connection was lost")
    finally:
        for each in vars(connection).values():  # coredis closes them only if it has connected
            if isinstance(each, MemoryObjectReceiveStream | MemoryObjectSendStream):
                each.close()


def reason(error: BaseException) -> str:
    """Return in one line why a session ended: the first failure, in the words of the system or of Redis."""
    if isinstance(error, BaseExceptionGroup):
        return reason(cast("BaseExceptionGroup[BaseException]", error).exceptions[0])
    cause = error.__cause__
    if isinstance(cause, OSError | RedisError | BaseExceptionGroup):
        return reason(cast("BaseException", cause))
    return shown(" ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":"))
