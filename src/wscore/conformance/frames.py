"""Frames (RFC 6455 5.2), written with any fault that is asked for and read with none forgiven."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

__all__ = ["DEFINED", "MASK", "BadFrame", "Frame", "FrameReader", "Opcode", "close_payload", "encode", "masked"]

MASK: Final = b"\x37\xfa\x21\x3d"
"""The masking key of frames that are not about masking; RFC 6455 5.7 uses it in its examples."""


class Opcode(IntEnum):
    """The opcodes that RFC 6455 11.8 defines."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


DEFINED: Final = frozenset(map(int, Opcode))


class BadFrame(Exception):
    """The peer wrote a frame that no endpoint may write; `str()` says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame as it was read. `rsv` is 4 for RSV1, 2 for RSV2, 1 for RSV3; `mask` is the masking key, if it had one."""

    opcode: int
    payload: bytes
    fin: bool = True
    rsv: int = 0
    mask: bytes | None = None


def masked(payload: bytes, key: bytes) -> bytes:
    """Return the payload masked, or unmasked, with a key of 4 bytes (RFC 6455 5.3)."""
    size = len(payload)
    stream = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(payload) ^ int.from_bytes(stream)).to_bytes(size)


def encode(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = None,
    length: bytes | None = None,
) -> bytes:
    """Write a frame. `length` replaces how the length is written: 1, 3 or 9 bytes, the first without the mask bit."""
    size = len(payload)
    if length is None:
        if size <= 125:
            length = bytes([size])
        elif size <= 0xFFFF:
            length = b"\x7e" + size.to_bytes(2)
        else:
            length = b"\x7f" + size.to_bytes(8)
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    second = length[0] | (0 if mask is None else 0x80)
    head = bytes([first, second]) + length[1:]
    return head + payload if mask is None else head + mask + masked(payload, mask)


def close_payload(code: int, reason: bytes | str = b"") -> bytes:
    """Write the payload of a close frame (RFC 6455 5.5.1)."""
    return code.to_bytes(2) + (reason.encode() if isinstance(reason, str) else reason)


class FrameReader:
    """Takes bytes as they come, gives frames, and raises BadFrame for one that is wrong by itself."""

    def __init__(self) -> None:
        """Begin at the start of a frame."""
        self._data = bytearray()

    def feed(self, data: bytes) -> None:
        """Take further bytes."""
        self._data += data

    @property
    def is_within_frame(self) -> bool:
        """Return whether the bytes so far end within a frame."""
        return bool(self._data)

    def next_frame(self) -> Frame | None:
        """Return the next frame, or None until more bytes have come. Raises BadFrame."""
        data = self._data
        if len(data) < 2:
            return None
        first, second = data[0], data[1]
        size, at = second & 0x7F, 2
        if size >= 126:
            at = 4 if size == 126 else 10
            if len(data) < at:
                return None
            marker, size = size, int.from_bytes(data[2:at])
            _check_length(marker, size)
        opcode, fin = first & 15, bool(first & 0x80)
        _check_opcode(opcode, fin, size)
        key = None
        if second & 0x80:
            key = bytes(data[at : at + 4])
            at += 4
        if len(data) < at + size:
            return None
        payload = bytes(data[at : at + size])
        del data[: at + size]
        return Frame(opcode, payload if key is None else masked(payload, key), fin, first >> 4 & 7, key)


def _check_length(marker: int, size: int) -> None:
    if size >= 2**63:
        raise BadFrame("a 64-bit length with the most significant bit set (RFC 6455 5.2)")
    if size < (126 if marker == 126 else 65536):
        raise BadFrame(f"a length of {size} that is not in its shortest form (RFC 6455 5.2)")


def _check_opcode(opcode: int, fin: bool, size: int) -> None:
    if opcode not in DEFINED:
        raise BadFrame(f"the reserved opcode {opcode:#x} (RFC 6455 5.2)")
    if opcode >= Opcode.CLOSE and not fin:
        raise BadFrame(f"a {Opcode(opcode).name.lower()} frame in fragments (RFC 6455 5.5)")
    if opcode >= Opcode.CLOSE and size > 125:
        raise BadFrame(f"a {Opcode(opcode).name.lower()} frame of {size} bytes (RFC 6455 5.5)")
