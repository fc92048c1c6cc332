"""Compressed messages (RFC 7692 6, 7.2): RSV1 on the first frame alone, any deflate stream, context and window."""

from __future__ import annotations

import random
import zlib
from functools import partial
from typing import Final

from ..case import Cases
from ..frames import Opcode
from ..outcome import Failed
from ..peer import ClosedInstead, Peer, Piece

__all__ = ["CASES"]

CASES: Final = Cases("RFC 7692")

TEXT, BINARY = Opcode.TEXT, Opcode.BINARY

NOISE: Final = random.Random(7692).randbytes(48 * 1024)
"""Incompressible, and the same in every run."""
JSON: Final = b"".join(b'{"id":%d,"name":"user %d","on":%s},' % (n, n * n, b"true") for n in range(2000))


async def _messages(peer: Peer, messages: list[tuple[Opcode, bytes]]) -> None:
    await peer.open_deflate()
    for opcode, payload in messages:
        await peer.echo(peer.compressed(opcode, payload), opcode=opcode, payload=payload)


for _id, _title, _messages_given in (
    ("text", "A compressed text message comes back.", [(TEXT, b"Hello")]),
    ("binary", "A compressed binary message comes back.", [(BINARY, bytes(range(256)))]),
    ("empty-text", "An empty compressed text message comes back.", [(TEXT, b"")]),
    ("empty-binary", "An empty compressed binary message comes back.", [(BINARY, b"")]),
    ("utf-8", "Compressed text that is not ASCII comes back.", [(TEXT, "aé€😀".encode() * 100)]),
    ("json", "64 KiB of JSON come back.", [(TEXT, JSON[: 64 * 1024])]),
    ("incompressible", "Compressed noise comes back.", [(BINARY, NOISE)]),
    (
        "takeover",
        "The same message again, compressed as a reference to the first, comes back.",
        [(TEXT, b"Hello!")] * 3,
    ),
    ("alternating", "Text and binary with one context come back.", [(TEXT, b"Hello"), (BINARY, b"Hello")] * 4),
):
    CASES.both(f"deflate.message.{_id}", _title, "7.2", "D4" if "empty" in _id else "D9")(
        partial(_messages, messages=_messages_given)
    )


async def _raw(peer: Peer, stream: bytes, payload: bytes) -> None:
    await peer.open_deflate()
    await peer.echo(peer.frame(TEXT, stream, rsv=4), opcode=TEXT, payload=payload)
    await peer.echo(peer.text("plain"), opcode=TEXT, payload=b"plain")


# RFC 7692 7.2.3's own examples.
for _id, _title, _stream, _payload, _section in (
    ("fixed-huffman", "A block with fixed codes", bytes.fromhex("f248cdc9c90700"), b"Hello", "7.2.3.1"),
    ("stored", "A block without compression", bytes.fromhex("000500faff48656c6c6f00"), b"Hello", "7.2.3.3"),
    ("final", "A block with BFINAL set", bytes.fromhex("f348cdc9c9070000"), b"Hello", "7.2.3.4"),
    ("two-blocks", "Two blocks", bytes.fromhex("f24805000000ffffcac9c90700"), b"Hello", "7.2.3.5"),
    ("empty", "An empty message of one byte", b"\x00", b"", "7.2.3.6"),
):
    CASES.both(f"deflate.stream.{_id}", f"{_title} inflates and comes back.", _section, "D5" if _id == "final" else "")(
        partial(_raw, stream=_stream, payload=_payload)
    )


@CASES.both("deflate.stream.after-final", "A message after one with BFINAL set comes back.", "7.2.3.4", "D5")
async def _after_final(peer: Peer) -> None:
    await peer.open_deflate()
    for _ in range(2):
        await peer.echo(peer.compressed(TEXT, b"the last block", final=True), opcode=TEXT, payload=b"the last block")
        await peer.echo(peer.compressed(TEXT, b"and another"), opcode=TEXT, payload=b"and another")


# -- fragments and control frames


