"""Statistics of a connection, and its two lines in the access log."""

from __future__ import annotations

import dataclasses

from .asgi.messages import Peer, Scope
from .termination import Termination

__all__ = ["Stats", "answered_line", "closed_line"]


@dataclasses.dataclass(slots=True)
class Stats:
    """Traffic counters of a connection. Bytes are payload: sent before compression, received after decompression."""

    messages_received: int = 0
    bytes_received: int = 0
    messages_sent: int = 0
    bytes_sent: int = 0
    pings_sent: int = 0
    latency: float | None = None
    """Seconds between the last keepalive ping and its pong."""


def answered_line(peer: Peer, scope: Scope | None, status: int) -> str:
    """Return the line for an answered handshake, accepted or not; without a scope the request was not a handshake."""
    return f"{_subject(peer, scope)} {status}"


def closed_line(peer: Peer, scope: Scope | None, end: Termination, stats: Stats, seconds: float) -> str:
    """Return the line for a connection that has ended."""
    carried = f"{stats.messages_received} in, {stats.messages_sent} out"
    return f"{_subject(peer, scope)} closed {end.code} by {end.cause}, {carried}, {seconds:.3f} s"


def _subject(peer: Peer, scope: Scope | None) -> str:
    """Return client and path, but not the query, which may contain tokens."""
    client = f"{peer.client[0]}:{peer.client[1]}" if peer.client else "-"
    if scope is None:
        return f'{client} "-"'
    method = "CONNECT" if scope["http_version"] == "2" else "GET"
    return f'{client} "{method} {scope["raw_path"].decode("ascii", "backslashreplace")}"'
