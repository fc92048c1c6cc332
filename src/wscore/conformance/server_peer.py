"""A server under test: the probe is its client."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from .deflate import NAME, BadExtensions, Parameters, extensions, parameters
from .heads import KEY, BadHead, Head, Header, accept_of, head_end, read_head, write_request
from .outcome import Failed, NotApplicable
from .peer import Peer, Piece
from .steps import Connect, Gone, Note, perform

__all__ = ["Address", "ServerPeer"]


@dataclass(frozen=True, slots=True)
class Address:
    """What the requests to a server name: its Host, the target, and headers of the user's (a cookie, a token)."""

    host: str = "localhost"
    target: str = "/"
    headers: tuple[Header, ...] = ()


class ServerPeer(Peer):
    """A server under test."""

    role: ClassVar[Literal["server", "client"]] = "server"

    def __init__(self, address: Address) -> None:
        """Begin before the opening handshake."""
        super().__init__()
        self.address = address

    # -- requests

    def request(
        self,
        *more: Header | bytes,
        without: Sequence[str] = (),
        method: str = "GET",
        version: str = "HTTP/1.1",
        target: str | None = None,
        end: bytes = b"\r\n",
    ) -> Piece:
        """Write an opening handshake, with headers left out and others added."""
        headers: list[Header | bytes] = [
            ("Host", self.address.host),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", KEY),
            ("Sec-WebSocket-Version", "13"),
            *self.address.headers,
        ]
        headers = [header for header in headers if header[0] not in without]
        said = ", ".join(h.decode("latin-1") if isinstance(h, bytes) else f"{h[0]}: {h[1]}" for h in more)
        left_out = f" without {', '.join(without)}" if without else ""
        data = write_request(
            self.address.target if target is None else target,
            [*headers, *more],
            method=method,
            version=version,
            end=end,
        )
        return Piece(data, f"an opening handshake{left_out}{f' with {said[:200]}' if said else ''}")

    # -- responses

    async def response(self, patience: float | None = None) -> Head | Gone:
        """Wait for a response's head."""
        while True:
            try:
                end = head_end(self.buffer)
            except BadHead as error:
                raise Failed(f"it answered with {error}") from None
            if end >= 0:
                break
            data = await self.receive("the response to the handshake", patience)
            if isinstance(data, Gone):
                if self.buffer:
                    raise Failed(f"it ended the connection within a response: {bytes(self.buffer[:100])!r}")
                return data
            self.buffer += data
        raw = bytes(self.buffer[:end])
        del self.buffer[:end]
        try:
            head = read_head(raw, response=True)
        except BadHead as error:
            raise Failed(f"it answered with {error}") from None
        await perform(Note(head.first))
        return head

    async def accepted(self) -> Head:
        """Wait for a 101 that is what RFC 6455 4.2.2 wants."""
        head = await self.response()
        if isinstance(head, Gone):
            raise Failed(f"{head.value} came in place of the response to the handshake")
        if head.status != 101:
            raise Failed(f"the handshake was refused: {head.first!r}")
        if not head.first.startswith("HTTP/1.1 "):
            raise Failed(f"its 101 is no HTTP/1.1: {head.first!r} (RFC 6455 4.2.2)")
        if [value.lower() for value in head.all("upgrade")] != ["websocket"]:
            raise Failed("its 101 has no 'Upgrade: websocket' (RFC 6455 4.2.2)")
        if "upgrade" not in head.tokens("connection"):
            raise Failed("its 101 has no 'Connection: Upgrade' (RFC 6455 4.2.2)")
        if head.all("sec-websocket-accept") != [accept_of(KEY)]:
            raise Failed(f"its 101 has Sec-WebSocket-Accept {head.all('sec-websocket-accept')} (RFC 6455 4.2.2)")
        return head

    def extensions(self, head: Head) -> Parameters | None:
        """Return the permessage-deflate of a 101, None without one; any other extension is a fault."""
        try:
            found = extensions(head.all("sec-websocket-extensions"))
            if not found:
                return None
            if [name for name, _ in found] != [NAME]:
                raise Failed(f"its 101 has the extensions {[name for name, _ in found]}, which were not offered once")
            return parameters(found[0][1])
        except BadExtensions as error:
            raise Failed(f"in its 101, {error}") from None

    # -- opening

    async def open(self) -> None:
        """Open the WebSocket connection, without extensions."""
        await self.send(self.request())
        await self.open_answered()

    async def open_answered(self) -> Head:
        """Wait for a 101 that agrees to nothing, as nothing was offered."""
        head = await self.accepted()
        for name in ("sec-websocket-extensions", "sec-websocket-protocol"):
            if head.all(name):
                raise Failed(f"its 101 has a {name} that was not asked for (RFC 6455 4.2.2)")
        self.opened()
        return head

    async def open_offering(self, offer: str) -> Parameters | None:
        """Open it with an offer of extensions, and return what was agreed on."""
        await self.send(self.request(("Sec-WebSocket-Extensions", offer)))
        agreed = self.extensions(await self.accepted())
        self.opened(agreed)
        return agreed

    async def open_deflate(
        self,
        *,
        probe_bits: int | None = None,
        probe_takeover: bool = True,
        peer_bits: int | None = None,
        peer_takeover: bool = True,
    ) -> None:
        """Offer permessage-deflate; NotApplicable where the server declines."""
        offer = f"{NAME}; client_max_window_bits" + (f"={probe_bits}" if probe_bits else "")
        if not probe_takeover:
            offer += "; client_no_context_takeover"
        if peer_bits:
            offer += f"; server_max_window_bits={peer_bits}"
        if not peer_takeover:
            offer += "; server_no_context_takeover"
        await self.send(self.request(("Sec-WebSocket-Extensions", offer)))
        agreed = self.extensions(await self.accepted())
        if agreed is None:
            raise NotApplicable(f"it declines {offer!r}")
        if peer_bits and not (agreed.server_max_window_bits and agreed.server_max_window_bits <= peer_bits):
            raise Failed(f"it accepted {offer!r} without a server_max_window_bits within it (RFC 7692 7.1.2.1)")
        if not peer_takeover and not agreed.server_no_context_takeover:
            raise Failed(f"it accepted {offer!r} without server_no_context_takeover (RFC 7692 7.1.1.1)")
        # What a client says of its own compressor holds, whether or not the server repeats it.
        self.opened(
            replace(
                agreed,
                client_max_window_bits=min(probe_bits or 15, agreed.client_max_window_bits or 15),
                client_no_context_takeover=agreed.client_no_context_takeover or not probe_takeover,
            )
        )

    async def connect_again(self) -> None:
        """Leave this connection for a new one."""
        await perform(Connect())
        self.begin()
