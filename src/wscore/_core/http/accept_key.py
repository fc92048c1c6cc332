"""The proof that a server understood the handshake (RFC 6455 4.2.2)."""

from __future__ import annotations

import base64
import hashlib
from typing import Final

__all__ = ["accept_key"]

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 1.3


def accept_key(key: bytes) -> bytes:
    """Return the Sec-WebSocket-Accept that answers a Sec-WebSocket-Key."""
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
