"""The connected members: ids, rooms and broadcast.

A broadcast never waits for its receivers: one message object goes into all their outboxes, to many of them in several
turns of the event loop. Leaving is structural: membership lasts exactly as long as the `async with` block that created
it, however that ends.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import AsyncGenerator, Callable, Collection, Iterable
from contextlib import asynccontextmanager, nullcontext
from typing import Any, TypeVar

import anyio
import anyio.from_thread
import anyio.lowlevel

from wscore import CloseCode, PreparedMessage
from wscore._logs import logger

from ._backplane import Backplane, Envelope
from ._deliveries import Deliveries, Receiver
from ._outbox import Outbox, SlowPolicy, payload_size
from ._shown import shown
from ._websocket import WebSocket

__all__ = ["Member", "Registry"]

log = logger("wscore.app")

T = TypeVar("T")


class Member:
    """A connection in a registry, created by `Registry.join`."""

    def __init__(self, registry: Registry, websocket: WebSocket, id: str, outbox: Outbox) -> None:
        self.id = id
        self.websocket = websocket
        self.rooms: set[str] = set()
        self.outbox = outbox
        self._registry = registry

    def enter(self, room: str) -> None:
        """Enter a room. Idempotent."""
        self._registry.enter(self, room)

    def leave(self, room: str) -> None:
        """Leave a room. Idempotent."""
        self._registry.leave(self, room)

    async def send(self, data: str | bytes) -> None:
        """Send to this member, behind what is already queued; waits while its queue is full.

        Raises:
            WebSocketDisconnect: The connection is gone or being closed.
            TypeError: `data` is neither str nor bytes.
        """
        size = payload_size(data)
        self._registry.settle(self)
        await self.outbox.put(_message(data), size)

    def close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Leave the registry, and close the connection behind what is already queued. Idempotent.

        The connection's handler sees this like any other disconnect.

        Args:
            code: The close code (RFC 6455 7.4).
            reason: At most 123 bytes of UTF-8 (RFC 6455 5.5).
        """
        self._registry.close(self, code, reason)


