"""Who is connected: ids, rooms and broadcast.

A message to others never waits for them: it is put into their outboxes, as one object for all of them. Leaving is
structural: a member is there for exactly as long as the `async with` block that made it, whatever ends that.
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
from ._outbox import Outbox, SlowPolicy, payload_size
from ._shown import shown
from ._websocket import WebSocket

__all__ = ["Member", "Registry"]

log = logger("wscore.app")

T = TypeVar("T")


class Member:
    """A connection in a registry."""

    def __init__(self, registry: Registry, websocket: WebSocket, id: str, outbox: Outbox) -> None:
        self.id = id
        self.websocket = websocket
        self.rooms: set[str] = set()
        self.outbox = outbox
        self._registry = registry

    def enter(self, room: str) -> None:
        """Enter a room; a second time is nothing new."""
        self._registry.enter(self, room)

    def leave(self, room: str) -> None:
        """Leave a room; one that it is not in is nothing new."""
        self._registry.leave(self, room)

    async def send(self, data: str | bytes) -> None:
        """Send to this member itself, behind what is queued for it already; waits while its queue is full.

        WebSocketDisconnect once its connection is gone.
        """
        await self.outbox.put(_message(data), payload_size(data))

    def close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Leave the registry, and close the connection behind what is queued for it already; a second time is nothing.

        The handler that serves it hears of it as of any other end.
        """
        self._registry.close(self, code, reason)


class Registry:
    """The members of one application, in this process, and the way to those in others.

    All methods may be called from the event loop and, except those that are `async`, from any thread.
    """

    def __init__(
        self,
        *,
        backplane: Backplane | None = None,
        max_queue: int = 256,
        max_queue_size: int = 2**20,
        slow: SlowPolicy = "skip",
    ) -> None:
        """Make an empty registry. `max_queue` messages, or `max_queue_size` bytes, may wait for each member.

        Without a backplane there is this process alone.
        """
        if max_queue < 1 or max_queue_size < 1:
            raise ValueError("Registry: max_queue and max_queue_size must be 1 or more")
        self.max_queue = max_queue
        self.max_queue_size = max_queue_size
        self.slow: SlowPolicy = slow
        self._members: dict[str, Member] = {}
        self._rooms: dict[str, dict[str, Member]] = {}
        self._backplane = backplane
        self._loop: tuple[int, Any] | None = None  # the thread of the event loop, and the way into it from others

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Run the backplane; an application does this for its lifespan."""
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
        """Be a member for as long as the block lasts; what is queued when it ends without an error is still sent.

        `id` is a new UUID unless one is given; one that is taken raises ValueError. `opened` is set once the
        connection was accepted, which it is already where there is none: nothing is sent to it before.
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
            except Exception as error:  # kept out of the task group, which would make a group of it
                failure = error
            finally:
                outbox.end()
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure

    def send_to(self, id: str, data: str | bytes) -> None:
        """Send to the member with this id, here or else wherever it is. One that nobody knows is no error."""
        self._publish(Envelope(data, None, id, frozenset()))

    def broadcast(self, room: str, data: str | bytes, *, exclude: Collection[str] = ()) -> None:
        """Send to all members of a room, wherever they are, but those whose ids are in `exclude`."""
        self._publish(Envelope(data, room, None, frozenset(exclude)))

    def enter(self, member: Member, room: str) -> None:
        """Let a member enter a room."""
        self.on_loop(self._enter, member, room)

    def leave(self, member: Member, room: str) -> None:
        """Let a member leave a room."""
        self.on_loop(self._leave, member, room)

    def close(self, member: Member, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Let a member leave, and close its connection behind what is queued for it."""
        self.on_loop(self._close, member, code, reason)

    def on_loop(self, function: Callable[..., T], *args: Any) -> T:
        """Call `function` on the event loop: at once from there, and from another thread through it."""
        if self._loop is None or self._loop[0] == threading.get_ident():
            return function(*args)
        return anyio.from_thread.run_sync(function, *args, token=self._loop[1])

    async def present(self, room: str) -> list[str]:
        """Give the ids of the members of a room, in all processes; those in this one alone while others are cut off."""
        elsewhere = [] if self._backplane is None else await self._backplane.present(room)
        return self.ids(room) + elsewhere

    async def count(self, room: str) -> int:
        """Count the members of a room, in all processes; those in this one alone while others are cut off."""
        elsewhere = 0 if self._backplane is None else await self._backplane.count(room)
        return len(self._rooms.get(room, ())) + elsewhere

    def get(self, id: str) -> Member | None:
        """Give the member with this id, if it is in this process."""
        return self._members.get(id)

    def ids(self, room: str | None = None) -> list[str]:
        """Give the ids of the members in this process, of all or of one room."""
        return list(self._members if room is None else self._rooms.get(room, ()))

    def rooms(self) -> list[str]:
        """Give the rooms that have members in this process."""
        return list(self._rooms)

    def __len__(self) -> int:
        """Count the members in this process."""
        return len(self._members)

    def _publish(self, envelope: Envelope) -> None:
        payload_size(envelope.data)  # what cannot be sent fails here, at the sender, and at no receiver
        try:
            self.on_loop(self._send, envelope)
        except anyio.RunFinishedError:
            log.debug("the event loop has ended, and with it every connection: nothing is sent")

    # -- on the event loop

    def _send(self, envelope: Envelope) -> None:
        """Queue a message for this process's members, and hand it on for those elsewhere.

        An id is one member's: who is here is nowhere else.
        """
        here = self._deliver(envelope)
        if self._backplane is not None and (envelope.room is not None or not here):
            self._backplane.publish(envelope)
        elif not here and envelope.id is not None:
            log.debug("no member has the id %s", shown(envelope.id))

    def _deliver(self, envelope: Envelope) -> bool:
        """Queue what is for this process's members; False where there are none."""
        if envelope.room is None:
            assert envelope.id is not None
            member = self._members.get(envelope.id)
            members = [] if member is None else [member]
        else:
            members = list(self._rooms.get(envelope.room, {}).values())
        if members:
            message, prepared = _message(envelope.data), PreparedMessage(envelope.data)
            for member in members:
                if member.id not in envelope.exclude:
                    member.outbox.offer(message, prepared)
        return bool(members)

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
        for room in list(member.rooms):
            self._leave(member, room)
        if self._members.get(member.id) is member:
            del self._members[member.id]

    def _remember_loop(self) -> None:
        if not self._members:
            self._loop = (threading.get_ident(), anyio.lowlevel.current_token())


def _message(data: str | bytes) -> dict[str, Any]:
    """Make the ASGI message, once for all who get it."""
    return {"type": "websocket.send", "text" if isinstance(data, str) else "bytes": data}
