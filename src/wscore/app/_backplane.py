"""The seam to other processes: a message for a room or an id that may be anywhere.

A registry knows the members in its own process. Whatever it is asked to send goes to its backplane as an `Envelope`,
and comes back from there in every process that has members of the room. With one process that is a function call.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import NamedTuple, Protocol

__all__ = ["Backplane", "Deliver", "Envelope", "LocalBackplane"]


class Envelope(NamedTuple):
    """A message on its way."""

    data: str | bytes
    room: str | None
    """The room it is for; None for one that is for an id."""
    id: str | None
    """The member it is for; None for one that is for a room."""
    except_: frozenset[str]
    """Members of the room that do not get it."""


Deliver = Callable[[Envelope], None]


class Backplane(Protocol):
    """What carries envelopes between processes. Nothing of it may block: connections wait for none of it."""

    def running(self, deliver: Deliver) -> AbstractAsyncContextManager[object]:
        """Connect, and give `deliver` what arrives, until the end of the context: the application's lifespan."""
        ...

    def publish(self, envelope: Envelope) -> None:
        """Send an envelope on its way, to this process's own members too. Never waits; what it cannot send it drops."""
        ...

    def joined(self, room: str) -> None:
        """Take note that this process has a first member in `room`."""
        ...

    def left(self, room: str) -> None:
        """Take note that the last member in `room` has gone from this process."""
        ...


class LocalBackplane:
    """One process: what is published is delivered at once."""

    def __init__(self, deliver: Deliver) -> None:
        self._deliver = deliver

    def running(self, deliver: Deliver) -> AbstractAsyncContextManager[object]:
        """Nothing needs to run."""
        del deliver
        return nullcontext()

    def publish(self, envelope: Envelope) -> None:
        """Deliver."""
        self._deliver(envelope)

    def joined(self, room: str) -> None:
        """Nobody else needs to know."""

    def left(self, room: str) -> None:
        """Nobody else needs to know."""
