"""UTF-8 (RFC 3629, RFC 6455 8.1): what is text, what is not, wherever it is cut, and how soon that is seen."""

from __future__ import annotations

from functools import partial
from typing import Final

from ..case import Cases
from ..frames import Opcode
from ..messages import Event
from ..peer import FENCE, Peer, Piece
from ..steps import Gone, NoAnswer

__all__ = ["CASES"]

CASES: Final = Cases("RFC 6455")


def _id(data: bytes) -> str:
    return data.hex("-") if len(data) <= 8 else f"{data[:4].hex('-')}-and-{len(data) - 4}-more"


async def _valid(peer: Peer, data: bytes) -> None:
    await peer.open()
    await peer.echo(peer.text(data), opcode=Opcode.TEXT, payload=data)


async def _invalid(peer: Peer, data: bytes) -> None:
    await peer.open()
    await peer.fails_to_read(peer.text(data))


async def _invalid_fragments(peer: Peer, parts: tuple[bytes, bytes]) -> None:
    await peer.open()
    await peer.fails_to_read(peer.text(parts[0], fin=False), peer.more(parts[1]))


# -- what is text: each length of a code point at its ends, and numbers that some take for no characters

for _point in (
    *(0x0, 0x24, 0x7F, 0x80, 0xA2, 0x7FF, 0x800, 0x20AC, 0xD7FF, 0xE000, 0xFDD0),
    *(0xFEFF, 0xFFF9, 0xFFFB, 0xFFFD, 0xFFFE, 0xFFFF, 0x10000, 0x1F44B, 0x1FFFE, 0x24B62, 0xFFFFF, 0x10FFFE, 0x10FFFF),
):
    CASES.both(f"utf8.valid.u+{_point:04x}", f"Text with U+{_point:04X} comes back.", "8.1")(
        partial(_valid, data=f"a{chr(_point)}b".encode())
    )
CASES.both("utf8.valid.greek", "Text of several code points of two and three bytes comes back.", "8.1")(
    partial(_valid, data="κόσμε".encode())
)
CASES.both("utf8.valid.mixed-64k", "64 KiB of code points of one to four bytes come back.", "8.1")(
    partial(_valid, data="aé€😀".encode() * 6554)
)

# -- what is none, in the order of Unicode's table 3-7 and Kuhn's stress test

INVALID: Final = {
    "continuation": [b"\x80", b"\xbf", b"\x80\xbf", b"\x80\xbf\x80\xbf\x80\xbf", bytes(range(0x80, 0xC0))],
    "lonely": [bytes([byte, 0x20]) for byte in (0xC2, 0xDF, 0xE0, 0xE1, 0xEF, 0xF0, 0xF1, 0xF4)],
    "cut": [
        *(b"\xc2", b"\xe0\xa0", b"\xe2\x82", b"\xef\xbf", b"\xf0\x90\x80", b"\xf0\x9f\x98", b"\xf4\x8f\xbf"),
        *(b"\xe2", b"\xf0", b"\xf0\x9f", b"\xe2\x82\xf0\x9f\x98\xc2"),
    ],
    "impossible": [b"\xfe", b"\xff", b"\xfe\xfe\xff\xff", b"\xf5\x80\x80\x80", b"\xf7\xbf\xbf\xbf"],
    "long": [
        b"\xf8\x88\x80\x80\x80",
        b"\xfb\xbf\xbf\xbf\xbf",
        b"\xfc\x84\x80\x80\x80\x80",
        b"\xfd\xbf\xbf\xbf\xbf\xbf",
    ],
    "overlong": [
        *(b"\xc0\x80", b"\xc0\xaf", b"\xc1\xbf", b"\xe0\x80\x80", b"\xe0\x80\xaf", b"\xe0\x9f\xbf"),
        *(b"\xf0\x80\x80\x80", b"\xf0\x80\x80\xaf", b"\xf0\x8f\xbf\xbf", b"\xf8\x87\xbf\xbf\xbf"),
    ],
    "surrogate": [
        *(b"\xed\xa0\x80", b"\xed\xad\xbf", b"\xed\xae\x80", b"\xed\xaf\xbf", b"\xed\xb0\x80", b"\xed\xbf\xbf"),
        *(b"\xed\xa0\x80\xed\xb0\x80", b"\xed\xaf\xbf\xed\xbf\xbf"),
    ],
    "beyond": [b"\xf4\x90\x80\x80", b"\xf4\xbf\xbf\xbf"],
}
_WORDS: Final = {
    "continuation": "continuation bytes without a start",
    "lonely": "a start byte before a space",
    "cut": "a code point cut at the end of the message",
    "impossible": "bytes that UTF-8 never has",
    "long": "a sequence of five or six bytes",
    "overlong": "an overlong form",
    "surrogate": "a surrogate",
    "beyond": "a number above U+10FFFF",
}
for _group, _datas in INVALID.items():
    for _data in _datas:
        _edge = "F14" if _group in ("overlong", "surrogate", "beyond") else "F11"
        CASES.both(
            f"utf8.invalid.{_group}.{_id(_data)}",
            f"Text with {_WORDS[_group]}, {_id(_data)}, fails the connection with 1007.",
            "8.1",
            _edge,
        )(partial(_invalid, data=_data))
CASES.both("utf8.invalid.at-the-end", "64 KiB of text with one bad byte at the end fail with 1007.", "8.1", "F11")(
    partial(_invalid, data=b"*" * 65535 + b"\xff")
)

