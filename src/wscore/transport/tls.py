"""TLS without a socket: converts between a connection's bytes and the network's bytes.

Used by both transports, and for TLS inside TLS (to a server behind an `https://` proxy), so that TLS behaves the same
on every event loop. The libraries' own implementations do not suffice: asyncio's does not count the bytes buffered
below it, so `send` would never wait, and it loses bytes that arrive in the last flight of a handshake begun by
`start_tls`; trio's closes without a close_notify.

Not part of the core, which does not import ssl; `import wscore` does not load it.
"""

from __future__ import annotations

import contextlib
import ssl
from typing import Any, Final

from .._core.asgi.tls_extension import tls_extension

__all__ = ["TLS"]

_RECORD: Final = 2**14  # largest record, in bytes (RFC 8446 5.1)


class TLS:
    """One side of a TLS connection: a `Channel`.

    Args:
        context: The TLS context, of a client or of a server.
        server_side: Act as the server.
        server_hostname: For a client: the name expected in the server's certificate, also sent as SNI.

    Raises:
        ValueError: `server_hostname` cannot be a name in a certificate.
    """

    def __init__(
        self, context: ssl.SSLContext, *, server_side: bool = False, server_hostname: str | None = None
    ) -> None:
        """Begin the handshake."""
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server_side, server_hostname=server_hostname
        )
        self.ready = False
        """The handshake is done."""
        self.ended = False
        """The peer has sent close_notify, or the network's stream has ended."""
        self._shake()

    def receive(self, data: bytes) -> bytes:
        """Decrypt bytes from the network; b"" means EOF.

        Returns:
            The decrypted bytes; b"" during the handshake.

        Raises:
            ssl.SSLError: An OSError: the handshake failed, or the peer broke the protocol.
            ConnectionResetError: EOF during the handshake.
        """
        if not data:
            return self._network_ended()
        self._incoming.write(data)
        if not self.ready:
            self._shake()
        if not self.ready:
            return b""
        said = bytearray()
        try:
            while more := self._object.read(_RECORD):
                said += more
            self.ended = True  # an empty read is the peer's close_notify
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        return bytes(said)

    def _network_ended(self) -> bytes:
        """Treat the network's EOF as the peer's.

        An EOF without close_notify may have been forged by a third party (RFC 8446 6.1). It cannot truncate a message
        here: a WebSocket connection that ends without a close frame is reported as 1006. OpenSSL is not notified of
        the EOF, because it would then refuse to send.
        """
        if not self.ready:
            raise ConnectionResetError("the connection ended within the TLS handshake")
        self.ended = True
        return b""

    def send(self, data: bytes) -> None:
        """Encrypt bytes. Only once `ready`."""
        self._object.write(data)

    def close(self) -> None:
        """Send close_notify (RFC 8446 6.1), without waiting for the peer's. Idempotent."""
        if self.ready:
            with contextlib.suppress(ssl.SSLError):  # the peer's has not come, or came earlier
                self._object.unwrap()

    def data_to_send(self) -> bytes:
        """Return and remove the bytes to be written to the network."""
        return self._outgoing.read()

    def tls_extension(self) -> dict[str, Any] | None:
        """Return the negotiated parameters in the form of ASGI's tls extension."""
        return tls_extension(self._object)

    def _shake(self) -> None:
        try:
            self._object.do_handshake()
            self.ready = True
        except ssl.SSLWantReadError:
            return
