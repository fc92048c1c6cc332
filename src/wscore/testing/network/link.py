"""What lies between two hosts."""

from __future__ import annotations

import dataclasses

__all__ = ["Link"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The properties of a path through the network, the same in both directions. Seconds, and bytes.

    TCP is above it: bytes arrive in order and once. A packet that is lost shows as jitter, since it is sent again.

    Raises:
        ValueError: A value cannot work.
    """

    latency: float = 0.0
    """Seconds from one end to the other."""
    jitter: float = 0.0
    """Seconds by which a piece may be later than that, drawn for each. Order is kept: those behind it wait."""
    bandwidth: float | None = None
    """Bytes per second in each direction; None: no limit."""
    window: int = 65_536
    """Bytes on their way or unread by the receiver, from which the sender's system holds the rest back."""
    segment: int = 16_384
    """The most bytes that arrive in one piece."""
    cut: float = 0.0
    """Chance that a piece is cut in two at a random place."""
    join: float = 0.0
    """Chance that a piece is held back for `join_delay`, so that it arrives as one with those behind it."""
    join_delay: float = 0.04
    """Seconds; Linux delays an acknowledgement, and with it Nagle's small segment, by 40 ms."""

    def __post_init__(self) -> None:
        """Raise ValueError for values that cannot work."""
        for name in ("latency", "jitter", "join_delay"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"Link({name}={getattr(self, name)!r}): expected seconds, 0 or more")
        for name in ("cut", "join"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"Link({name}={getattr(self, name)!r}): expected a chance, from 0 to 1")
        if self.bandwidth is not None and not self.bandwidth > 0:
            raise ValueError(f"Link(bandwidth={self.bandwidth!r}): expected bytes per second above 0, or None")
        for name in ("window", "segment"):
            if getattr(self, name) < 1:
                raise ValueError(f"Link({name}={getattr(self, name)!r}): expected bytes, 1 or more")
