"""Lengths (RFC 6455 5.2): each form at its edges, in its shortest form alone, and in whatever pieces it arrives."""

from __future__ import annotations

from functools import partial
from typing import Final

from ..case import Cases
from ..frames import Opcode
from ..peer import Peer, Piece

__all__ = ["CASES"]

CASES: Final = Cases("RFC 6455")

KINDS: Final = {"text": Opcode.TEXT, "binary": Opcode.BINARY}


async def _echo(peer: Peer, opcode: Opcode, size: int, chop: int = 0) -> None:
    await peer.open()
    payload = b"*" * size
    await peer.echo(peer.frame(opcode, payload), opcode=opcode, payload=payload, chop=chop)


for _size in (0, 1, 125, 126, 127, 128, 65535, 65536, 65537):
    for _name, _opcode in KINDS.items():
        CASES.both(
            f"frames.length.{_size}-{_name}",
            f"A {_name} message of {_size} bytes comes back.",
            "5.2",
            "F27" if not _size else "",
        )(partial(_echo, opcode=_opcode, size=_size))

# -- a length in more bytes than it needs: the sender must not, and a receiver that takes it is lenient


async def _longer(peer: Peer, size: int, length: bytes) -> None:
    await peer.open()
    await peer.send(peer.frame(Opcode.TEXT, b"*" * size, length=length))  # it comes back, or fails
    event = await peer.next_event("the connection to be failed, or an echo")
    if event == (Opcode.TEXT, b"*" * size):
        peer.remark("it takes a length that is not in its shortest form")
        return
    await peer.is_failed_by(event, (1002,))


for _size, _width in ((0, 2), (1, 2), (125, 2), (0, 8), (125, 8), (126, 8), (65535, 8)):
    _length = (b"\x7e" if _width == 2 else b"\x7f") + _size.to_bytes(_width)
    CASES.both(
        f"frames.length.{_size}-in-{_width * 8}-bits",
        f"A length of {_size} written in {_width * 8} bits fails the connection with 1002.",
        "5.2",
        "F9",
    )(partial(_longer, size=_size, length=_length))


@CASES.both("frames.length.top-bit", "A 64-bit length with its top bit set fails the connection.", "5.2", "F10")
async def _top_bit(peer: Peer) -> None:
    await peer.open()
    whole = peer.frame(Opcode.BINARY, b"", length=b"\x7f\x80" + bytes(7))
    await peer.send(Piece(whole.data, "a binary frame that announces 2**63 bytes"))
    await peer.is_failed((1002, 1009))


# -- the same bytes, however they are cut

for _size, _chop in ((1, 1), (125, 1), (126, 1), (65536, 997), (65536, 1460), (65536, 4096)):
    CASES.both(
        f"frames.chopped.{_size}-by-{_chop}",
        f"A message of {_size} bytes, written in pieces of {_chop}, comes back.",
        "5.2",
        "F30",
    )(partial(_echo, opcode=Opcode.TEXT, size=_size, chop=_chop))


@CASES.both("frames.chopped.two-in-one", "Two messages in one segment come back, in order.", "5.2", "F30")
async def _two(peer: Peer) -> None:
    await peer.open()
    await peer.send(peer.text("one"), peer.binary(b"two"))
    await peer.echoes(Opcode.TEXT, b"one")
    await peer.echoes(Opcode.BINARY, b"two")


@CASES.both("frames.chopped.one-and-a-half", "A message and half of the next come back as two.", "5.2", "F30")
async def _one_and_a_half(peer: Peer) -> None:
    await peer.open()
    second = peer.text("two")
    await peer.send(peer.text("one"), Piece(second.data[:3], "half a frame"))
    await peer.echoes(Opcode.TEXT, b"one")
    await peer.send(Piece(second.data[3:], "its other half"))
    await peer.echoes(Opcode.TEXT, b"two")


@CASES.both("frames.many.1000", "A thousand messages in one write come back, in order.", "5.2")
async def _many(peer: Peer) -> None:
    await peer.open()
    await peer.send(*(peer.text(str(number)) for number in range(1000)))
    for number in range(1000):
        await peer.echoes(Opcode.TEXT, str(number).encode())
