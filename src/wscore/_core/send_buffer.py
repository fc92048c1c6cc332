"""Bytes for the peer, gathered until they are taken; full at a limit, which senders heed and pongs obey."""

from __future__ import annotations

__all__ = ["SendBuffer"]


class SendBuffer:
    """What is to be written. A peer that sends pings and reads no pongs must not make it grow without bound."""

    __slots__ = ("_chunks", "_late_pong", "limit", "size", "taken")

    limit: int
    """From how many bytes on it is full."""
    size: int
    """Bytes that wait, besides a late pong. There is none without them."""
    taken: int
    """Bytes that ever were taken."""

    def __init__(self, limit: int) -> None:
        self._chunks: list[bytes] = []
        self.limit = limit
        self._late_pong = b""  # the answer to the latest ping that came while full
        self.size = 0
        self.taken = 0

    @property
    def full(self) -> bool:
        """So much waits that senders should, too."""
        return self.size >= self.limit

    def write(self, data: bytes) -> None:
        """Add bytes, whether full or not."""
        self._chunks.append(data)
        self.size += len(data)

    def write_pong(self, pong: bytes) -> None:
        """Add a pong; of those for which there was no room the latest, which answers them all (RFC 6455 5.5.3)."""
        if self.full:
            self._late_pong = pong
        else:
            self.write(pong)

    def write_late_pong(self) -> None:
        """Add the pong for which there was no room: it is high time."""
        if self._late_pong:
            pong, self._late_pong = self._late_pong, b""
            self.write(pong)

    def take(self) -> bytes:
        """Give all there is, and hold nothing."""
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
        """Forget all there is."""
        self._chunks.clear()
        self._late_pong = b""
        self.size = 0
