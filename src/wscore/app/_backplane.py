"""The interface to other processes: messages for rooms and ids elsewhere, and who is in a room there.

A registry reaches the members of its own process itself. A backplane only gets what to send to the other processes, and
who enters and leaves rooms here.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

__all__ = ["Backplane", "Deliver", "Envelope"]


class Envelope(NamedTuple):
    """A message for a room, or for one member."""

    data: str | bytes
    room: str | None
    """The receiving room; None for a message to one member."""
    id: str | None
    """The receiving member's id; None for a message to a room."""
    exclude: frozenset[str]
    """Ids of the room's members that do not get it."""


Deliver = Callable[[Envelope], object]
"""Delivers an envelope to its receivers in this process."""


class Backplane(Protocol):
    """Carries envelopes to the other processes. All methods are called on the event loop.

    Connections wait only for `present` and `count`.
    """

    def running(self, deliver: Deliver) -> AbstractAsyncContextManager[object]:
        """Connect, and pass incoming envelopes to `deliver`, until the context (the application's lifespan) exits."""
        ...

    def publish(self, envelope: Envelope) -> None:
        """Send an envelope once to each other process. Never waits; drops what it cannot send."""
        ...

    def entered(self, room: str, id: str) -> None:
        """Record that this process's member `id` is in `room`: messages to that room are wanted here."""
        ...

    def left(self, room: str, id: str) -> None:
        """Record that the member has left the room."""
        ...

    async def present(self, room: str) -> list[str]:
        """Return the ids of the members of `room` in the other processes, as far as known."""
        ...

    async def count(self, room: str) -> int:
        """Return the number of members of `room` in the other processes, as far as known."""
        ...