# -- wherever it is cut


async def _cut(peer: Peer, data: bytes, at: int) -> None:
    await peer.open()
    await peer.echo(peer.text(data[:at], fin=False), peer.more(data[at:]), opcode=Opcode.TEXT, payload=data)


async def _cut_write(peer: Peer, data: bytes, chop: int) -> None:
    await peer.open()
    await peer.echo(peer.text(data), opcode=Opcode.TEXT, payload=data, chop=chop)


for _size, _character in ((2, "é"), (3, "€"), (4, "😀")):
    _data = _character.encode()
    for _at in range(1, _size):
        CASES.both(
            f"utf8.cut.{_size}-bytes-at-{_at}",
            f"A code point of {_size} bytes, its first {_at} in one fragment and the rest in the next, comes back.",
            "5.6",
            "F13",
        )(partial(_cut, data=_data, at=_at))
    for _at in range(1, _size):
        CASES.both(
            f"utf8.cut.{_size}-bytes-at-{_at}-spoilt",
            f"A code point of {_size} bytes whose next fragment does not go on after {_at} fails with 1007.",
            "8.1",
            "F12",
        )(partial(_invalid_fragments, parts=(_data[:_at], b"x")))
CASES.both("utf8.cut.chopped", "Code points of every length, written byte by byte, come back.", "5.6", "F13")(
    partial(_cut_write, data="aé€😀κόσμε".encode(), chop=1)
)


@CASES.both("utf8.cut.bytewise", "Code points of every length in fragments of one byte come back.", "5.6", "F13")
async def _bytewise(peer: Peer) -> None:
    await peer.open()
    data = "aé€😀κόσμε".encode()
    pieces = [peer.text(data[:1], fin=False)]
    pieces += [peer.more(data[at : at + 1], fin=at == len(data) - 1) for at in range(1, len(data))]
    await peer.echo(*pieces, opcode=Opcode.TEXT, payload=data)


@CASES.both("utf8.cut.ping-within", "A ping within a code point is answered, and the text comes back.", "5.6", "F13")
async def _ping_within(peer: Peer) -> None:
    await peer.open()
    await peer.send(peer.text(b"\xe2", fin=False), peer.ping(b"within"))
    await peer.pongs(b"within")
    await peer.echo(peer.more(b"\x82\xac"), opcode=Opcode.TEXT, payload="€".encode())


CASES.both("utf8.cut.end-in-empty", "A cut code point before an empty last fragment fails with 1007.", "8.1", "F12")(
    partial(_invalid_fragments, parts=(b"\xe2\x82", b""))
)


@CASES.both("utf8.binary", "A binary message that is not UTF-8 comes back.", "5.6")
async def _binary(peer: Peer) -> None:
    await peer.open()
    data = bytes(range(256))
    await peer.echo(peer.binary(data), opcode=Opcode.BINARY, payload=data)


@CASES.both("utf8.message-apart", "A cut code point does not spill into the message after a binary one.", "8.1")
async def _apart(peer: Peer) -> None:
    await peer.open()
    await peer.echo(peer.binary(b"\xe2\x82"), opcode=Opcode.BINARY, payload=b"\xe2\x82")
    await peer.echo(peer.text("fresh"), opcode=Opcode.TEXT, payload=b"fresh")


# -- how soon: RFC 6455 8.1 asks for a failure and does not say when; to see it at once is better


async def _fast_fragment(peer: Peer, data: bytes) -> None:
    """The bad bytes are in a fragment that is not the last: a ping behind it shows whether they were looked at."""
    await peer.open()
    await peer.send(peer.text("κόσμε", fin=False), peer.more(data, fin=False), peer.ping(FENCE))
    event = await peer.next_event("the connection to be failed, or a pong")
    if event == (Opcode.PONG, FENCE):
        peer.remark("it sees text that is not UTF-8 only when the message is whole")
        await peer.send(peer.more("edited"), peer.text(FENCE))
        event = await peer.next_event("the connection to be failed")
    await peer.is_failed_by(event, (1007,))


for _data in (b"\xf4\x90\x80\x80", b"\xf4\x90", b"\xff", b"\xed\xa0\x80"):
    CASES.both(
        f"utf8.fail-fast.fragment-{_id(_data)}",
        f"The bytes {_id(_data)} in a fragment that is not the last fail the connection at once.",
        "8.1",
        "F12",
    )(partial(_fast_fragment, data=_data))


async def _fast_half(peer: Peer, data: bytes) -> None:
    """The bad bytes are in the first half of a frame, behind which nothing can be sent: only time can tell."""
    await peer.open()
    whole = peer.text("κόσμε".encode() + data + b"edited")
    await peer.send(Piece(whole.data[:-6], f"a text frame without its last six bytes:{whole.says}"))
    event: Event | Gone
    try:
        event = await peer.next_event("the connection to be failed")
    except NoAnswer:
        peer.remark("it sees text that is not UTF-8 only when the frame is whole")
        await peer.send(Piece(whole.data[-6:], "its last six bytes"), peer.text(FENCE))
        event = await peer.next_event("the connection to be failed")
    await peer.is_failed_by(event, (1007,))


for _data in (b"\xf4\x90\x80\x80", b"\xff"):
    CASES.both(
        f"utf8.fail-fast.half-{_id(_data)}",
        f"The bytes {_id(_data)} in the first half of a frame fail the connection before the second half comes.",
        "8.1",
        "F12",
        slow=True,
    )(partial(_fast_half, data=_data))
