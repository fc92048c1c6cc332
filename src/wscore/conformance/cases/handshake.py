"""The opening handshake that a server reads (RFC 6455 4.2): what it accepts, what it refuses, and with which status."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from ..case import Cases
from ..frames import Opcode
from ..heads import Head, Header, accept_of
from ..outcome import Failed
from ..peer import Piece
from ..server_peer import ServerPeer
from ..steps import Gone, NoAnswer

__all__ = ["CASES"]

CASES: Final = Cases("RFC 6455")

OTHER_KEY: Final = "AAECAwQFBgcICQoLDA0ODw=="


async def _echoes(peer: ServerPeer) -> None:
    await peer.echo(peer.text("hello"), opcode=Opcode.TEXT, payload=b"hello")


# -- accepted


async def _accepted(
    peer: ServerPeer, more: Sequence[Header | bytes] = (), without: Sequence[str] = (), chop: int = 0
) -> None:
    await peer.send(peer.request(*more, without=without), chop=chop)
    await peer.open_answered()
    await _echoes(peer)


CASES.server("handshake.accept", "A plain handshake is accepted, and answered with nothing unasked.", "4.2.2")(
    _accepted
)
for _id, _title, _more, _without in (
    ("connection-list", "'Connection: keep-alive, Upgrade'", [("Connection", "keep-alive, Upgrade")], ["Connection"]),
    ("connection-twice", "Connection in two headers", [("Connection", "keep-alive")], []),
    ("connection-case", "'Connection: UPGRADE'", [("Connection", "UPGRADE")], ["Connection"]),
    ("upgrade-case", "'Upgrade: WebSocket'", [("Upgrade", "WebSocket")], ["Upgrade"]),
    ("name-case", "A header name in capitals", [("UPGRADE", "websocket")], ["Upgrade"]),
    ("no-space", "A header without a space behind its colon", [b"Upgrade:websocket"], ["Upgrade"]),
    ("spaces", "A header with spaces and tabs around its value", [b"Upgrade: \t websocket \t "], ["Upgrade"]),
    ("origin", "An Origin header", [("Origin", "http://localhost")], []),
    ("empty-header", "A header without a value", [b"X-Empty:"], []),
    ("unknown-header", "A header that nobody knows", [("X-One", "1"), ("X-Two", "2; three")], []),
    ("cookies", "A head of 4 KiB", [("Cookie", "; ".join(f"c{n}={'x' * 100}" for n in range(38)))], []),
    ("fifty-headers", "A head of fifty headers", [(f"X-{n}", str(n)) for n in range(50)], []),
    ("latin-1-header", "A header value beyond ASCII", [b"X-Name: J\xfcrgen"], []),
):  # fmt: skip
    _edge = "E14" if _id.startswith(("connection", "upgrade")) else ""
    CASES.server(f"handshake.accept.{_id}", f"{_title} is accepted.", "4.2.1", _edge)(
        partial(_accepted, more=_more, without=_without)
    )
CASES.server("handshake.accept.chopped", "A handshake, written byte by byte, is accepted.", "4.2.1")(
    partial(_accepted, chop=1)
)


@CASES.server("handshake.accept.other-key", "Another key gets the Sec-WebSocket-Accept that belongs to it.", "4.2.2")
async def _other_key(peer: ServerPeer) -> None:
    await peer.send(peer.request(("Sec-WebSocket-Key", OTHER_KEY), without=["Sec-WebSocket-Key"]))
    head = await peer.response()
    if isinstance(head, Gone) or head.status != 101:
        raise Failed("the handshake was refused")
    if head.all("sec-websocket-accept") != [accept_of(OTHER_KEY)]:
        raise Failed(f"its 101 has Sec-WebSocket-Accept {head.all('sec-websocket-accept')}")


@CASES.server("handshake.accept.early-frame", "A frame in the same segment as the head comes back.", "4.1", "E24")
async def _early(peer: ServerPeer) -> None:
    await peer.send(peer.request(), peer.text("early"))
    head = await peer.response()
    if isinstance(head, Gone) or head.status != 101:
        peer.remark("it refused a client that did not wait for the 101, as a client must")
        return
    peer.opened()
    try:
        await peer.echoes(Opcode.TEXT, b"early")
    except NoAnswer:
        peer.remark("it lost a frame that did not wait for the 101, as a client must")


# -- subprotocols and extensions


async def _subprotocols(peer: ServerPeer, more: Sequence[Header | bytes], offered: Sequence[str]) -> None:
    await peer.send(peer.request(*more))
    head = await peer.accepted()
    chosen = head.all("sec-websocket-protocol")
    if len(chosen) > 1 or (chosen and chosen[0] not in offered):
        raise Failed(f"it chose the subprotocols {chosen} of {list(offered)} (RFC 6455 4.2.2)")
    peer.opened()
    await _echoes(peer)


for _id, _title, _headers, _offered in (
    ("one", "Of one subprotocol", [("Sec-WebSocket-Protocol", "a")], ["a"]),
    ("two", "Of two subprotocols", [("Sec-WebSocket-Protocol", "a, b")], ["a", "b"]),
    (
        "two-headers",
        "Of two subprotocols in two headers",
        [("Sec-WebSocket-Protocol", "a"), ("Sec-WebSocket-Protocol", "b")],
        ["a", "b"],
    ),
):
    CASES.server(f"handshake.subprotocol.{_id}", f"{_title}, none or one is chosen.", "4.2.2", "E12")(
        partial(_subprotocols, more=_headers, offered=_offered)
    )
for _id, _offer in (("unknown", "x-unknown"), ("unknown-parameters", 'x-unknown; a="b"; c=1, x-other')):
    CASES.server(f"handshake.extension.{_id}", "An extension that nobody knows is not agreed to.", "9.1")(
        partial(_accepted, more=[("Sec-WebSocket-Extensions", _offer)])
    )

# -- refused


async def _refusal(peer: ServerPeer, request: Piece) -> Head | None:
    """See a request refused; None where the connection ends without a response."""
    await peer.send(request)
    head = await peer.response()
    if isinstance(head, Gone):
        return None
    if head.status == 101:
        raise Failed("it accepted the handshake")
    return head


async def _should_refuse(peer: ServerPeer, request: Piece, statuses: Sequence[int]) -> None:
    """See a request refused that a server may accept as well: what is wrong with it is the sender's fault alone."""
    await peer.send(request)
    head = await peer.response()
    if isinstance(head, Gone):
        peer.remark("it ended the connection without a response")
    elif head.status == 101:
        peer.remark("it accepted the handshake")
    elif head.status not in statuses:
        peer.remark(f"it refused with {head.first!r}; {' or '.join(map(str, statuses))} would say why")


