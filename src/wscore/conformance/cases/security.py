"""What an attacker sends (RFC 6455 10): a peer may refuse it in many ways, and has to serve the next connection."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from ..case import Cases
from ..frames import Opcode
from ..heads import Header
from ..outcome import Failed
from ..peer import FENCE, Peer, Piece
from ..server_peer import ServerPeer
from ..steps import Gone, NoAnswer, Pause, perform

__all__ = ["CASES"]

CASES: Final = Cases("RFC 6455")


async def _serves_others(peer: ServerPeer) -> None:
    """See that a new connection works as if nothing had been."""
    await peer.connect_again()
    await peer.open()
    await peer.echo(peer.text("still here?"), opcode=Opcode.TEXT, payload=b"still here?")


# -- heads


_HELLO: Final = bytes.fromhex("160301002e0100002a0303") + bytes(range(39))
for _id, _title, _data in (
    ("tls", "A TLS hello", _HELLO),
    ("http-2", "HTTP/2's preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("zeros", "64 KiB of zeros", bytes(65536)),
    ("noise", "Bytes that are no text, and an empty line", b"\xff\xfe\x00\x80\r\n\r\n"),
    ("proxy-line", "A PROXY line", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n\r\n"),
):

    @CASES.server(f"security.garbage.{_id}", f"{_title} in place of a head harms nobody else.", "RFC 9112 2.2", "T11")
    async def _garbage(peer: ServerPeer, data: bytes = _data, says: str = _title) -> None:
        await peer.send(Piece(data, says))
        await peer.end_writing()  # so that no server waits for the rest of what will never be a head
        await _response_or_garbage(peer)
        await _serves_others(peer)


async def _response_or_garbage(peer: ServerPeer) -> None:
    """Wait for the end; what comes before it may be anything but a 101: an alert, HTTP/2's frames, a 400."""
    seen = b""
    while not isinstance(data := await peer.receive("the end of the TCP connection"), Gone):
        seen = (seen + data)[:64]
    if seen.startswith(b"HTTP/1.1 101"):
        raise Failed("it accepted the handshake")


async def _header(peer: ServerPeer, header: bytes, must: bool) -> None:
    """See a header refused. `must` is False where a recipient may also repair it (RFC 9110 5.5, RFC 9112 5.2)."""
    await peer.send(peer.request(header))
    head = await peer.response()
    if isinstance(head, Gone):
        peer.remark("it ended the connection without a response")
    elif head.status == 101:
        if must:
            raise Failed("it accepted the handshake")
        peer.remark("it accepted the handshake, and hopefully repaired the header")
    elif head.status != 400:
        peer.remark(f"it refused with {head.first!r}; 400 would say why")
    await _serves_others(peer)


for _id, _title, _bytes, _must, _section in (
    ("nul", "NUL in a header", b"X-A: a\0b", False, "RFC 9110 5.5"),
    ("cr", "A bare CR in a header", b"X-A: a\rb", False, "RFC 9112 2.2"),
    ("fold", "A header folded over two lines", b"X-A: a\r\n b", False, "RFC 9112 5.2"),
    ("space-before-colon", "A space before the colon", b"X-A : a", True, "RFC 9112 5.1"),
    ("no-colon", "A line without a colon", b"no colon here", True, "RFC 9112 5"),
    ("no-name", "A header without a name", b": a", True, "RFC 9112 5"),
    ("name", "A name that is not a token", b"X(A): a", True, "RFC 9110 5.1"),
):
    _edge = "E19" if _id == "fold" else "E18"
    CASES.server(f"security.header.{_id}", f"{_title} is refused with 400.", _section, _edge)(
        partial(_header, header=_bytes, must=_must)
    )


async def _oversized(peer: ServerPeer, headers: Sequence[Header | bytes], target: str | None = None) -> None:
    await peer.send(peer.request(*headers, target=target))
    head = await peer.response()
    if isinstance(head, Gone):
        peer.remark("it ended the connection without a response")
    elif head.status == 101:
        peer.remark("it accepted the head: a limit, if it has one, is higher")
    elif head.status not in (400, 414, 431):
        peer.remark(f"it refused with {head.first!r}; 431 would say why")
    await _serves_others(peer)


