"""The first two bytes of a frame (RFC 6455 5.2): opcodes and flags."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

__all__ = [
    "BINARY",
    "CLOSE",
    "CONTINUATION",
    "FIN",
    "FINAL_BINARY",
    "FINAL_TEXT",
    "MASKED",
    "PING",
    "PONG",
    "RSV",
    "RSV1",
    "TEXT",
    "Opcode",
]


class Opcode(IntEnum):
    """What a frame is (RFC 6455 11.8)."""

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


# The engines compare plain ints: looking up a member in its class takes Python 3.11 as long as unmasking a word.
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = map(int, Opcode)

FIN: Final = 0x80
RSV1: Final = 0x40  # compressed (RFC 7692 6)
RSV: Final = 0x70
MASKED: Final = 0x80  # in the second byte

# First bytes of whole messages, which nearly all frames begin with.
FINAL_TEXT: Final = FIN | TEXT
FINAL_BINARY: Final = FIN | BINARY