async def _refused(
    peer: ServerPeer,
    *,
    statuses: Sequence[int] = (400,),
    more: Sequence[Header | bytes] = (),
    without: Sequence[str] = (),
    method: str = "GET",
    version: str = "HTTP/1.1",
) -> None:
    head = await _refusal(peer, peer.request(*more, without=without, method=method, version=version))
    if head is None:
        peer.remark("it ended the connection without a response")
    elif statuses and head.status not in statuses:
        expected = " or ".join(map(str, statuses))
        peer.remark(f"it refused with {head.first!r}; {expected} would say why")


for _method in ("POST", "PUT", "DELETE", "OPTIONS", "HEAD"):
    CASES.server(f"handshake.method.{_method.lower()}", f"{_method} is refused.", "4.2.1", "E2")(
        partial(_refused, method=_method, statuses=(400, 403, 404, 405, 426, 501))
    )
for _id, _version in (("1.0", "HTTP/1.0"), ("1.x", "HTTP/1.x"), ("none", ""), ("lower", "http/1.1")):
    CASES.server(f"handshake.http.{_id}", f"The version {_version or 'left out'} is refused.", "4.2.1", "E3")(
        partial(_refused, version=_version, statuses=(400, 426, 505))
    )


@CASES.server("handshake.http.2.0", "The version HTTP/2.0, which has no such request line, is refused.", "4.2.1", "E3")
async def _http_2(peer: ServerPeer) -> None:
    await _should_refuse(peer, peer.request(version="HTTP/2.0"), (400, 426, 505))


KEY_HEADER: Final = "Sec-WebSocket-Key"
for _id, _title, _more, _section, _edge in (
    ("missing", "No Sec-WebSocket-Key", [], "4.2.1", "E7"),
    ("empty", "An empty key", [(KEY_HEADER, "")], "4.2.1", "E8"),
    ("short", "A key of 15 bytes", [(KEY_HEADER, "AAECAwQFBgcICQoLDA0O")], "4.2.1", "E8"),
    ("long", "A key of 17 bytes", [(KEY_HEADER, "AAECAwQFBgcICQoLDA0ODxA=")], "4.2.1", "E8"),
    ("not-base64", "A key that is not base64", [(KEY_HEADER, "not base64, surely!!")], "4.2.1", "E8"),
):
    CASES.server(f"handshake.key.{_id}", f"{_title}: 400.", _section, _edge)(
        partial(_refused, more=_more, without=[KEY_HEADER])
    )
for _id, _title, _more, _edge in (
    ("missing", "No Host", [], "E4"),
    ("twice", "Two Host headers", [("Host", "localhost"), ("Host", "example.com")], "E5"),
):
    CASES.server(f"handshake.host.{_id}", f"{_title}: 400.", "RFC 9112 3.2", _edge)(
        partial(_refused, more=_more, without=["Host"])
    )
