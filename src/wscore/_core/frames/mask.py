"""Masking (RFC 6455 5.3): each byte of the payload is XORed with a byte of the repeating four-byte key.

`mask` and `unmask` are implemented in C, if the extension was built, or else in Python, with three algorithms for
different sizes. The results are the same; C accepts any buffer, Python only bytes. WSCORE_PURE=1 in the environment
disables the C extension, both at build time and at import time.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import Any, Final

__all__ = ["ACCELERATED", "CUT", "REPEAT", "mask", "python_mask", "python_unmask", "unmask"]

# The key, repeated to a payload's length, is the key times 1 + 2^32 + 2^64 ..., truncated to that length.
REPEAT: Final = [int.from_bytes(b"\1\0\0\0" * ((size + 3) // 4), "little") for size in range(126)]
CUT: Final = [(1 << (8 * size)) - 1 for size in range(126)]

_XOR: Final = [bytes(byte ^ key for byte in range(256)) for key in range(256)]
_LARGE: Final = 1024  # from here on four strided translations beat one xor of long integers

_to_int = int.from_bytes


def python_mask(data: bytes, key: bytes) -> bytes:
    """Mask or unmask `data`, starting with the key's first byte."""
    size = len(data)
    if size < _LARGE:
        return (_to_int(data) ^ _to_int((key * (size // 4 + 1))[:size])).to_bytes(size)
    masked = bytearray(size)
    for place in range(4):
        masked[place::4] = data[place::4].translate(_XOR[key[place]])
    return bytes(masked)


def python_unmask(buffer: bytes, start: int, end: int) -> bytes:
    """Unmask the payload in `buffer[start:end]`; its key is the four bytes before it."""
    size = end - start
    if size < 126:  # key and payload are read as one number: the key is its lowest four bytes
        both = _to_int(buffer[start - 4 : end], "little")
        return (both >> 32 ^ (both & 0xFFFFFFFF) * REPEAT[size] & CUT[size]).to_bytes(size, "little")
    return python_mask(buffer[start:end], buffer[start - 4 : start])


mask: Callable[[Any, bytes], bytes] = python_mask
unmask: Callable[[Any, int, int], bytes] = python_unmask

if not os.environ.get("WSCORE_PURE"):
    with contextlib.suppress(ImportError):  # not built: there was no compiler
        from . import _speedups

        mask, unmask = _speedups.mask, _speedups.unmask

ACCELERATED: Final = mask is not python_mask
