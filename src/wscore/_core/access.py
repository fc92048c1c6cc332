"""What a connection carried, and the records of an access log: facts, whose wording is the transport's."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

from .frames.mask import ACCELERATED
from .termination import Cause

__all__ = ["AccessRecord", "Stats"]


class PythonStatsBase:
    """The fields of `Stats`. The twin in C is one that the lane in C can count in."""

    __slots__ = ("bytes_received", "bytes_sent", "latency", "messages_received", "messages_sent", "pings_sent")


StatsBase = PythonStatsBase

if ACCELERATED and not TYPE_CHECKING:
    from .frames import _speedups

    StatsBase = getattr(_speedups, "StatsBase", PythonStatsBase)  # not there in an extension that was built earlier


@dataclasses.dataclass
class Stats(StatsBase):
    """Traffic counters of a connection. Bytes are payload: sent before compression, received after decompression."""

    __slots__ = ()

    messages_received: int
    bytes_received: int
    messages_sent: int
    bytes_sent: int
    pings_sent: int
    latency: float | None
    """Seconds between the last keepalive ping and its pong."""

    # Not dataclass's own: defaults of its kind are attributes of the class, and would hide the base's fields.
    def __init__(  # noqa: PLR0917 - the fields, in their order
        self,
        messages_received: int = 0,
        bytes_received: int = 0,
        messages_sent: int = 0,
        bytes_sent: int = 0,
        pings_sent: int = 0,
        latency: float | None = None,
    ) -> None:
        self.messages_received = messages_received
        self.bytes_received = bytes_received
        self.messages_sent = messages_sent
        self.bytes_sent = bytes_sent
        self.pings_sent = pings_sent
        self.latency = latency

    def __reduce__(self) -> tuple[type[Stats], tuple[int | float | None, ...]]:
        """Copy and pickle by the fields, wherever they are kept."""
        return Stats, dataclasses.astuple(self)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AccessRecord:
    """Something for an access log. An accepted connection gives two, any other one.

    `event` is "accepted" or "refused" when the handshake was answered, "closed" when an accepted connection is over or
    the client left before an answer, and "unused" for a connection that ended without a byte: a probe of its port.
    """

    event: Literal["accepted", "refused", "closed", "unused"]
    client: tuple[str, int] | None
    """Address and port; None on a unix socket."""
    method: str | None
    """None if no request line was read."""
    path: str | None
    """As it came, percent-encoded, bytes beyond ASCII escaped; without the query, where tokens travel."""
    status: int | None
    """Of the response; None without one."""
    code: int | None
    """What the application was told: 1006 without a close frame. None while the connection is open."""
    cause: Cause | None
    """Who ended the connection; None while it is open."""
    reason: str
    messages_received: int
    bytes_received: int
    messages_sent: int
    bytes_sent: int
    duration: float
    """Seconds since the connection was made."""
