"""The seam to other processes: a message for a room or an id that may be anywhere, and who is in a room elsewhere.

A registry reaches the members in its own process by itself, and whoever carries its messages further is told of nothing
else than this: what to send to the other processes, and who enters and leaves rooms here.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

__all__ = ["Backplane", "Deliver", "Envelope"]


class Envelope(NamedTuple):
    """A message on its way."""

    data: str | bytes
    room: str | None
    """The room it is for; None for one that is for an id."""
    id: str | None
    """The member it is for; None for one that is for a room."""
    exclude: frozenset[str]
    """Members of the room that do not get it."""


Deliver = Callable[[Envelope], object]
"""Gives an envelope to those members in this process that it is for."""


class Backplane(Protocol):
    """What carries envelopes to the other processes. All is called on the event loop.

    Connections wait for none of it, but for what they ask for with `present` and `count`.
    """

    def running(self, deliver: Deliver) -> AbstractAsyncContextManager[object]:
        """Connect, and give `deliver` what arrives, until the end of the context: the application's lifespan."""
        ...

    def publish(self, envelope: Envelope) -> None:
        """Send an envelope to the other processes, once to each. Never waits; what it cannot send it drops."""
        ...

    def entered(self, room: str, id: str) -> None:
        """Take note that the member `id` of this process is in `room`: what others send there is wanted here."""
        ...

    def left(self, room: str, id: str) -> None:
        """Take note that it is not there any more."""
        ...

    async def present(self, room: str) -> list[str]:
        """Give the ids of the members of `room` in the other processes, as far as that can be known."""
        ...

    async def count(self, room: str) -> int:
        """Count them."""
        ...
