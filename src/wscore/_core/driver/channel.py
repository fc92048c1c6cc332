"""What may lie between a socket and a connection: TLS, a proxy, or both, as bytes in and bytes out."""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["Channel"]


class Channel(Protocol):
    """What a driver asks of it. After every call take `data_to_send`; it has no socket, and waits for nothing.

    Every method raises OSError, ssl.SSLError among them, for what the other side does wrong; what there is to send then
    is a last alert.
    """

    ready: bool
    """The peer can be spoken to."""
    ended: bool
    """The peer has said that nothing more will come."""

    def receive(self, data: bytes) -> bytes:
        """Take what came from the network, b"" at its end; give what the peer said in it."""
        ...

    def send(self, data: bytes) -> None:
        """Take what we say, once `ready`."""
        ...

    def close(self) -> None:
        """Say that we say nothing more."""
        ...

    def data_to_send(self) -> bytes:
        """Take what is to be written to the network."""
        ...

    def tls_extension(self) -> dict[str, Any] | None:
        """Tell what TLS has agreed with the peer, as ASGI's tls extension has it; None without TLS."""
        ...
