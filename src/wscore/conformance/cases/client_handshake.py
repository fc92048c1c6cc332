"""The opening handshake that a client writes and reads (RFC 6455 4.1)."""

from __future__ import annotations

from functools import partial
from typing import Final

from ..case import Cases
from ..client_peer import ClientPeer
from ..frames import Opcode
from ..heads import Head, Header, accept_of
from ..outcome import Failed
from ..peer import FENCE
from ..steps import Gone

__all__ = ["CASES"]

CASES: Final = Cases("RFC 6455")


async def _accepted(peer: ClientPeer, head: Head, *more: Header | bytes, without: tuple[str, ...] = ()) -> None:
    await peer.send(peer.response(head, *more, without=without))
    peer.opened()
    await peer.echo(peer.text("hello"), opcode=Opcode.TEXT, payload=b"hello")


# -- its request


@CASES.client("handshake.request.headers", "A request has Host, Upgrade, Connection and version 13, each once.", "4.1")
async def _headers(peer: ClientPeer) -> None:
    head = await peer.request()
    for name in ("host", "upgrade", "sec-websocket-key", "sec-websocket-version"):
        if len(head.all(name)) != 1:
            raise Failed(f"its request has {len(head.all(name))} {name} headers")
    if "websocket" not in head.tokens("upgrade"):
        raise Failed(f"its Upgrade is {head.all('upgrade')[0]!r}")
    if "upgrade" not in head.tokens("connection"):
        raise Failed("its Connection has no 'Upgrade'")
    if head.all("sec-websocket-version") != ["13"]:
        raise Failed(f"its Sec-WebSocket-Version is {head.all('sec-websocket-version')[0]!r}")
    await _accepted(peer, head)


@CASES.client("handshake.request.new-key", "A client takes a new key for each connection.", "4.1")
async def _new_key(peer: ClientPeer) -> None:
    head = await peer.request()
    if head.all("sec-websocket-key")[0] in peer.earlier_keys:
        raise Failed("it has used this Sec-WebSocket-Key before")
    await _accepted(peer, head)


# -- the response that it accepts

for _id, _title, _more, _without in (
    ("connection-case", "'connection: UPGRADE'", [("connection", "UPGRADE")], ["Connection"]),
    ("connection-list", "'Connection: keep-alive, Upgrade'", [("Connection", "keep-alive, Upgrade")], ["Connection"]),
    ("upgrade-case", "'upgrade: WebSocket'", [("upgrade", "WebSocket")], ["Upgrade"]),
    ("other-headers", "Headers that nobody knows", [("X-One", "1"), ("Set-Cookie", "a=b"), ("Server", "x")], []),
):

    @CASES.client(f"handshake.response.{_id}", f"{_title} in a 101 is accepted.", "4.1")
    async def _good(
        peer: ClientPeer, more: tuple[Header, ...] = tuple(_more), without: tuple[str, ...] = tuple(_without)
    ) -> None:
        await _accepted(peer, await peer.request(), *more, without=without)


@CASES.client("handshake.response.chopped", "A 101, written byte by byte, is accepted.", "4.1")
async def _chopped(peer: ClientPeer) -> None:
    await peer.send(peer.response(await peer.request()), chop=1)
    peer.opened()
    await peer.echo(peer.text("hello"), opcode=Opcode.TEXT, payload=b"hello")


@CASES.client("handshake.response.early-frame", "A frame in the same segment as the 101 comes back.", "4.1")
async def _early(peer: ClientPeer) -> None:
    await peer.send(peer.response(await peer.request()), peer.text("early"))
    peer.opened()
    await peer.echoes(Opcode.TEXT, b"early")


# -- the response that it must not take


async def _refused(
    peer: ClientPeer, more: tuple[Header | bytes, ...] = (), without: tuple[str, ...] = (), status: str = ""
) -> None:
    """Answer wrongly, a ping behind it, and see that the client leaves."""
    head = await peer.request()
    await peer.send(peer.response(head, *more, without=without, status=status), peer.ping(FENCE))
    peer.opened()
    event = await peer.next_event("the connection to be failed")
    if isinstance(event, Gone):
        return
    if event == (Opcode.PONG, FENCE):
        raise Failed("it took the response: it answered the ping that came after")
    await peer.is_failed_by(event, (1002, 1010))


ACCEPT: Final = "Sec-WebSocket-Accept"
WRONG: Final = accept_of("AAECAwQFBgcICQoLDA0ODw==")
REFUSED: Final[list[tuple[str, str, list[Header | bytes], list[str], str]]] = [
    ("accept-missing", "No Sec-WebSocket-Accept", [], [ACCEPT], ""),
    ("accept-wrong", "The Sec-WebSocket-Accept of another key", [(ACCEPT, WRONG)], [ACCEPT], ""),
    ("accept-empty", "An empty Sec-WebSocket-Accept", [(ACCEPT, "")], [ACCEPT], ""),
    ("upgrade-missing", "No Upgrade", [], ["Upgrade"], ""),
    ("upgrade-other", "'Upgrade: h2c'", [("Upgrade", "h2c")], ["Upgrade"], ""),
    ("connection-missing", "No Connection", [], ["Connection"], ""),
    ("connection-other", "'Connection: close'", [("Connection", "close")], ["Connection"], ""),
    ("subprotocol", "A subprotocol that was not offered", [("Sec-WebSocket-Protocol", "never-offered")], [], ""),
    ("extension", "An extension that was not offered", [("Sec-WebSocket-Extensions", "x-never-offered")], [], ""),
    ("status-200", "A status of 200 with all a 101 has", [("Content-Length", "0")], [], "200 OK"),
    ("status-400", "A status of 400 with all a 101 has", [("Content-Length", "0")], [], "400 Bad Request"),
    ("garbage", "A line that is no header", [b"no header"], [], ""),
]
for _id, _title, _changed, _left_out, _status in REFUSED:
    CASES.client(f"handshake.response.{_id}", f"{_title} in a response fails the connection.", "4.1")(
        partial(_refused, more=tuple(_changed), without=tuple(_left_out), status=_status)
    )


@CASES.client("handshake.response.eof", "The end of the stream within a 101 ends the connection.", "4.1")
async def _eof(peer: ClientPeer) -> None:
    whole = peer.response(await peer.request())
    await peer.send(whole._replace(data=whole.data[:-2], says="a 101 without its last two bytes"))
    await peer.end_writing()
    peer.opened()
    event = await peer.next_event("the end of the TCP connection")
    if not isinstance(event, Gone):
        raise Failed(f"it took a response that was cut: {event} came")
