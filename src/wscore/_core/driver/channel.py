"""The layer between a socket and a connection: TLS, a proxy, or both, as bytes in and bytes out."""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["Channel"]


class Channel(Protocol):
    """What a driver needs from such a layer, which has no socket and waits for nothing.

    After every call take `data_to_send`.

    Raises:
        OSError: Including ssl.SSLError, from every method, if the other side makes a mistake; what remains to be sent
            is a last alert.
    """

    ready: bool
    """Whether application data can be sent to the peer."""
    ended: bool
    """Whether the peer has announced its end of stream."""

    def receive(self, data: bytes) -> bytes:
        """Process bytes from the network, b"" at the end of the stream; return the application data in them."""
        ...

    def send(self, data: bytes) -> None:
        """Send application data, once `ready`."""
        ...

    def close(self) -> None:
        """Announce the end of our stream."""
        ...

    def data_to_send(self) -> bytes:
        """Take the bytes to write to the network."""
        ...

    def tls_extension(self) -> dict[str, Any] | None:
        """Return the parameters negotiated by TLS, in the form of ASGI's tls extension; None without TLS."""
        ...
