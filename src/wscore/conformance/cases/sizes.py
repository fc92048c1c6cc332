"""Large messages (RFC 6455 5.2, 5.4, 10.4): whole, in fragments, in pieces. A refusal with 1009 is no fault."""

from __future__ import annotations

from functools import partial
from typing import Final

from ..case import Cases
from ..frames import Opcode
from ..peer import ClosedInstead, Peer, Piece

__all__ = ["CASES"]

CASES: Final = Cases("RFC 6455")

KINDS: Final = {"text": Opcode.TEXT, "binary": Opcode.BINARY}
KIB: Final = 1024
MIB: Final = 1024 * 1024


def _content(size: int) -> bytes:
    return (b"wscore.conformance:0123456789abcdef " * (size // 36 + 1))[:size]


async def _large(peer: Peer, opcode: Opcode, size: int, fragment: int = 0, chop: int = 0) -> None:
    await peer.open()
    payload = _content(size)
    pieces: list[Piece] = []
    if fragment:
        for at in range(0, size, fragment):
            frame = Opcode.CONTINUATION if at else opcode
            pieces.append(peer.frame(frame, payload[at : at + fragment], fin=at + fragment >= size))
    else:
        pieces.append(peer.frame(opcode, payload))
    await peer.send(*pieces, chop=chop)
    try:
        await peer.echoes(opcode, payload)
    except ClosedInstead as closed:
        if closed.code != 1009:
            raise
        peer.remark("it refuses the message with 1009: a limit of its own (RFC 6455 10.4)")


def _words(size: int) -> str:
    return f"{size // MIB} MiB" if size >= MIB else f"{size // KIB} KiB"


for _size in (256 * KIB, MIB, 4 * MIB, 16 * MIB):
    for _name, _opcode in KINDS.items():
        _words_id = _words(_size).lower().replace(" ", "")
        CASES.both(
            f"sizes.{_words_id}-{_name}",
            f"A {_name} message of {_words(_size)} comes back.",
            "10.4",
            alone=_size >= 4 * MIB,
        )(partial(_large, opcode=_opcode, size=_size))
for _fragment in (64, KIB, 16 * KIB, 256 * KIB):
    for _name, _opcode in KINDS.items():
        CASES.both(
            f"sizes.1mib-{_name}-in-fragments-of-{_fragment}",
            f"A {_name} message of 1 MiB in fragments of {_fragment} bytes comes back.",
            "10.4",
            alone=_fragment < KIB,
        )(partial(_large, opcode=_opcode, size=MIB, fragment=_fragment))
for _chop in (997, 16 * KIB):
    for _name, _opcode in KINDS.items():
        CASES.both(
            f"sizes.1mib-{_name}-in-writes-of-{_chop}",
            f"A {_name} message of 1 MiB, written in pieces of {_chop} bytes, comes back.",
            "10.4",
        )(partial(_large, opcode=_opcode, size=MIB, chop=_chop))
