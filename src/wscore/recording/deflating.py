"""Deflate data of a given size that inflates to a given size (RFC 1951): what stands for a message that is not there.

Nearly all of it is `x`. A block with fixed codes (3.2.6) writes an `x` as a literal of eight bits, or up to 258 of
them as a match with the byte before, so how many literals there are decides the size, nearly to the bit; an empty block
more or less does the rest. Where a peer compressed better than fixed codes can, as with a long run of one byte, zlib's
dynamic codes are tried.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator
from typing import Final

__all__ = ["deflated"]

_TAIL: Final = b"\x00\x00\xff\xff"  # what a message leaves out at its end (RFC 7692 7.2.1)
_STORED: Final = b"\x00\x00\x00\xff\xff"  # an empty block without compression (RFC 1951 3.2.4)
_FIXED_AND_STORED: Final = b"\x02\x00\x00\x00\xff\xff"  # after an empty block with fixed codes, of ten bits
_LITERAL: Final = int(f"{0x30 + ord('x'):08b}"[::-1], 2)  # codes begin with their highest bit (3.1.1)
_LONGEST: Final = 258
_WINDOW: Final = 200  # bytes of history, within zlib's smallest window
_NEARBY: Final = 40
_SETTINGS: Final = ((9, 9), (6, 5), (6, 8), (1, 8))  # zlib's level and memory level, which decide where blocks end
_OTHERS: Final = b"3S(dUTa#L*oi"


def deflated(size: int, inflated: int, *, history: bool) -> bytes | None:
    """Return a message's payload of `size` bytes that inflates to `inflated` bytes of ASCII, `x` the last.

    With `history`, an `x` came before in the same window (RFC 7692 7.1.1). None if there is no such payload.
    """
    for padding in _paddings(max(0, size - inflated - len(_FIXED_AND_STORED)), size):
        room = size - len(padding)
        if inflated == 0 and room == 1:
            return padding + b"\x00"
        literals = _literals(room, inflated, history=history)
        if literals is not None:
            return padding + _block(room, *literals, inflated)
    return _by_zlib(size, inflated, history=history)


def _paddings(least: int, most: int) -> Iterator[bytes]:
    """Yield empty blocks of at least so many bytes, if any, shorter ones first."""
    for size in range(least, min(most, least + _NEARBY)):
        for sixes in range(5):
            rest = size - len(_FIXED_AND_STORED) * sixes
            if rest >= 0 and rest % len(_STORED) == 0:
                yield _STORED * (rest // len(_STORED)) + _FIXED_AND_STORED * sixes
                break


def _literals(room: int, inflated: int, *, history: bool) -> tuple[int, int] | None:
    """Return how many literals, and how many empty blocks before, make a block that just fits into so many bytes."""
    least = 0 if history or not inflated else 1
    per_match = _match_bits(_LONGEST) / _LONGEST
    guess = int((8 * room - 13 - inflated * per_match) / (8 - per_match))
    for literals in range(max(least, guess - _NEARBY), min(inflated, guess + _NEARBY) + 1):
        run = inflated - literals
        if run in {1, 2}:
            continue  # no match is that short
        # The header, the literals, the matches, the block's end, and the header of the stored block that the tail is.
        bits = 3 + 8 * literals + sum(_match_bits(length) * count for length, count in _matches(run)) + 7 + 3
        for empty in range(5):
            if 8 * (room - 1) < bits + 10 * empty <= 8 * room:
                return literals, empty
    return None


def _matches(run: int) -> list[tuple[int, int]]:
    """Cut a run into matches, none shorter than 3: their lengths, and how many there are of each."""
    longest, rest = divmod(run, _LONGEST)
    if rest in {1, 2}:  # and there is a longest one, for the run is not that short
        return [(_LONGEST, longest - 1), (_LONGEST - 3 + rest, 1), (3, 1)]
    return [(_LONGEST, longest), (rest, 1)] if rest else [(_LONGEST, longest)]


def _block(room: int, literals: int, empty: int, inflated: int) -> bytes:
    """Write the blocks, in as many bytes as there is room for."""
    value, at = 0, 0
    for _ in range(empty):
        value |= 0b010 << at  # not the last; fixed codes; and seven zeros end it
        at += 10
    value |= 0b010 << at
    at += 3
    value |= int.from_bytes(bytes([_LITERAL]) * literals, "little") << at
    at += 8 * literals
    text = "".join(_match(length) * count for length, count in _matches(inflated - literals))
    if text:
        value |= int(text[::-1], 2) << at
    return value.to_bytes(room, "little")


def _length_code(length: int) -> tuple[int, int, int]:
    """Return a length's code, the number of its extra bits, and their value (RFC 1951 3.2.5)."""
    if length == _LONGEST:
        return 285, 0, 0
    if length < 11:
        return 254 + length, 0, 0
    extra = (length - 3).bit_length() - 3
    group, rest = divmod(length - 3 - (4 << extra), 1 << extra)
    return 261 + 4 * extra + group, extra, rest


def _match_bits(length: int) -> int:
    """Return how many bits a match takes, with its distance."""
    code, extra, _ = _length_code(length)
    return (7 if code < 280 else 8) + extra + 5


def _match(length: int) -> str:
    """Return a match with the byte before as bits, in the order in which they are written."""
    code, extra, rest = _length_code(length)
    written = f"{code - 256:07b}" if code < 280 else f"{0b11000000 + code - 280:08b}"
    return written + (f"{rest:0{extra}b}"[::-1] if extra else "") + "00000"


def _by_zlib(size: int, inflated: int, *, history: bool) -> bytes | None:
    """Let zlib compress all, after some other letters if the size needs them."""
    histories = (b"x" * _WINDOW, b"") if history else (b"",)
    for before, (level, memory) in itertools.product(histories, _SETTINGS):
        for others in range(min(len(_OTHERS), inflated)):
            stream = zlib.compressobj(level, zlib.DEFLATED, -15, memory, zlib.Z_DEFAULT_STRATEGY, before)
            content = _OTHERS[:others] + b"x" * (inflated - others)
            payload = (stream.compress(content) + stream.flush(zlib.Z_SYNC_FLUSH)).removesuffix(_TAIL)
            spare = size - len(payload)
            if spare < 0:
                break
            if (padding := next(_paddings(spare, spare + 1), None)) is not None:
                return padding + payload
    return None