async def _fragments(peer: Peer, size: int, ping: bool = False) -> None:
    await peer.open_deflate()
    payload = JSON[:2000]
    stream = peer.deflated(payload)
    cuts = range(0, len(stream), size)
    pieces: list[Piece] = []
    for at in cuts:
        opcode, rsv = (Opcode.CONTINUATION, 0) if at else (TEXT, 4)
        pieces.append(peer.frame(opcode, stream[at : at + size], fin=at + size >= len(stream), rsv=rsv))
        if ping and not at:
            await peer.send(*pieces, peer.ping(b"between"))
            await peer.pongs(b"between")
            pieces.clear()
    await peer.echo(*pieces, opcode=TEXT, payload=payload)


for _size in (1, 64, 256):
    CASES.both(f"deflate.fragment.{_size}", f"A compressed message in fragments of {_size} comes back.", "6.1", "D11")(
        partial(_fragments, size=_size)
    )
CASES.both("deflate.fragment.ping-between", "A ping between compressed fragments is answered.", "6.1", "D1")(
    partial(_fragments, size=100, ping=True)
)


@CASES.both("deflate.fragment.empty-last", "A compressed message whose last fragment is empty comes back.", "6.1")
async def _empty_last(peer: Peer) -> None:
    await peer.open_deflate()
    stream = peer.deflated(b"Hello")
    await peer.echo(peer.frame(TEXT, stream, fin=False, rsv=4), peer.more(b""), opcode=TEXT, payload=b"Hello")


@CASES.both("deflate.fragment.empty-first", "A compressed message whose first fragment is empty comes back.", "6.1")
async def _empty_first(peer: Peer) -> None:
    await peer.open_deflate()
    stream = peer.deflated(b"Hello")
    await peer.echo(peer.frame(TEXT, b"", fin=False, rsv=4), peer.more(stream), opcode=TEXT, payload=b"Hello")


@CASES.both("deflate.plain", "An uncompressed message between compressed ones comes back.", "6", "D8")
async def _plain(peer: Peer) -> None:
    await peer.open_deflate()
    await peer.echo(peer.compressed(TEXT, b"Hello!"), opcode=TEXT, payload=b"Hello!")
    await peer.echo(peer.text("Hello!"), opcode=TEXT, payload=b"Hello!")
    await peer.echo(peer.compressed(TEXT, b"Hello!"), opcode=TEXT, payload=b"Hello!")


# -- context takeover and windows


async def _options(
    peer: Peer,
    probe_bits: int | None = None,
    probe_takeover: bool = True,
    peer_bits: int | None = None,
    peer_takeover: bool = True,
) -> None:
    """Messages whose repetitions are as far apart as any window: one too large refers to what is not kept."""
    await peer.open_deflate(
        probe_bits=probe_bits, probe_takeover=probe_takeover, peer_bits=peer_bits, peer_takeover=peer_takeover
    )
    for payload in (JSON[:1000], JSON[:1000], NOISE[:20000] + NOISE[:700] + JSON[:40000], JSON[20000:]):
        await peer.echo(peer.compressed(BINARY, payload), opcode=BINARY, payload=payload)


for _bits in range(8, 16):
    CASES.both(
        f"deflate.window.peer-{_bits}",
        f"Messages come back compressed within the window of {_bits} bits that was asked for.",
        "7.1.2",
        "X11" if _bits == 8 else "",
    )(partial(_options, peer_bits=_bits))
for _bits in range(8, 16):
    CASES.both(
        f"deflate.window.probe-{_bits}",
        f"Messages compressed within a window of {_bits} bits come back.",
        "7.1.2",
        "X11" if _bits == 8 else "",
    )(partial(_options, probe_bits=_bits))
CASES.both("deflate.takeover.peer-none", "Messages come back compressed each for itself, as agreed.", "7.1.1", "D9")(
    partial(_options, peer_takeover=False)
)
CASES.both("deflate.takeover.probe-none", "Messages compressed each for itself come back.", "7.1.1", "D9")(
    partial(_options, probe_takeover=False)
)
CASES.both("deflate.takeover.none-9", "Without context, and within 9 bits, messages come back.", "7.1", "D9")(
    partial(_options, probe_takeover=False, peer_takeover=False, probe_bits=9, peer_bits=9)
)

# -- many


async def _many(peer: Peer, size: int, count: int, takeover: bool = True) -> None:
    await peer.open_deflate(probe_takeover=takeover, peer_takeover=takeover)
    for number in range(count):
        payload = JSON[number * 7 :][:size]
        await peer.echo(peer.compressed(TEXT, payload), opcode=TEXT, payload=payload)