class Registry:
    """The members of one application in this process, and the link to those in others.

    All methods may be called on the event loop and, except the `async` ones, from any thread.
    """

    def __init__(
        self,
        *,
        backplane: Backplane | None = None,
        max_queue: int = 256,
        max_queue_size: int = 2**20,
        slow: SlowPolicy = "skip",
    ) -> None:
        """Create an empty registry.

        Args:
            backplane: The link to other processes; without one the registry covers this process alone.
            max_queue: Messages that may wait for each member.
            max_queue_size: Bytes that may wait for each member.
            slow: What to do with a member whose queue is full: "skip" the message, or "close" with 1013.

        Raises:
            ValueError: A limit is below 1.
        """
        if max_queue < 1 or max_queue_size < 1:
            raise ValueError("Registry: max_queue and max_queue_size must be 1 or more")
        self.max_queue = max_queue
        self.max_queue_size = max_queue_size
        self.slow: SlowPolicy = slow
        self._members: dict[str, Member] = {}
        self._rooms: dict[str, dict[str, Member]] = {}
        self._deliveries = Deliveries(max_count=max_queue, max_size=max_queue_size)
        self._backplane = backplane
        self._loop: tuple[int, Any] | None = None  # the event loop's thread, and the token to enter it from others

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Run the backplane within the block. `App` does this in its lifespan."""
        self._remember_loop()
        async with nullcontext() if self._backplane is None else self._backplane.running(self._deliver):
            yield

    @asynccontextmanager
    async def join(
        self,
        websocket: WebSocket,
        *,
        id: str | None = None,
        rooms: Iterable[str] = (),
        opened: anyio.Event | None = None,
    ) -> AsyncGenerator[Member]:
        """Make the connection a member within the block. If the block succeeds, what is queued is still sent.

        Args:
            websocket: The connection.
            id: By default a new UUID.
            rooms: Rooms to enter.
            opened: Set once the connection was accepted; nothing is sent before. None if it already was.

        Raises:
            ValueError: The id is taken.
        """
        if opened is None:
            opened = anyio.Event()
            opened.set()
        self._remember_loop()
        failure: Exception | None = None
        async with anyio.create_task_group() as tasks:
            limits = {"max_count": self.max_queue, "max_size": self.max_queue_size}
            outbox = Outbox(websocket, opened, tasks, **limits, slow=self.slow)
            member = Member(self, websocket, uuid.uuid4().hex if id is None else id, outbox)
            try:
                self._add(member)
                try:
                    for room in rooms:
                        self.enter(member, room)
                    yield member
                finally:
                    self._remove(member)
                await outbox.flush()
            except Exception as error:  # kept out of the task group, which would wrap it in an exception group
                failure = error
            finally:
                outbox.end()
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure

    def send_to(self, id: str, data: str | bytes) -> None:
        """Send to the member with this id, in whichever process it is. An unknown id is no error.

        Raises:
            TypeError: `data` is neither str nor bytes.
        """
        self._publish(Envelope(data, None, id, frozenset()))

    def broadcast(self, room: str, data: str | bytes, *, exclude: Collection[str] = ()) -> None:
        """Send to all members of a room, in all processes.

        Args:
            room: The room's name; one without members is no error.
            data: A str is sent as text, bytes as binary.
            exclude: Ids of members that do not get the message.

        Raises:
            TypeError: `data` is neither str nor bytes.
        """
        self._publish(Envelope(data, room, None, frozenset(exclude)))

    def enter(self, member: Member, room: str) -> None:
        """Make a member enter a room. Idempotent."""
        self.on_loop(self._enter, member, room)

    def leave(self, member: Member, room: str) -> None:
        """Make a member leave a room. Idempotent."""
        self.on_loop(self._leave, member, room)

    def close(self, member: Member, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Remove a member, and close its connection behind what is already queued. Idempotent."""
        self.on_loop(self._close, member, code, reason)

    def settle(self, member: Member) -> None:
        """Hand over the broadcasts that have not reached this member yet."""
        self._deliveries.settle(member)

    def on_loop(self, function: Callable[..., T], *args: Any) -> T:
        """Call `function` on the event loop, directly or from another thread, and return its result.

        Raises:
            anyio.RunFinishedError: Called from another thread after the event loop has ended.
        """
        if self._loop is None or self._loop[0] == threading.get_ident():
            return function(*args)
        return anyio.from_thread.run_sync(function, *args, token=self._loop[1])

    async def present(self, room: str) -> list[str]:
        """Return the ids of a room's members in all processes; only this one's while the others are unreachable."""
        elsewhere = [] if self._backplane is None else await self._backplane.present(room)
        return self.ids(room) + elsewhere

    async def count(self, room: str) -> int:
        """Return the number of a room's members in all processes; only this one's while the others are unreachable."""
        elsewhere = 0 if self._backplane is None else await self._backplane.count(room)
        return len(self._rooms.get(room, ())) + elsewhere

    def get(self, id: str) -> Member | None:
        """Return the member with this id, or None if it is not in this process."""
        return self._members.get(id)

    def ids(self, room: str | None = None) -> list[str]:
        """Return the ids of this process's members, all of them or those of one room."""
        return list(self._members if room is None else self._rooms.get(room, ()))

    def rooms(self) -> list[str]:
        """Return the rooms that have members in this process."""
        return list(self._rooms)

    def __len__(self) -> int:
        """Return the number of members in this process."""
        return len(self._members)

    def _publish(self, envelope: Envelope) -> None:
        payload_size(envelope.data)  # invalid data fails here, at the sender, not at a receiver
        try:
            self.on_loop(self._send, envelope)
        except anyio.RunFinishedError:
            log.debug("the event loop has ended, and with it every connection: nothing is sent")

    # -- on the event loop

    def _send(self, envelope: Envelope) -> None:
        """Queue a message for this process's members, and publish it to the other processes.

        An id belongs to one member: if it is here, it is not published.
        """
        here = self._deliver(envelope)
        if self._backplane is not None and (envelope.room is not None or not here):
            self._backplane.publish(envelope)
        elif not here and envelope.id is not None:
            log.debug("no member has the id %s", shown(envelope.id))

    def _deliver(self, envelope: Envelope) -> bool:
        """Queue a message for this process's members. Return False if it is for none of them."""
        if envelope.room is None:
            assert envelope.id is not None
            member = self._members.get(envelope.id)
            if member is None:
                return False
            self.settle(member)
            member.outbox.offer(_message(envelope.data), PreparedMessage(envelope.data))
            return True
        members: dict[str, Receiver] = dict(self._rooms.get(envelope.room, {}))
        for each in envelope.exclude:
            members.pop(each, None)
        if members:
            self._deliveries.deliver(members, _message(envelope.data), PreparedMessage(envelope.data), self._call_soon)
        return bool(members)

    def _call_soon(self, function: Callable[[], object]) -> None:
        """Call `function` in the event loop's next turn."""
        assert self._loop is not None  # there are members
        token = self._loop[1].native_token  # asyncio's loop, or trio's token: anyio itself has no such call
        if (run_sync_soon := getattr(token, "run_sync_soon", None)) is not None:
            run_sync_soon(function)
        else:
            # In a task, as outside of one anyio may not know its loop, and then it starts no task for an outbox. Not
            # made before the next turn, since a loop with eager tasks would run it in this one.
            token.call_soon(lambda: token.create_task(_call(function)))

    def _add(self, member: Member) -> None:
        if member.id in self._members:
            raise ValueError(f"member id {member.id!r} is taken")
        self._members[member.id] = member

    def _enter(self, member: Member, room: str) -> None:
        if self._members.get(member.id) is not member or room in member.rooms:
            return
        member.rooms.add(room)
        self._rooms.setdefault(room, {})[member.id] = member
        if self._backplane is not None:
            self._backplane.entered(room, member.id)

    def _leave(self, member: Member, room: str) -> None:
        if room not in member.rooms:
            return
        member.rooms.discard(room)
        del self._rooms[room][member.id]
        if not self._rooms[room]:
            del self._rooms[room]
        if self._backplane is not None:
            self._backplane.left(room, member.id)

    def _close(self, member: Member, code: int, reason: str) -> None:
        self._remove(member)
        member.outbox.close(code, reason)

    def _remove(self, member: Member) -> None:
        self.settle(member)
        for room in list(member.rooms):
            self._leave(member, room)
        if self._members.get(member.id) is member:
            del self._members[member.id]

    def _remember_loop(self) -> None:
        if not self._members:
            self._loop = (threading.get_ident(), anyio.lowlevel.current_token())


async def _call(function: Callable[[], object]) -> None:
    function()


def _message(data: str | bytes) -> dict[str, Any]:
    """Make the ASGI message, once for all receivers."""
    return {"type": "websocket.send", "text" if isinstance(data, str) else "bytes": data}
