"""Negotiating permessage-deflate (RFC 7692 5, 7.1): an offer is accepted as it is, or declined; no value is guessed."""

from __future__ import annotations

from functools import partial
from typing import Final

from ..case import Cases
from ..client_peer import ClientPeer
from ..deflate import NAME, Parameters
from ..frames import Opcode
from ..heads import Head
from ..outcome import Failed, NotApplicable
from ..peer import FENCE
from ..server_peer import ServerPeer
from ..steps import Gone

__all__ = ["CASES"]

CASES: Final = Cases("RFC 7692")

# -- a server's answer


async def _agreed(peer: ServerPeer, offer: str) -> Parameters:
    agreed = await peer.open_offering(offer)
    if agreed is None:
        raise NotApplicable(f"it declines {offer!r}")
    if agreed.client_max_window_bits and "client_max_window_bits" not in offer:
        raise Failed("it answered with client_max_window_bits, which was not offered (RFC 7692 7.1.2.2)")
    await peer.echo(peer.compressed(Opcode.TEXT, b"Hello"), opcode=Opcode.TEXT, payload=b"Hello")
    return agreed


async def _offer(peer: ServerPeer, offer: str) -> None:
    await _agreed(peer, offer)


for _id, _offer_text in (
    ("plain", NAME),
    ("client-window", f"{NAME}; client_max_window_bits"),
    ("two", f"{NAME}; client_max_window_bits, {NAME}"),
    ("after-unknown", f"x-unknown; a=1, {NAME}"),
    ("spaces", f" {NAME} ;  client_max_window_bits "),
):
    CASES.server(f"deflate.offer.{_id}", f"{_offer_text.strip()!r} is accepted within its terms.", "7.1")(
        partial(_offer, offer=_offer_text)
    )


@CASES.server("deflate.offer.client-window-10", "client_max_window_bits=10 is answered with 10 or less.", "7.1.2.2")
async def _client_window(peer: ServerPeer) -> None:
    agreed = await _agreed(peer, f"{NAME}; client_max_window_bits=10")
    if agreed.client_max_window_bits and agreed.client_max_window_bits > 10:
        raise Failed(f"it answered with client_max_window_bits={agreed.client_max_window_bits}")


@CASES.server("deflate.offer.quoted", 'A quoted value is the value: server_max_window_bits="10".', "RFC 6455 9.1", "X8")
async def _quoted(peer: ServerPeer) -> None:
    agreed = await peer.open_offering(f'{NAME}; server_max_window_bits="10"')
    if agreed is None:
        peer.remark("it declines a quoted value")
    elif not agreed.server_max_window_bits or agreed.server_max_window_bits > 10:
        raise Failed("it accepted a server_max_window_bits of 10 without agreeing to it (RFC 7692 7.1.2.1)")


@CASES.server("deflate.offer.fallback", "An offer that cannot be accepted gives way to the next.", "5", "X10")
async def _fallback(peer: ServerPeer) -> None:
    await peer.open_deflate()
    await peer.connect_again()
    agreed = await peer.open_offering(f"{NAME}; unknown_parameter=1, {NAME}; server_no_context_takeover")
    if agreed is None:
        peer.remark("it did not try the second offer")
    elif not agreed.server_no_context_takeover:
        raise Failed("it did not agree to the second offer's server_no_context_takeover (RFC 7692 7.1.1.1)")


async def _declined(peer: ServerPeer, parameter: str) -> None:
    """See an offer declined; a refusal of the handshake is more than that, and lenient."""
    await peer.open_deflate()
    await peer.connect_again()
    await peer.send(peer.request(("Sec-WebSocket-Extensions", f"{NAME}; {parameter}")))
    head = await peer.response()
    if isinstance(head, Gone):
        peer.remark(f"{head.value} came in place of a response")
    elif head.status != 101:
        peer.remark(f"it refused the handshake with {head.first!r}; to decline the offer is enough")
    elif head.all("sec-websocket-extensions"):
        raise Failed(f"it accepted {parameter!r} with {head.all('sec-websocket-extensions')}")


