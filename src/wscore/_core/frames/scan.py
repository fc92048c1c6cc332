"""The fast path of reading: a run of messages, each complete in one frame.

`scan` accepts what nearly all messages are: a complete text or binary frame, final, masked, with no reserved bit set
and its length in the shortest form and within the limit. So it needs no code for fragments, inflating, or UTF-8 split
between pieces. At anything else, including violations, it stops and leaves the rest to the slow path.
`scan_unmasked` does the same for frames from a server, which are never masked (RFC 6455 5.1). One loop with a flag
would read better, but takes 1.2 to 1.3 times as long for small masked messages.

Both are implemented in C, if the extension was built, or else in Python, with the same results; C accepts any buffer,
Python only bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .mask import ACCELERATED, CUT, REPEAT, python_unmask
from .opcodes import FINAL_BINARY, FINAL_TEXT, MASKED

__all__ = ["Scan", "python_scan", "python_scan_unmasked", "scan", "scan_unmasked"]

Scan = Callable[[Any, int, int, int, int], tuple[list[str | bytes], int, int]]
"""`(buffer, at, limit, count, size) -> (messages, at, size)`: starting at `at`, read at most `count` messages of at
most `limit` bytes each, and no more once they reach `size` bytes. Returns them, where they end and their total size."""


_to_int = int.from_bytes


def python_scan(buffer: bytes, at: int, limit: int, count: int, size: int) -> tuple[list[str | bytes], int, int]:
    """Scan in Python."""
    messages: list[str | bytes] = []
    here = len(buffer)
    left = size
    while count and left > 0 and at + 6 <= here:
        first, length = buffer[at], buffer[at + 1] ^ MASKED
        if length < 126:
            end = at + 6 + length
            if end > here or length > limit:
                break
            both = _to_int(buffer[at + 2 : end], "little")  # as `python_unmask` does, without the call
            payload = (both >> 32 ^ (both & 0xFFFFFFFF) * REPEAT[length] & CUT[length]).to_bytes(length, "little")
        else:
            if length == 126:
                length, start, shortest = buffer[at + 2] << 8 | buffer[at + 3], at + 8, 126
            elif length == 127:
                length, start, shortest = _to_int(buffer[at + 2 : at + 10]), at + 14, 1 << 16
            else:
                break  # not masked
            end = start + length
            if end > here or not shortest <= length <= limit:
                break
            payload = python_unmask(buffer, start, end)
        if first == FINAL_TEXT:
            try:
                messages.append(payload.decode())
            except UnicodeDecodeError:
                break
        elif first == FINAL_BINARY:
            messages.append(payload)
        else:
            break
        at = end
        count -= 1
        left -= length
    return messages, at, size - left


def python_scan_unmasked(
    buffer: bytes, at: int, limit: int, count: int, size: int
) -> tuple[list[str | bytes], int, int]:
    """Scan unmasked frames in Python."""
    messages: list[str | bytes] = []
    here = len(buffer)
    left = size
    while count and left > 0 and at + 2 <= here:
        first, length, start, shortest = buffer[at], buffer[at + 1], at + 2, 0
        if length > 125:
            if length > 127:
                break  # masked
            start, shortest = (at + 4, 126) if length == 126 else (at + 10, 1 << 16)
            length = int.from_bytes(buffer[at + 2 : start])
        end = start + length
        if end > here or not shortest <= length <= limit:
            break
        if first == FINAL_TEXT:
            try:
                messages.append(buffer[start:end].decode())
            except UnicodeDecodeError:
                break
        elif first == FINAL_BINARY:
            messages.append(buffer[start:end])
        else:
            break
        at = end
        count -= 1
        left -= length
    return messages, at, size - left


scan: Scan = python_scan
scan_unmasked: Scan = python_scan_unmasked

if ACCELERATED:
    from . import _speedups

    scan, scan_unmasked = _speedups.scan, _speedups.scan_unmasked