for _id, _title, _more, _without in (
    ("upgrade-missing", "No Upgrade header", [], ["Upgrade"]),
    ("upgrade-other", "'Upgrade: h2c'", [("Upgrade", "h2c")], ["Upgrade"]),
    ("upgrade-prefix", "'Upgrade: websocket2'", [("Upgrade", "websocket2")], ["Upgrade"]),
    ("connection-missing", "No Connection header", [], ["Connection"]),
    ("connection-other", "'Connection: keep-alive'", [("Connection", "keep-alive")], ["Connection"]),
    ("connection-prefix", "'Connection: upgraded'", [("Connection", "upgraded")], ["Connection"]),
    ("plain-get", "A plain GET", [], ["Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version"]),
):

    @CASES.server(f"handshake.token.{_id}", f"{_title} is no opening handshake: no 101.", "4.2.1", "E1")
    async def _no_upgrade(
        peer: ServerPeer, more: Sequence[Header] = tuple(_more), without: Sequence[str] = tuple(_without)
    ) -> None:
        head = await _refusal(peer, peer.request(*more, without=without))
        if head is None:
            peer.remark("it ended the connection without a response")
        elif head.status == 426 and not head.all("upgrade"):
            raise Failed("its 426 has no Upgrade header (RFC 9110 15.5.22)")


# -- the version: a refusal names the one that would do (RFC 6455 4.2.2, 4.4)

VERSION: Final = "Sec-WebSocket-Version"


async def _names_version(peer: ServerPeer, more: Sequence[Header], statuses: Sequence[int]) -> None:
    head = await _refusal(peer, peer.request(*more, without=[VERSION]))
    if head is None:
        raise Failed("it ended the connection without the response that names its version (RFC 6455 4.4)")
    if "13" not in head.tokens("sec-websocket-version"):
        if not more:
            peer.remark("its refusal does not name its version")
        else:
            raise Failed(f"its {head.first!r} does not name its version (RFC 6455 4.4)")
    if head.status not in statuses:
        peer.remark(f"it refused with {head.first!r}; {statuses[0]} would say why")


CASES.server("handshake.version.missing", "No Sec-WebSocket-Version: 400 or 426.", "4.2.1", "E10")(
    partial(_names_version, more=[], statuses=(400, 426))
)
for _id, _text in (("0", "0"), ("8", "8"), ("12", "12"), ("14", "14"), ("255", "255"), ("text", "thirteen")):
    CASES.server(f"handshake.version.{_id}", f"Version {_text!r}: 426, which names 13.", "4.4", "E9")(
        partial(_names_version, more=[(VERSION, _text)], statuses=(426,))
    )


@CASES.server("handshake.version.twice", "Versions 13 and 8 in two headers are refused.", "11.3.5", "E9")
async def _two_versions(peer: ServerPeer) -> None:
    await _should_refuse(peer, peer.request((VERSION, "8")), (400, 426))


@CASES.server("handshake.key.twice", "Two keys: 400.", "11.3.1", "E8")
async def _two_keys(peer: ServerPeer) -> None:
    await _should_refuse(peer, peer.request((KEY_HEADER, OTHER_KEY)), (400,))


# -- where a request wants to go


async def _target(peer: ServerPeer, target: str) -> None:
    await peer.send(peer.request(target=target))
    await peer.open_answered()
    await _echoes(peer)


@CASES.server("handshake.target.absolute", "A target in the absolute form is accepted.", "RFC 9112 3.2.2", "E29")
async def _absolute(peer: ServerPeer) -> None:
    await _target(peer, f"http://{peer.address.host}{peer.address.target}")


@CASES.server("handshake.target.query", "A query is accepted.", "3")
async def _query(peer: ServerPeer) -> None:
    joined = "&" if "?" in peer.address.target else "?"
    await _target(peer, f"{peer.address.target}{joined}a=1&b=%C3%A4&c")


@CASES.server("handshake.target.no-path", "A target that is no path is refused.", "RFC 9112 3.2", "E29")
async def _no_path(peer: ServerPeer) -> None:
    await _should_refuse(peer, peer.request(target="no-slash"), (400, 404))


# -- an end of the stream


@CASES.server("handshake.eof", "The end of the stream within a head ends the connection, without a 101.", "4.2")
async def _eof(peer: ServerPeer) -> None:
    whole = peer.request()
    await peer.send(Piece(whole.data[:-2], "an opening handshake without its last two bytes"))
    await peer.end_writing()
    head = await peer.response()
    if isinstance(head, Head) and head.status == 101:
        raise Failed("it accepted a head that was cut")
    if isinstance(head, Head):
        await _to_the_end(peer)


async def _to_the_end(peer: ServerPeer) -> None:
    while not isinstance(await peer.receive("the end of the TCP connection"), Gone):
        pass