CASES.server("security.head.1mib", "A header of 1 MiB is refused.", "RFC 6585 5", "E21", alone=True)(
    partial(_oversized, headers=[("X-Large", "x" * 2**20)])
)
CASES.server("security.head.10000-headers", "A head of 10,000 headers is refused.", "RFC 6585 5", "E22", alone=True)(
    partial(_oversized, headers=[("X", "y")] * 10_000)
)
CASES.server("security.head.target-1mib", "A target of 1 MiB is refused.", "RFC 9112 3", "E21", alone=True)(
    partial(_oversized, headers=[], target="/" + "x" * 2**20)
)


@CASES.server(
    "security.head.slow", "A head that drips in, a byte each half second, is ended in time.", "10.4", "E23", slow=True
)
async def _slow(peer: ServerPeer) -> None:
    whole = peer.request()
    await peer.send(Piece(whole.data[:20], "the beginning of a head"))
    for at in range(20, 60):
        await perform(Pause(0.5))
        await peer.send(Piece(whole.data[at : at + 1], "one more byte"))
        try:
            data = await peer.receive("an end", 0.01)
        except NoAnswer:
            continue
        if isinstance(data, Gone):
            return
        if not data.startswith(b"HTTP/1.1 4"):
            raise Failed(f"{data[:40]!r} came in answer to half a head")
        return
    peer.remark("it reads a head for longer than 20 s, as long as bytes come")


# -- request smuggling: a body on an upgrade, on whose length two readers may disagree


async def _smuggled(peer: ServerPeer, headers: Sequence[Header], body: bytes, must: bool) -> None:
    request = peer.request(*headers)
    await peer.send(request, Piece(body, f"a body, {body!r}"))
    head = await peer.response()
    if isinstance(head, Gone):
        peer.remark("it ended the connection without a response")
    elif head.status == 101:
        if must:
            raise Failed("it accepted the handshake")
        peer.remark("it accepted a handshake with a body")
    elif head.status != 400:
        peer.remark(f"it refused with {head.first!r}; 400 would say why")
    await _serves_others(peer)


_LENGTH, _CODING = "Content-Length", ("Transfer-Encoding", "chunked")
for _id, _title, _headers, _body, _must in (
    ("content-length", "A body", [(_LENGTH, "5")], b"hello", False),
    ("chunked", "A chunked body", [_CODING], b"5\r\nhello\r\n0\r\n\r\n", False),
    ("both", "Content-Length and Transfer-Encoding", [(_LENGTH, "5"), _CODING], b"0\r\n\r\n", False),
    ("two-lengths", "Two lengths that differ", [(_LENGTH, "0"), (_LENGTH, "5")], b"hello", True),
    ("list-of-lengths", "A list of lengths that differ", [(_LENGTH, "0, 5")], b"hello", True),
    ("negative-length", "A negative length", [(_LENGTH, "-5")], b"hello", True),
    ("text-length", "A length that is no number", [(_LENGTH, "five")], b"hello", True),
    ("unknown-coding", "An unknown transfer coding", [("Transfer-Encoding", "xchunked")], b"hello", False),
):
    _edge = "E17" if _id == "both" else "E16"
    CASES.server(
        f"security.smuggling.{_id}", f"{_title} on the handshake is refused with 400.", "RFC 9112 11.2", _edge
    )(partial(_smuggled, headers=_headers, body=_body, must=_must))


# -- frames


async def _announced(peer: Peer, size: int) -> None:
    await peer.open()
    head = peer.frame(Opcode.BINARY, b"", length=b"\x7f" + size.to_bytes(8))
    await peer.send(Piece(head.data, f"a binary frame that announces {size:,} bytes"))
    try:
        await peer.is_failed((1009,))
    except NoAnswer:
        peer.remark("it waits for what was announced")


