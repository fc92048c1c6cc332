"""Bytes for the peer until the transport takes them; the limit is advisory for senders and binding for pongs."""

from __future__ import annotations

__all__ = ["SendBuffer"]


class SendBuffer:
    """Output that waits to be written. A peer that sends pings and reads no pongs must not make it grow unbounded."""

    __slots__ = ("_chunks", "_late_pong", "limit", "size", "taken")

    limit: int
    """Size in bytes from which the buffer is full."""
    size: int
    """Bytes that wait, not counting a late pong. If it is 0, there is no late pong."""
    taken: int
    """Total number of bytes taken."""

    def __init__(self, limit: int) -> None:
        self._chunks: list[bytes] = []
        self.limit = limit
        self._late_pong = b""  # answers the latest ping received while full
        self.size = 0
        self.taken = 0

    @property
    def full(self) -> bool:
        """Whether senders should wait."""
        return self.size >= self.limit

    def write(self, data: bytes) -> None:
        """Append bytes, even when full."""
        self._chunks.append(data)
        self.size += len(data)

    def write_pong(self, pong: bytes) -> None:
        """Append a pong; when full, keep only the latest, which answers all pings before it (RFC 6455 5.5.3)."""
        if self.full:
            self._late_pong = pong
        else:
            self.write(pong)

    def write_late_pong(self) -> None:
        """Append the pong that was kept back, if there is one."""
        if self._late_pong:
            pong, self._late_pong = self._late_pong, b""
            self.write(pong)

    def take(self) -> bytes:
        """Take everything."""
        if self._late_pong:
            self.write_late_pong()
        if not self._chunks:
            return b""
        data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self.taken += self.size
        self.size = 0
        return data

    def drop(self) -> None:
        """Discard everything."""
        self._chunks.clear()
        self._late_pong = b""
        self.size = 0