for _size, _count in ((16, 200), (256, 200), (1024, 200), (4096, 100), (32768, 20)):
    for _takeover in (True, False):
        CASES.both(
            f"deflate.many.{_count}-of-{_size}{'' if _takeover else '-no-takeover'}",
            f"{_count} messages of {_size} bytes come back, {'with' if _takeover else 'without'} context takeover.",
            "7.2",
            "D9",
        )(partial(_many, size=_size, count=_count, takeover=_takeover))

# -- what must not be


async def _wrong(peer: Peer, pieces: list[tuple[Opcode, bytes, bool, int]], codes: tuple[int, ...]) -> None:
    await peer.open_deflate()
    frames = [peer.frame(opcode, payload, fin=fin, rsv=rsv) for opcode, payload, fin, rsv in pieces]
    await (peer.fails(*frames) if codes == (1002,) else peer.fails_to_read(*frames, codes=codes))


HELLO: Final = bytes.fromhex("f248cdc9c90700")
MORE: Final = Opcode.CONTINUATION

for _id, _title, _section, _edge, _pieces, _codes in (
    ("rsv1-ping", "A ping with RSV1", "6", "D2", [(Opcode.PING, b"x", True, 4)], (1002,)),
    ("rsv1-pong", "A pong with RSV1", "6", "D2", [(Opcode.PONG, b"x", True, 4)], (1002,)),
    ("rsv1-close", "A close frame with RSV1", "6", "D2", [(Opcode.CLOSE, b"\x03\xe8", True, 4)], (1002,)),
    (
        "rsv1-continuation",
        "A continuation with RSV1 in a compressed message",
        "6",
        "D2",
        [(TEXT, HELLO[:3], False, 4), (MORE, HELLO[3:], True, 4)],
        (1002,),
    ),
    (
        "rsv1-continuation-of-plain",
        "A continuation with RSV1 in an uncompressed message",
        "6",
        "D2",
        [(TEXT, b"a", False, 0), (MORE, HELLO, True, 4)],
        (1002,),
    ),
    ("rsv2", "A compressed message with RSV2", "6", "F2", [(TEXT, HELLO, True, 6)], (1002,)),
    ("rsv3", "A compressed message with RSV3", "6", "F2", [(TEXT, HELLO, True, 5)], (1002,)),
    ("corrupt", "A block of the reserved type", "7.2.2", "D3", [(TEXT, b"\x06", True, 4)], (1007, 1002)),
    (
        "corrupt-stored",
        "A stored block of the wrong length",
        "7.2.2",
        "D3",
        [(TEXT, b"\x00\x05\x00\x00\x00Hello", True, 4)],
        (1007, 1002),
    ),
    (
        "far-reference",
        "A reference to before the beginning",
        "7.2.2",
        "D3",
        [(TEXT, bytes.fromhex("02020000"), True, 4)],
        (1007, 1002),
    ),
    (
        "bad-utf-8",
        "Compressed text that is not UTF-8",
        "7.2.2",
        "F11",
        [(TEXT, zlib.compress(b"ab\xff", wbits=-15) + b"\0", True, 4)],
        (1007,),
    ),
):
    CASES.both(f"deflate.wrong.{_id}", f"{_title} fails the connection.", _section, _edge)(
        partial(_wrong, pieces=_pieces, codes=_codes)
    )


# -- bombs


@CASES.both(
    "deflate.bomb.1mib", "1 MiB out of 1 KiB comes back, or is refused with 1009.", "RFC 7692 8", "D6", alone=True
)
async def _bomb(peer: Peer) -> None:
    await _inflates_to(peer, 2**20)


@CASES.both(
    "deflate.bomb.48mib", "48 MiB out of 48 KiB come back, or are refused with 1009.", "RFC 7692 8", "D6", alone=True
)
async def _large_bomb(peer: Peer) -> None:
    await _inflates_to(peer, 48 * 2**20)


async def _inflates_to(peer: Peer, size: int) -> None:
    await peer.open_deflate()
    payload = b"\0" * size
    await peer.send(peer.compressed(BINARY, payload))
    try:
        await peer.echoes(BINARY, payload)
    except ClosedInstead as closed:
        if closed.code is None:
            raise Failed("it ended the connection without a close frame") from None
        if closed.code != 1009:
            peer.remark(f"it refuses what inflates to too much with {closed.code}; 1009 would say why")
