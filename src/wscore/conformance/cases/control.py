"""Pings and pongs (RFC 6455 5.5): every ping has its pong, no pong has an answer, and both stay short and whole."""

from __future__ import annotations

from functools import partial
from typing import Final

from ..case import Cases
from ..frames import Opcode
from ..outcome import Failed
from ..peer import FENCE, Peer

__all__ = ["CASES"]

CASES: Final = Cases("RFC 6455")


async def _ping(peer: Peer, payload: bytes, chop: int = 0) -> None:
    await peer.open()
    await peer.send(peer.ping(payload), chop=chop)
    await peer.pongs(payload)


for _id, _payload in (
    ("empty", b""),
    ("text", b"Hello, world!"),
    ("binary", b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"),
    ("124", b"*" * 124),
    ("125", b"*" * 125),
):
    CASES.both(f"control.ping.{_id}", f"A ping of {len(_payload)} bytes gets a pong with them.", "5.5.2", "F26")(
        partial(_ping, payload=_payload)
    )
CASES.both("control.ping.chopped", "A ping of 125 bytes, written byte by byte, gets its pong.", "5.5.2", "F26")(
    partial(_ping, payload=b"*" * 125, chop=1)
)


async def _pings(peer: Peer, count: int, chop: int = 0) -> None:
    await peer.open()
    payloads = [f"ping {number}".encode() for number in range(count)]
    await peer.send(*map(peer.ping, payloads), chop=chop)
    got: list[bytes] = []
    while not got or got[-1] != payloads[-1]:
        event = await peer.next_event("the pongs")
        if not isinstance(event, tuple) or event.opcode is not Opcode.PONG:
            raise Failed(f"{event} came in place of a pong")
        got.append(event.payload)
    if got == payloads:
        return
    if got != [payload for payload in payloads if payload in got]:
        raise Failed("the pongs came in another order than their pings")
    peer.remark(f"it answered {len(got)} of {count} pings, the latest among them, which RFC 6455 5.5.3 allows")


for _count in (3, 10, 100):
    CASES.both(f"control.ping.{_count}", f"{_count} pings in one write are answered in order.", "5.5.3", "F24")(
        partial(_pings, count=_count)
    )
CASES.both("control.ping.10-chopped", "Ten pings, written byte by byte, are answered in order.", "5.5.3", "F24")(
    partial(_pings, count=10, chop=1)
)


@CASES.both("control.ping.before-close", "A ping and a close in one segment: a pong, then a close.", "5.5.2", "F23")
async def _before_close(peer: Peer) -> None:
    await peer.open()
    await peer.send_close(1000, before=(peer.ping(b"last"),))
    event = await peer.next_event("a pong or a close frame")
    if event == (Opcode.PONG, b"last"):
        event = await peer.next_event("the close frame")
    else:
        peer.remark("it did not answer the ping before the close frame")
    if not isinstance(event, tuple) or event.opcode is not Opcode.CLOSE:
        raise Failed(f"{event} came in place of a close frame")
    await peer.finish()


@CASES.both(
    "control.ping.then-message", "A ping and a message in one segment: a pong and an echo, in either order.", "5.5.2"
)
async def _then_message(peer: Peer) -> None:
    await peer.open()
    await peer.send(peer.ping(b"1"), peer.text("hello"))
    await peer.pong_and_echo(b"1", Opcode.TEXT, b"hello")


async def _pong(peer: Peer, payload: bytes) -> None:
    await peer.open()
    await peer.send(peer.pong(payload), peer.ping(FENCE))
    await peer.pongs(FENCE)
    await peer.echo(peer.text("hello"), opcode=Opcode.TEXT, payload=b"hello")


for _id, _payload in (("empty", b""), ("payload", b"nobody asked"), ("125", b"*" * 125)):
    CASES.both(f"control.pong.unsolicited-{_id}", "An unsolicited pong is ignored.", "5.5.3", "F25")(
        partial(_pong, payload=_payload)
    )


@CASES.both("control.pong.many", "A thousand unsolicited pongs are ignored.", "5.5.3", "F25")
async def _pongs(peer: Peer) -> None:
    await peer.open()
    await peer.send(*[peer.pong(b"x")] * 1000, peer.text("hello"))
    await peer.echoes(Opcode.TEXT, b"hello")


# -- too long, or in fragments

CODES: Final = {Opcode.PING: "ping", Opcode.PONG: "pong"}


async def _wrong(peer: Peer, opcode: Opcode, payload: bytes, fin: bool = True) -> None:
    await peer.open()
    await peer.fails(peer.frame(opcode, payload, fin=fin))


for _opcode, _name in CODES.items():
    for _size in (126, 65536):
        CASES.both(
            f"control.{_name}.{_size}", f"A {_name} of {_size} bytes fails the connection with 1002.", "5.5", "F6"
        )(partial(_wrong, opcode=_opcode, payload=b"*" * _size))
    CASES.both(f"control.{_name}.fragment", f"A {_name} that is not final fails the connection.", "5.5", "F5")(
        partial(_wrong, opcode=_opcode, payload=b"x", fin=False)
    )


@CASES.both("control.ping.continued", "A ping in two fragments fails the connection with 1002.", "5.5", "F5")
async def _continued(peer: Peer) -> None:
    await peer.open()
    await peer.fails(peer.frame(Opcode.PING, b"a", fin=False), peer.more("b"))


@CASES.both("control.ping.fragment-within-message", "Half a ping within a message fails the connection.", "5.5", "F5")
async def _within(peer: Peer) -> None:
    await peer.open()
    await peer.fails(peer.text("a", fin=False), peer.frame(Opcode.PING, b"x", fin=False), peer.more("b"))