for _size in (2**31, 2**40, 2**62):
    CASES.both(
        f"security.announced.{_size}",
        f"A frame that announces {_size:,} bytes fails with 1009.",
        "10.4",
        "F29",
        slow=True,
    )(partial(_announced, size=_size))


@CASES.both(
    "security.flood.pings",
    "20,000 pings are answered, the latest in any case, or the connection ends.",
    "10.4",
    alone=True,
)
async def _pings(peer: Peer) -> None:
    await peer.open()
    await peer.send(*[peer.ping(b"*" * 100)] * 20_000, peer.ping(b"the last"))
    while True:
        event = await peer.next_event("the pong for the last ping")
        if isinstance(event, Gone) or event.opcode is Opcode.CLOSE:
            peer.remark(f"it ended the connection: {event.value if isinstance(event, Gone) else event}")
            return
        if event == (Opcode.PONG, b"the last"):
            return
        if event != (Opcode.PONG, b"*" * 100):
            raise Failed(f"{event} came in place of a pong")


@CASES.both("security.flood.pongs", "20,000 pongs that nobody asked for harm nothing.", "10.4", "F25", alone=True)
async def _pongs(peer: Peer) -> None:
    await peer.open()
    await peer.send(*[peer.pong(b"*" * 100)] * 20_000)
    await peer.echo(peer.text("hello"), opcode=Opcode.TEXT, payload=b"hello")


@CASES.both("security.flood.empty-messages", "5,000 empty messages come back.", "10.4", "F27", alone=True)
async def _empty(peer: Peer) -> None:
    await peer.open()
    await peer.send(*[peer.text("")] * 5_000, peer.text("the last"))
    for _ in range(5_000):
        await peer.echoes(Opcode.TEXT, b"")
    await peer.echoes(Opcode.TEXT, b"the last")


async def _endless(peer: Peer, payload: bytes, count: int) -> None:
    """A message that does not end: the peer fails it, or takes all that comes in bounded time and answers a ping."""
    await peer.open()
    piece = peer.more(payload, fin=False)
    await peer.send(peer.binary(payload, fin=False))
    batch = Piece(piece.data * 1000, f"1,000 times {piece.says}")
    for _ in range(count // 1000):
        await peer.send(batch)
    await peer.send(peer.ping(FENCE))
    event = await peer.next_event("the connection to be failed, or a pong")
    if event == (Opcode.PONG, FENCE):
        peer.remark(f"it takes a message of {count:,} fragments: a limit, if it has one, is higher")
        return
    await peer.is_failed_by(event, (1008, 1009))


CASES.both(
    "security.fragments.empty", "A message of 200,000 empty fragments fails with 1009.", "10.4", "F31", alone=True
)(partial(_endless, payload=b"", count=200_000))
CASES.both(
    "security.fragments.one-byte",
    "A message of 200,000 fragments of a byte fails with 1009.",
    "10.4",
    "F31",
    alone=True,
)(partial(_endless, payload=b"x", count=200_000))

# -- resets

for _id, _title in (
    ("before-head", "Connections reset before they say a word"),
    ("within-head", "Connections reset within the head"),
    ("after-handshake", "Connections reset after the handshake"),
    ("within-frame", "Connections reset within a frame"),
    ("unread", "Connections reset with answers unread"),
):

    @CASES.server(f"security.resets.{_id}", f"{_title}, thirty of them, harm nobody else.", "7.1.1", "E27", alone=True)
    async def _resets(peer: ServerPeer, kind: str = _id) -> None:
        for _ in range(30):
            if kind == "within-head":
                await peer.send(Piece(peer.request().data[:40], "the beginning of a head"))
            elif kind != "before-head":
                await peer.open()
            if kind == "within-frame":
                await peer.send(Piece(peer.text("hello").data[:-2], "the beginning of a frame"))
            elif kind == "unread":
                await peer.send(*[peer.text("hello" * 100)] * 20)
            await peer.reset()
            await peer.connect_again()
        await peer.open()
        await peer.echo(peer.text("still here?"), opcode=Opcode.TEXT, payload=b"still here?")
