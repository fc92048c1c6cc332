"""What a broadcast carries: known to the server that sends it and to the load that checks it."""

from __future__ import annotations

from typing import Final

__all__ = ["PAYLOAD"]

PAYLOAD: Final = "0123456789abcdef" * 64
