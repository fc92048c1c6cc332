"""Reserved bits, reserved opcodes and masking (RFC 6455 5.1 to 5.3): what an endpoint must not take."""

from __future__ import annotations

from functools import partial
from typing import Final

from ..case import Cases
from ..client_peer import ClientPeer
from ..frames import Opcode
from ..outcome import Failed
from ..peer import FENCE, Peer
from ..server_peer import ServerPeer
from ..steps import Gone

__all__ = ["CASES"]

CASES: Final = Cases("RFC 6455")


async def _reserved(peer: Peer, opcode: int, rsv: int = 0, payload: bytes = b"x") -> None:
    await peer.open()
    await peer.fails(peer.frame(opcode, payload, rsv=rsv))


# -- reserved bits, without an extension that gives them a meaning

for _rsv in range(1, 8):
    CASES.both(
        f"frames.rsv.{_rsv}-text",
        f"A text frame with the reserved bits {_rsv:03b} fails the connection with 1002.",
        "5.2",
        "F3" if _rsv == 4 else "F2",
    )(partial(_reserved, opcode=Opcode.TEXT, rsv=_rsv))
for _name, _opcode, _payload in (
    ("binary", Opcode.BINARY, b"x"),
    ("ping", Opcode.PING, b"x"),
    ("pong", Opcode.PONG, b"x"),
    ("close", Opcode.CLOSE, b"\x03\xe8"),
):
    for _rsv in (1, 2, 4):
        CASES.both(
            f"frames.rsv.{_rsv}-{_name}",
            f"A {_name} frame with the reserved bits {_rsv:03b} fails the connection with 1002.",
            "5.2",
            "F3" if _rsv == 4 else "F2",
        )(partial(_reserved, opcode=_opcode, rsv=_rsv, payload=_payload))


async def _reserved_later(peer: Peer, rsv: int) -> None:
    await peer.open()
    await peer.fails(peer.text("one", fin=False), peer.frame(Opcode.CONTINUATION, b"two", rsv=rsv))


for _rsv in (1, 2, 4):
    CASES.both(
        f"frames.rsv.{_rsv}-continuation",
        f"A continuation frame with the reserved bits {_rsv:03b} fails the connection with 1002.",
        "5.2",
        "F3" if _rsv == 4 else "F2",
    )(partial(_reserved_later, rsv=_rsv))


@CASES.both("frames.rsv.after-a-message", "A good message comes back before the bad one behind it fails.", "5.2", "F32")
async def _after_a_message(peer: Peer) -> None:
    await peer.open()
    await peer.send(peer.text("good"), peer.frame(Opcode.TEXT, b"bad", rsv=2), peer.ping(FENCE))
    event = await peer.next_event("the echo")
    if event == (Opcode.TEXT, b"good"):
        await peer.is_failed()
    else:
        await peer.is_failed_by(event, (1002,))
        peer.remark("it dropped the message before the violation")


# -- reserved opcodes

for _opcode_number in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
    CASES.both(
        f"frames.opcode.{_opcode_number:x}",
        f"A frame with the reserved opcode {_opcode_number:#x} fails the connection with 1002.",
        "5.2",
        "F4",
    )(partial(_reserved, opcode=_opcode_number))
for _opcode_number in (3, 11):
    CASES.both(
        f"frames.opcode.{_opcode_number:x}-empty",
        f"An empty frame with the reserved opcode {_opcode_number:#x} fails the connection with 1002.",
        "5.2",
        "F4",
    )(partial(_reserved, opcode=_opcode_number, payload=b""))


async def _reserved_within(peer: Peer, opcode: int) -> None:
    await peer.open()
    await peer.fails(peer.text("one", fin=False), peer.frame(opcode, b"x"), peer.more("two"))


for _opcode_number in (5, 13):
    CASES.both(
        f"frames.opcode.{_opcode_number:x}-within-message",
        f"The reserved opcode {_opcode_number:#x} between fragments fails the connection with 1002.",
        "5.2",
        "F4",
    )(partial(_reserved_within, opcode=_opcode_number))

# -- masking


async def _wrongly_masked(peer: Peer, opcode: Opcode, payload: bytes) -> None:
    await peer.open()
    await peer.fails(peer.frame(opcode, payload, masked=peer.role == "client"))


for _name, _opcode, _payload in (
    ("text", Opcode.TEXT, b"x"),
    ("text-empty", Opcode.TEXT, b""),
    ("binary", Opcode.BINARY, b"x"),
    ("ping", Opcode.PING, b"x"),
    ("pong", Opcode.PONG, b"x"),
    ("close", Opcode.CLOSE, b"\x03\xe8"),
):
    CASES.server(
        f"frames.mask.unmasked-{_name}",
        f"An unmasked {_name.partition('-')[0]} frame from a client fails the connection with 1002.",
        "5.1",
        "F1",
    )(partial(_wrongly_masked, opcode=_opcode, payload=_payload))
    CASES.client(
        f"frames.mask.masked-{_name}",
        f"A masked {_name.partition('-')[0]} frame from a server fails the connection with 1002.",
        "5.1",
    )(partial(_wrongly_masked, opcode=_opcode, payload=_payload))


@CASES.server("frames.mask.unmasked-continuation", "An unmasked continuation frame fails the connection.", "5.1", "F1")
async def _unmasked_continuation(peer: ServerPeer) -> None:
    await peer.open()
    await peer.fails(peer.text("one", fin=False), peer.frame(Opcode.CONTINUATION, b"two", masked=False))


async def _key(peer: ServerPeer, mask: bytes) -> None:
    await peer.open()
    for size in range(18):  # an unmasking that works on words has an end that is shorter
        payload = bytes(range(33, 33 + size))
        await peer.echo(peer.frame(Opcode.BINARY, payload, mask=mask), opcode=Opcode.BINARY, payload=payload)


for _name, _mask in (("zero", bytes(4)), ("ones", b"\xff" * 4), ("mixed", b"\x00\xff\x80\x01")):
    CASES.server(
        f"frames.mask.key-{_name}", f"Messages of 0 to 17 bytes under the key {_mask.hex()} come back.", "5.3"
    )(partial(_key, mask=_mask))


@CASES.client("frames.mask.keys-differ", "A client takes a new masking key for each frame.", "5.3")
async def _keys_differ(peer: ClientPeer) -> None:
    await peer.open()
    keys: set[bytes] = set()
    for number in range(8):
        await peer.send(peer.ping(str(number).encode()))
        frame = await peer.next_frame("a pong")
        if isinstance(frame, Gone):
            raise Failed(f"{frame.value} came in place of a pong")
        keys.add(frame.mask or b"")
    if len(keys) < 8:
        raise Failed(f"its 8 frames had {len(keys)} masking keys")
