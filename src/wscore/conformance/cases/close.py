"""The closing handshake (RFC 6455 5.5.1, 7): codes, reasons, and that nothing comes after it."""

from __future__ import annotations

from functools import partial
from typing import Final

from ..case import Cases
from ..frames import Opcode, close_payload
from ..outcome import Failed
from ..peer import FENCE, Peer

__all__ = ["CASES"]

CASES: Final = Cases("RFC 6455")


async def _answered(peer: Peer, code: int | None, reason: bytes = b"") -> None:
    """See a close frame answered by one with its code, and the TCP connection ended."""
    await peer.open()
    await peer.send_close(code, reason)
    event = await peer.closes()
    if event is None:
        raise Failed("it answered the close frame with none (RFC 6455 5.5.1)")
    if event.code != code and not (code is None and event.code == 1000):
        peer.remark(f"it answered {'an empty close frame' if code is None else code} with {event}")
    await peer.finish()


CASES.both("close.empty", "A close frame without a code is answered by one.", "5.5.1", "F21")(
    partial(_answered, code=None)
)
for _code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999):
    CASES.both(f"close.code.{_code}", f"A close frame with {_code} is answered by one with {_code}.", "7.4", "F17")(
        partial(_answered, code=_code)
    )
for _id, _title, _reason in (
    ("short", "A close frame with a reason is answered.", b"going home"),
    ("utf-8", "A close frame whose reason is not ASCII is answered.", "тебе пора, 再见, 👋".encode()),
    ("123", "A close frame with the longest reason, of 123 bytes, is answered.", b"*" * 123),
):
    CASES.both(f"close.reason.{_id}", _title, "5.5.1", "F20")(partial(_answered, code=1000, reason=_reason))

# -- close frames that no endpoint may send


async def _invalid(peer: Peer, payload: bytes, codes: tuple[int, ...] = (1002,), *, fin: bool = True) -> None:
    await peer.open()
    await peer.send(peer.frame(Opcode.CLOSE, payload, fin=fin))
    event = await peer.next_event("the close frame")
    code = int.from_bytes(payload[:2])
    if isinstance(event, tuple) and event.opcode is Opcode.CLOSE and event.code == code and len(payload) > 1:
        peer.remark(f"it took the close frame and answered with {code}")
        await peer.finish()
        return
    await peer.is_failed_by(event, codes)


# An answer with 1005 is a fault of its own: the peer's frame is one that must not be sent. An answer with 2000 is
# lenient: codes below 3000 are the protocol's, and a later version could define them.
for _code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535):
    CASES.both(f"close.code.{_code}", f"A close frame with {_code} fails the connection with 1002.", "7.4", "F16")(
        partial(_invalid, payload=close_payload(_code))
    )
CASES.both("close.one-byte", "A close frame of one byte fails the connection with 1002.", "5.5.1", "F15")(
    partial(_invalid, payload=b"\x03")
)
for _id, _title, _reason in (
    ("invalid-utf-8", "A reason that is not UTF-8", b"\xff\xfe"),
    ("cut-code-point", "A reason that ends within a code point", b"ok \xe2\x82"),
    ("surrogate", "A reason with a surrogate", b"\xed\xa0\x80"),
):
    CASES.both(f"close.reason.{_id}", f"{_title} fails the connection with 1007.", "5.5.1", "F18")(
        partial(_invalid, payload=close_payload(1000, _reason), codes=(1007, 1002))
    )
CASES.both("close.too-long", "A close frame of 126 bytes fails the connection with 1002.", "5.5", "F6")(
    partial(_invalid, payload=close_payload(1000, b"*" * 124))
)
CASES.both("close.fragment", "A close frame that is not final fails the connection with 1002.", "5.5", "F5")(
    partial(_invalid, payload=close_payload(1000), fin=False)
)

# -- after it


async def _then(peer: Peer, opcode: Opcode, payload: bytes) -> None:
    await peer.open()
    await peer.send_close(1000, after=(peer.frame(opcode, payload),))
    event = await peer.closes()
    if event is None:
        raise Failed("it answered the close frame with none (RFC 6455 5.5.1)")
    if event.code != 1000:
        peer.remark(f"it answered 1000 with {event}")
    await peer.finish()


for _id, _title, _opcode, _payload in (
    ("text", "A text frame after a close frame is ignored.", Opcode.TEXT, b"late"),
    ("ping", "A ping after a close frame is ignored.", Opcode.PING, FENCE),
    ("close", "A second close frame is ignored.", Opcode.CLOSE, close_payload(1001)),
    ("invalid", "A frame with a reserved opcode after a close frame is ignored.", Opcode.TEXT, b"\xff"),
):
    CASES.both(f"close.then.{_id}", _title, "5.5.1", "F22")(partial(_then, opcode=_opcode, payload=_payload))


@CASES.both(
    "close.then.rest-of-message", "The rest of a message after a close frame within it is ignored.", "5.5.1", "F22"
)
async def _then_rest(peer: Peer) -> None:
    await peer.open()
    await peer.send_close(1000, before=(peer.text("one", fin=False),), after=(peer.more("two"), peer.ping(FENCE)))
    event = await peer.closes()
    if event is None:
        raise Failed("it answered the close frame with none (RFC 6455 5.5.1)")
    if event.code != 1000:
        peer.remark(f"it answered 1000 with {event}")
    await peer.finish()


@CASES.both("close.after-message", "A message before a close frame comes back before the answer.", "5.5.1", "F32")
async def _after_message(peer: Peer) -> None:
    await peer.open()
    await peer.send_close(1000, before=(peer.text("last words"),))
    event = await peer.next_event("the echo, or the close frame")
    if event == (Opcode.TEXT, b"last words"):
        event = await peer.next_event("the close frame")
    else:
        peer.remark("it dropped the message before the close frame")
    if not isinstance(event, tuple) or event.opcode is not Opcode.CLOSE:
        raise Failed(f"{event} came in place of a close frame")
    await peer.finish()


@CASES.both("close.chopped", "A close frame, written byte by byte, is answered.", "5.5.1", "F30")
async def _chopped(peer: Peer) -> None:
    await peer.open()
    await peer.send_close(1000, "one byte at a time", chop=1)
    if await peer.closes() is None:
        raise Failed("it answered the close frame with none (RFC 6455 5.5.1)")
    await peer.finish()


# -- in its place


@CASES.both("close.eof", "The end of the stream in place of a close frame ends the connection.", "7.1.1")
async def _eof(peer: Peer) -> None:
    await peer.open()
    await peer.echo(peer.text("hello"), opcode=Opcode.TEXT, payload=b"hello")
    await peer.end_writing()
    await peer.ends()


@CASES.both("close.eof-within-frame", "The end of the stream within a frame ends the connection.", "7.1.1")
async def _eof_within(peer: Peer) -> None:
    await peer.open()
    whole = peer.text("hello")
    await peer.send(whole._replace(data=whole.data[:-2], says="a text frame without its last two bytes"))
    await peer.end_writing()
    event = await peer.next_event("the end of the TCP connection")
    if isinstance(event, tuple) and event.opcode is not Opcode.CLOSE:
        raise Failed(f"{event} came, though the message was cut")
    if isinstance(event, tuple):
        await peer.ends()
