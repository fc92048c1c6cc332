"""Messages on their way to many members, handed over a slice at a time.

Handing a message to one member takes some 10 us, since it is usually written to the socket at once. To 10,000 members
in one piece, that would hold up the event loop for 100 ms. So after `SLICE` members the rest waits for its next turn.

Each member still gets its messages in the order in which they were sent: a later message to many queues up behind an
unfinished one, and before anything else is sent to a member, `settle` hands over what it is owed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol

from wscore import PreparedMessage

from ._outbox import Outbox

__all__ = ["SLICE", "Deliveries", "Receiver"]

SLICE: Final = 128
"""Members that get a message in one turn of the event loop: 1 to 2 ms."""

CallSoon = Callable[[Callable[[], object]], object]


class Receiver(Protocol):
    """A member, as far as deliveries know it."""

    id: str
    outbox: Outbox


class _Delivery:
    """One message, and the members that have yet to get it, by id."""

    __slots__ = ("_due", "_message", "_prepared")

    def __init__(self, due: dict[str, Receiver], message: dict[str, Any], prepared: PreparedMessage) -> None:
        self._due = due
        self._message = message
        self._prepared = prepared

    @property
    def size(self) -> int:
        """Bytes of payload."""
        return self._prepared.size

    @property
    def left(self) -> int:
        """How many members have yet to get the message."""
        return len(self._due)

    def hand_over(self, count: int) -> None:
        """Hand the message to `count` more members, or to all that are left."""
        for _ in range(min(count, len(self._due))):
            self._due.popitem()[1].outbox.offer(self._message, self._prepared)

    def settle(self, member: Receiver) -> None:
        """Hand the message to this member now, if it has yet to get it."""
        if self._due.pop(member.id, None) is not None:
            member.outbox.offer(self._message, self._prepared)


class Deliveries:
    """The deliveries of a registry that are not finished, oldest first.

    They are bounded as a member's queue is, since that is where they would wait otherwise. Beyond the limits, the
    sender's turn does the work.
    """

    def __init__(self, *, max_count: int, max_size: int, slice_size: int = SLICE) -> None:
        self._slice_size = slice_size
        self._max_count = max_count
        self._max_size = max_size
        self._unfinished: deque[_Delivery] = deque()
        self._size = 0
        self._run: object | None = None  # tells a call that is still scheduled from one that has become needless

    def deliver(
        self, members: dict[str, Receiver], message: dict[str, Any], prepared: PreparedMessage, call_soon: CallSoon
    ) -> None:
        """Hand a message over: to a slice now, unless an earlier one is unfinished, and to the rest in later turns.

        Args:
            members: The receivers, by id. The dict becomes the delivery's own: copying a room's is the one step that
                touches all members at once, and making anything else of it takes 10,000 of them some milliseconds.
            message: As for `Outbox.offer`.
            prepared: As for `Outbox.offer`.
            call_soon: Calls a function in the event loop's next turn.
        """
        if self._run is None and len(members) <= self._slice_size:
            for member in members.values():
                member.outbox.offer(message, prepared)
            return
        delivery = _Delivery(members, message, prepared)
        self._unfinished.append(delivery)
        self._size += delivery.size
        if self._run is None:
            self._run = object()
            self._turn(call_soon, self._run)
        while len(self._unfinished) > self._max_count or self._size > self._max_size:
            self._unfinished[0].hand_over(self._unfinished[0].left)
            self._drop_finished()

    def settle(self, member: Receiver) -> None:
        """Hand over everything that a member is owed."""
        for delivery in self._unfinished:
            delivery.settle(member)
        self._drop_finished()

    def _turn(self, call_soon: CallSoon, run: object) -> None:
        """Do one turn's work."""
        if run is not self._run:
            return
        work = self._slice_size
        while self._unfinished and work > 0:
            delivery = self._unfinished[0]
            before = delivery.left
            delivery.hand_over(work)
            work -= before - delivery.left
            self._drop_finished()
        if self._unfinished:
            call_soon(partial(self._turn, call_soon, run))

    def _drop_finished(self) -> None:
        while self._unfinished and not self._unfinished[0].left:
            self._size -= self._unfinished.popleft().size
        if not self._unfinished:
            self._run = None
