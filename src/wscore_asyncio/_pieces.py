"""Handing output to a TLS transport piece by piece.

Such a transport encrypts what one write gives it and passes it all on, whatever waits below; only at the next write
does it know that it should have paused. So a large message in one piece would be beyond every limit, and `send` would
return, and an end be taken for reached, long before it has left.
"""

from __future__ import annotations

from typing import Any, Final

__all__ = ["Pieces"]

_SIZE: Final = 2**16  # the high-water mark of the transport below


class Pieces:
    """What was taken from the core and not given to the transport yet: there is some only while that is paused."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = memoryview(b"")

    def __len__(self) -> int:
        """Give the bytes that wait."""
        return len(self._rest)

    def next(self, core: Any) -> memoryview:
        """Give the next piece, of bytes that the core gives where none are left; empty where there is nothing."""
        rest = self._rest or memoryview(core.data_to_send())
        self._rest = rest[_SIZE:]
        return rest[:_SIZE]