for _id, _parameter, _section, _edge in (
    ("unknown", "unknown_parameter", "7", "X1"),
    ("unknown-value", "unknown_parameter=1", "7", "X1"),
    ("twice", "server_no_context_takeover; server_no_context_takeover", "7", "X2"),
    ("window-twice", "server_max_window_bits=10; server_max_window_bits=12", "7", "X2"),
    ("server-window-7", "server_max_window_bits=7", "7.1.2.1", "X4"),
    ("server-window-16", "server_max_window_bits=16", "7.1.2.1", "X4"),
    ("server-window-0", "server_max_window_bits=0", "7.1.2.1", "X4"),
    ("server-window-text", "server_max_window_bits=abc", "7.1.2.1", "X3"),
    ("server-window-leading-zero", "server_max_window_bits=010", "7.1.2.1", "X5"),
    ("server-window-without", "server_max_window_bits", "7.1.2.1", "X6"),
    ("client-window-7", "client_max_window_bits=7", "7.1.2.2", "X3"),
    ("client-window-16", "client_max_window_bits=16", "7.1.2.2", "X3"),
    ("client-window-text", "client_max_window_bits=abc", "7.1.2.2", "X3"),
    ("client-window-leading-zero", "client_max_window_bits=08", "7.1.2.2", "X5"),
    ("server-takeover-value", "server_no_context_takeover=1", "7.1.1.1", "X7"),
    ("client-takeover-value", "client_no_context_takeover=true", "7.1.1.2", "X7"),
):
    CASES.server(f"deflate.decline.{_id}", f"The offer {_parameter!r} is declined.", _section, _edge)(
        partial(_declined, parameter=_parameter)
    )

# -- a client's reading of it: an answer that breaks the rules fails the connection (RFC 7692 5.1)


async def _bad_answer(peer: ClientPeer, answer: str, *, offered: bool = True) -> None:
    head = await peer.request()
    if offered:
        peer.offer(head)
    await answered_wrongly(peer, head, ("Sec-WebSocket-Extensions", answer))


async def answered_wrongly(peer: ClientPeer, head: Head, *more: tuple[str, str]) -> None:
    """Answer with a 101 that a client must not take, a ping behind it, and see that it leaves."""
    await peer.send(peer.response(head, *more), peer.ping(FENCE))
    peer.opened()
    event = await peer.next_event("the connection to be failed")
    if not isinstance(event, Gone):
        if event == (Opcode.PONG, FENCE):
            raise Failed("it took the response: it answered the ping that came after")
        await peer.is_failed_by(event, (1002, 1010))


for _id, _answer, _section in (
    ("unknown", f"{NAME}; unknown_parameter", "7"),
    ("twice", f"{NAME}; server_no_context_takeover; server_no_context_takeover", "7"),
    ("server-window-7", f"{NAME}; server_max_window_bits=7", "7.1.2.1"),
    ("server-window-16", f"{NAME}; server_max_window_bits=16", "7.1.2.1"),
    ("server-window-without", f"{NAME}; server_max_window_bits", "7.1.2.1"),
    ("client-window-without", f"{NAME}; client_max_window_bits", "7.1.2.2"),
    ("client-window-16", f"{NAME}; client_max_window_bits=16", "7.1.2.2"),
    ("takeover-value", f"{NAME}; server_no_context_takeover=1", "7.1.1.1"),
    ("accepted-twice", f"{NAME}, {NAME}", "5.1"),
):
    CASES.client(f"deflate.answer.{_id}", f"The answer {_answer!r} fails the connection.", _section)(
        partial(_bad_answer, answer=_answer)
    )


@CASES.client("deflate.answer.not-offered", "permessage-deflate that was not offered fails the connection.", "5.1")
async def _not_offered(peer: ClientPeer) -> None:
    head = await peer.request()
    if NAME in ",".join(head.all("sec-websocket-extensions")):
        raise NotApplicable("it offers permessage-deflate")
    await answered_wrongly(peer, head, ("Sec-WebSocket-Extensions", NAME))


@CASES.client("deflate.answer.plain", "An answer without parameters is accepted.", "7.1")
async def _plain(peer: ClientPeer) -> None:
    await peer.open_deflate()
    await peer.echo(peer.compressed(Opcode.TEXT, b"Hello"), opcode=Opcode.TEXT, payload=b"Hello")


@CASES.client("deflate.answer.declined", "A client whose offer is declined does not compress.", "5")
async def _decline(peer: ClientPeer) -> None:
    head = await peer.request()
    peer.offer(head)
    await peer.send(peer.response(head))
    peer.opened()
    await peer.echo(peer.text("*" * 1000), opcode=Opcode.TEXT, payload=b"*" * 1000)
