"""Writing a frame: a header before a payload (RFC 6455 5.2).

`frame` writes it unmasked, as a server does, and `masked_frame` masked, as a client (5.1, 5.3). They are C where that
was built, and else Python, and both do the same.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from .mask import ACCELERATED, python_mask
from .opcodes import BINARY, CLOSE, FIN, MASKED, PING, PONG, RSV1, TEXT

__all__ = ["frame", "masked_frame", "python_frame", "python_masked_frame"]


def python_frame(first: int, payload: str | bytes) -> bytes:
    """Write a frame in Python. `first` is its first byte; the length is in its shortest form.

    A text is written as UTF-8; one with a lone surrogate raises UnicodeEncodeError.
    """
    data = payload.encode() if isinstance(payload, str) else payload
    size = len(data)
    if size < 126:
        return _SHORT[first][size] + data
    if size < 1 << 16:
        return _MEDIUM.pack(first, 126, size) + data
    return _LONG.pack(first, 127, size) + data


def python_masked_frame(first: int, payload: str | bytes, key: bytes) -> bytes:
    """Write a masked frame in Python, as `python_frame` does one that is not; `key` is four bytes."""
    data = payload.encode() if isinstance(payload, str) else payload
    size = len(data)
    if size < 126:
        return b"%c%c%b%b" % (first, MASKED | size, key, python_mask(data, key))
    if size < 1 << 16:
        return _MEDIUM.pack(first, MASKED | 126, size) + key + python_mask(data, key)
    return _LONG.pack(first, MASKED | 127, size) + key + python_mask(data, key)


# The headers that most frames have are made once; none holds anything of a connection.
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
