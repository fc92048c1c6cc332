"""Frames, made before the clock runs: what the client sends, masked, and what it has to get back, unmasked."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["CLOSE", "CLOSED", "Exchange", "Kind", "exchange", "frame", "json_document", "payload"]

Kind = Literal["text", "binary"]

_OPCODES: Final = {"text": 0x81, "binary": 0x82}
_KEYS: Final = random.Random("mask")


@dataclass(frozen=True, slots=True)
class Exchange:
    """What is sent, and the bytes that answer it."""

    sent: bytes
    reply: bytes


def payload(kind: Kind, size: int, number: int) -> bytes:
    """Make a payload that differs from those with other numbers: ASCII for text, any bytes for binary."""
    chance = random.Random(f"{kind} {size} {number}")
    if kind == "binary":
        return chance.randbytes(size)
    return (f"{number:08d} " + chance.randbytes(size // 2 + 1).hex())[:size].encode()


def json_document(number: int) -> bytes:
    """Make a JSON document of 1 KiB: records such as an application sends, no two documents alike."""
    chance = random.Random(f"json {number}")
    words = ("alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel")
    document: list[dict[str, object]] = []
    while len(text := json.dumps(document)) < 1024:
        document.append(
            {
                "id": chance.randrange(10**6),
                "name": f"{chance.choice(words)} {chance.choice(words)}",
                "price": chance.randrange(10**5) / 100,
                "active": chance.random() < 0.5,
            }
        )
    return text[:1024].encode()


def frame(data: bytes, first: int, *, masked: bool) -> bytes:
    """Encode one frame; `first` is its first byte, flags and opcode."""
    size = len(data)
    bit = 0x80 if masked else 0
    if size < 126:
        head = bytes((first, bit | size))
    elif size < 2**16:
        head = bytes((first, bit | 126)) + size.to_bytes(2)
    else:
        head = bytes((first, bit | 127)) + size.to_bytes(8)
    if not masked:
        return head + data
    key = _KEYS.randbytes(4)
    mask = (key * (size // 4 + 1))[:size]
    return head + key + (int.from_bytes(data) ^ int.from_bytes(mask)).to_bytes(size)


def exchange(kind: Kind, data: bytes, *, websocket: bool) -> Exchange:
    """Make a message and its echo; a plain TCP echo gives back the client's own frame."""
    sent = frame(data, _OPCODES[kind], masked=True)
    return Exchange(sent, frame(data, _OPCODES[kind], masked=False) if websocket else sent)


CLOSE: Final = frame((1000).to_bytes(2), 0x88, masked=True)
CLOSED: Final = frame((1000).to_bytes(2), 0x88, masked=False)
