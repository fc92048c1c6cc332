"""Masking (RFC 6455 5.3): payload and key, each byte xor the key's, which repeats every four.

Three ways in pure Python, each the fastest at some size. Masking and unmasking are the same.
"""

from __future__ import annotations

from typing import Final

__all__ = ["ACCELERATED", "mask", "unmask"]

ACCELERATED = False

# The key, repeated to a payload's length, is the key times 1 + 2^32 + 2^64 ..., cut off at that length.
_REPEAT: Final = [int.from_bytes(b"\1\0\0\0" * ((size + 3) // 4), "little") for size in range(126)]
_CUT: Final = [(1 << (8 * size)) - 1 for size in range(126)]

_XOR: Final = [bytes(byte ^ key for byte in range(256)) for key in range(256)]
_LARGE: Final = 1024  # from here on four strided translations beat one xor of long integers

_to_int = int.from_bytes


def mask(data: bytes, key: bytes) -> bytes:
    """Mask or unmask `data`, beginning at the key's first byte."""
    size = len(data)
    if size < _LARGE:
        return (_to_int(data) ^ _to_int((key * (size // 4 + 1))[:size])).to_bytes(size)
    masked = bytearray(size)
    for place in range(4):
        masked[place::4] = data[place::4].translate(_XOR[key[place]])
    return bytes(masked)


def unmask(buffer: bytes, start: int, end: int) -> bytes:
    """Unmask the payload that stands in `buffer` from `start` to `end`, its key in the four bytes before it."""
    size = end - start
    if size < 126:  # key and payload are read as one number: the key is its lowest four bytes
        both = _to_int(buffer[start - 4 : end], "little")
        return (both >> 32 ^ (both & 0xFFFFFFFF) * _REPEAT[size] & _CUT[size]).to_bytes(size, "little")
    return mask(buffer[start:end], buffer[start - 4 : start])
