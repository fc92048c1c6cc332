"""Fragmentation (RFC 6455 5.4): a message in any number of frames, with control frames alone between them."""

from __future__ import annotations

from functools import partial
from typing import Final

from ..case import Cases
from ..frames import Opcode
from ..outcome import Failed
from ..peer import Peer

__all__ = ["CASES"]

CASES: Final = Cases("RFC 6455")

KINDS: Final = {"text": Opcode.TEXT, "binary": Opcode.BINARY}


async def _parts(peer: Peer, opcode: Opcode, parts: list[bytes], chop: int = 0) -> None:
    await peer.open()
    first, *rest = parts
    pieces = [peer.frame(opcode, first, fin=not rest)]
    pieces += [peer.more(part, fin=at == len(rest)) for at, part in enumerate(rest, 1)]
    await peer.echo(*pieces, opcode=opcode, payload=b"".join(parts), chop=chop)


for _name, _opcode in KINDS.items():
    for _id, _words, _list in (
        ("two", "in two fragments", [b"one", b"two"]),
        ("three", "in three fragments", [b"one", b"two", b"three"]),
        ("bytes", "in fragments of one byte", [bytes([byte]) for byte in b"one byte at a time"]),
        ("hundred", "in a hundred fragments", [b"0123456789"] * 100),
        ("empty-all", "whose three fragments are empty", [b"", b"", b""]),
        ("empty-first", "whose first fragment is empty", [b"", b"one"]),
        ("empty-middle", "with an empty fragment in the middle", [b"one", b"", b"two"]),
        ("empty-last", "whose last fragment is empty", [b"one", b""]),
    ):
        CASES.both(f"fragments.{_id}-{_name}", f"A {_name} message {_words} comes back whole.", "5.4", "F27")(
            partial(_parts, opcode=_opcode, parts=_list)
        )
    CASES.both(
        f"fragments.chopped-{_name}", f"A {_name} message in fragments, written byte by byte, comes back.", "5.4", "F30"
    )(partial(_parts, opcode=_opcode, parts=[b"one", b"", b"two"], chop=1))

# -- control frames between fragments


@CASES.both("fragments.ping-between", "A ping between fragments is answered at once, and the message kept.", "5.4")
async def _ping_between(peer: Peer) -> None:
    await peer.open()
    await peer.send(peer.text("one", fin=False), peer.ping(b"between"))
    await peer.pongs(b"between")
    await peer.echo(peer.more("two"), opcode=Opcode.TEXT, payload=b"onetwo")


@CASES.both("fragments.ping-between-segment", "A ping between fragments in one segment is answered.", "5.4")
async def _ping_in_segment(peer: Peer) -> None:
    await peer.open()
    await peer.send(peer.text("one", fin=False), peer.ping(b"between"), peer.more("two"))
    await peer.pong_and_echo(b"between", Opcode.TEXT, b"onetwo")


@CASES.both("fragments.pings-between-many", "Pings between many fragments are all answered, in order.", "5.4")
async def _pings_between_many(peer: Peer) -> None:
    await peer.open()
    await peer.send(peer.binary(b"0", fin=False))
    for number in range(1, 9):
        await peer.send(peer.ping(str(number).encode()), peer.more(str(number), fin=False))
        await peer.pongs(str(number).encode())
    await peer.echo(peer.more("9"), opcode=Opcode.BINARY, payload=b"0123456789")


@CASES.both("fragments.pong-between", "An unsolicited pong between fragments is ignored.", "5.5.3", "F25")
async def _pong_between(peer: Peer) -> None:
    await peer.open()
    await peer.echo(
        peer.text("one", fin=False), peer.pong(b"x"), peer.more("two"), opcode=Opcode.TEXT, payload=b"onetwo"
    )


@CASES.both("fragments.close-between", "A close within a message is answered, and the message dropped.", "5.4", "F19")
async def _close_between(peer: Peer) -> None:
    await peer.open()
    await peer.send_close(1000, before=(peer.text("one", fin=False),))
    if await peer.closes() is None:
        raise Failed("it answered the close frame with none (RFC 6455 5.5.1)")
    await peer.finish()


# -- what must not be


async def _wrong(peer: Peer, frames: list[tuple[Opcode, bytes, bool]]) -> None:
    await peer.open()
    await peer.fails(*(peer.frame(opcode, payload, fin=fin) for opcode, payload, fin in frames))


TEXT, BINARY, MORE = Opcode.TEXT, Opcode.BINARY, Opcode.CONTINUATION

for _id, _title, _edge, _frames in (
    ("continuation-alone", "A continuation frame without a start", "F7", [(MORE, b"x", True)]),
    ("continuation-alone-unfinished", "An unfinished continuation without a start", "F7", [(MORE, b"x", False)]),
    ("continuation-alone-empty", "An empty continuation frame without a start", "F7", [(MORE, b"", True)]),
    (
        "continuation-alone-then-text",
        "A continuation without a start, before a message",
        "F7",
        [(MORE, b"x", False), (TEXT, b"y", True)],
    ),
    (
        "text-in-text",
        "A text frame within a text message",
        "F8",
        [(TEXT, b"a", False), (TEXT, b"b", True)],
    ),
    (
        "binary-in-text",
        "A binary frame within a text message",
        "F8",
        [(TEXT, b"a", False), (BINARY, b"b", True)],
    ),
    (
        "text-in-binary",
        "A text frame within a binary message",
        "F8",
        [(BINARY, b"a", False), (TEXT, b"b", True)],
    ),
    (
        "unfinished-in-text",
        "A second unfinished text frame",
        "F8",
        [(TEXT, b"a", False), (TEXT, b"b", False), (MORE, b"c", True)],
    ),
    (
        "text-after-continuation",
        "A text frame within a message that has been continued",
        "F8",
        [(TEXT, b"a", False), (MORE, b"b", False), (TEXT, b"c", True)],
    ),
):
    CASES.both(f"fragments.{_id}", f"{_title} fails the connection with 1002.", "5.4", _edge)(
        partial(_wrong, frames=_frames)
    )


@CASES.both("fragments.continuation-after-end", "A continuation after a message's end fails.", "5.4", "F7")
async def _after_end(peer: Peer) -> None:
    await peer.open()
    pieces = [peer.text("a", fin=False), peer.more("b")]
    await peer.echo(*pieces, opcode=Opcode.TEXT, payload=b"ab")
    await peer.fails(peer.more("c"))
