"""Encoding of frames: a header and a payload (RFC 6455 5.2).

`frame` writes an unmasked frame, for servers, and `masked_frame` a masked one, for clients (5.1, 5.3). Both are
implemented in C, if the extension was built, or else in Python, with the same results.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from .mask import ACCELERATED, python_mask
from .opcodes import BINARY, CLOSE, FIN, MASKED, PING, PONG, RSV1, TEXT

__all__ = ["frame", "masked_frame", "python_frame", "python_masked_frame"]


def python_frame(first: int, payload: str | bytes) -> bytes:
    """Encode a frame in Python. `first` is its first byte; the length is in its shortest form.

    Text is encoded as UTF-8; a lone surrogate raises UnicodeEncodeError.
    """
    data = payload.encode() if isinstance(payload, str) else payload
    size = len(data)
    if size < 126:
        return _SHORT[first][size] + data
    if size < 1 << 16:
        return _MEDIUM.pack(first, 126, size) + data
    return _LONG.pack(first, 127, size) + data


def python_masked_frame(first: int, payload: str | bytes, key: bytes) -> bytes:
    """Encode a frame as `python_frame` does, but masked with `key`, four bytes."""
    data = payload.encode() if isinstance(payload, str) else payload
    size = len(data)
    if size < 126:
        return b"%c%c%b%b" % (first, MASKED | size, key, python_mask(data, key))
    if size < 1 << 16:
        return _MEDIUM.pack(first, MASKED | 126, size) + key + python_mask(data, key)
    return _LONG.pack(first, MASKED | 127, size) + key + python_mask(data, key)


# Precomputed headers for most frames; they contain no connection's data.
_SHORT: Final = {
    final | opcode: [bytes((final | opcode, size)) for size in range(126)]
    for final in (FIN, FIN | RSV1)
    for opcode in (TEXT, BINARY, CLOSE, PING, PONG)
}
_MEDIUM: Final = struct.Struct("!BBH")
_LONG: Final = struct.Struct("!BBQ")

frame: Callable[[int, str | bytes], bytes] = python_frame
masked_frame: Callable[[int, str | bytes, bytes], bytes] = python_masked_frame

if ACCELERATED:
    from . import _speedups

    frame, masked_frame = _speedups.frame, _speedups.masked_frame
