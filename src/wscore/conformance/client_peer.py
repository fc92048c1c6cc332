"""A client under test: the probe is its server."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import ClassVar, Literal

from .deflate import NAME, BadExtensions, Parameters, extensions, parameters
from .heads import BadHead, Head, Header, accept_of, head_end, read_head, write_response
from .outcome import Failed, NotApplicable
from .peer import Peer, Piece
from .steps import Gone, Note, perform

__all__ = ["ClientPeer"]


class ClientPeer(Peer):
    """A client under test."""

    role: ClassVar[Literal["server", "client"]] = "client"

    def __init__(self, earlier_keys: Iterable[str] = ()) -> None:
        """Begin before the opening handshake; `earlier_keys` are those of the client's connections before this one."""
        super().__init__()
        self.earlier_keys = frozenset(earlier_keys)

    async def request(self) -> Head:
        """Wait for the request's head, which has to be what RFC 6455 4.1 wants."""
        while True:
            try:
                end = head_end(self.buffer)
            except BadHead as error:
                raise Failed(f"it sent {error}") from None
            if end >= 0:
                break
            data = await self.receive("the request")
            if isinstance(data, Gone):
                raise Failed(f"{data.value} came in place of the request")
            self.buffer += data
        raw = bytes(self.buffer[:end])
        del self.buffer[:end]
        try:
            head = read_head(raw, response=False)
        except BadHead as error:
            raise Failed(f"it sent a request in which {error}") from None
        await perform(Note(head.first))
        if not head.first.startswith("GET "):
            raise Failed("its request is no GET (RFC 6455 4.1)")
        if len(head.all("sec-websocket-key")) != 1 or not is_key(head.all("sec-websocket-key")[0]):
            raise Failed("its request has no Sec-WebSocket-Key of 16 bytes (RFC 6455 4.1)")
        return head

    def response(self, head: Head, *more: Header | bytes, without: Iterable[str] = (), status: str = "") -> Piece:
        """Write the 101 that answers a request, with headers left out and others added."""
        headers: list[Header | bytes] = [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Accept", accept_of(head.all("sec-websocket-key")[0])),
        ]
        left_out = list(without)
        headers = [header for header in headers if header[0] not in left_out]
        said = ", ".join(h.decode("latin-1") if isinstance(h, bytes) else f"{h[0]}: {h[1]}" for h in more)
        status = status or "101 Switching Protocols"
        note = f"{status}{f' without {left_out}' if left_out else ''}{f' with {said[:200]}' if said else ''}"
        return Piece(write_response(status, [*headers, *more]), note)

    async def open(self) -> None:
        """Accept the WebSocket connection, without extensions."""
        await self.send(self.response(await self.request()))
        self.opened()

    async def open_deflate(
        self,
        *,
        probe_bits: int | None = None,
        probe_takeover: bool = True,
        peer_bits: int | None = None,
        peer_takeover: bool = True,
    ) -> None:
        """Accept the client's offer of permessage-deflate; NotApplicable where it makes none that this could be."""
        head = await self.request()
        offer, names = self.offer(head)
        if offer.server_max_window_bits:
            probe_bits = min(probe_bits or 15, offer.server_max_window_bits)
        if peer_bits and "client_max_window_bits" not in names:
            raise NotApplicable("it does not offer client_max_window_bits")
        peer_bits = min(peer_bits, offer.client_max_window_bits or 15) if peer_bits else None
        agreed = Parameters(
            server_no_context_takeover=offer.server_no_context_takeover or not probe_takeover,
            client_no_context_takeover=not peer_takeover,
            server_max_window_bits=probe_bits,
            client_max_window_bits=peer_bits,
        )
        await self.send(self.response(head, ("Sec-WebSocket-Extensions", _written(agreed))))
        self.opened(agreed)

    def offer(self, head: Head) -> tuple[Parameters, list[str]]:
        """Return the first offer of permessage-deflate, and its parameters' names. Raises NotApplicable without one."""
        try:
            for name, given in extensions(head.all("sec-websocket-extensions")):
                if name == NAME:
                    return parameters(given, offer=True), [key for key, _ in given]
        except BadExtensions as error:
            raise Failed(f"in its request, {error}") from None
        raise NotApplicable("it does not offer permessage-deflate")


def is_key(text: str) -> bool:
    """Return whether a Sec-WebSocket-Key is the base64 of 16 bytes."""
    try:
        return len(base64.b64decode(text, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


def _written(agreed: Parameters) -> str:
    parts = [NAME]
    if agreed.server_no_context_takeover:
        parts.append("server_no_context_takeover")
    if agreed.client_no_context_takeover:
        parts.append("client_no_context_takeover")
    if agreed.server_max_window_bits:
        parts.append(f"server_max_window_bits={agreed.server_max_window_bits}")
    if agreed.client_max_window_bits:
        parts.append(f"client_max_window_bits={agreed.client_max_window_bits}")
    return "; ".join(parts)
