"""TLS without a socket: what a connection says in, what the network carries out, and back.

Not part of the core, which knows no ssl, and not loaded by `import wscore`. Both transports, and TLS through TLS (to a
server behind an `https://` proxy), stand on it, so that what TLS does to a connection is the same on every event loop.
asyncio's own counts not what the socket below holds, so that `send` never waits; loses what arrives in the last flight
of a handshake begun by `start_tls`; and trio's closes without a word.
"""

from __future__ import annotations

import contextlib
import ssl
from typing import Any, Final

from .._core.asgi.tls_extension import tls_extension

__all__ = ["TLS"]

_RECORD: Final = 2**14  # the most that a record holds (RFC 8446 5.1)


class TLS:
    """One side of TLS: a `Channel`. `server_hostname` is for clients: whose certificate is expected."""

    def __init__(
        self, context: ssl.SSLContext, *, server_side: bool = False, server_hostname: str | None = None
    ) -> None:
        """Begin the handshake. Raises ValueError for a hostname that no certificate can be for."""
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server_side, server_hostname=server_hostname
        )
        self.ready = False
        """The handshake is over."""
        self.ended = False
        """The peer has said goodbye, or the network has ended."""
        self._shake()

    def receive(self, data: bytes) -> bytes:
        """Decrypt what came from the network; b"" is its end. Raises ssl.SSLError, an OSError."""
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
            self.ended = True  # an empty read is the peer's goodbye
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        return bytes(said)

    def _network_ended(self) -> bytes:
        """Take the network's end for the peer's.

        A network that ends without a goodbye may have been cut by a third party (RFC 8446 6.1). Here that can cut off
        no message: a WebSocket that ends without a close frame says so itself, with 1006. OpenSSL is not told, since it
        would not let us speak any more.
        """
        if not self.ready:
            raise ConnectionResetError("the connection ended within the TLS handshake")
        self.ended = True
        return b""

    def send(self, data: bytes) -> None:
        """Encrypt, once `ready`."""
        self._object.write(data)

    def close(self) -> None:
        """Say goodbye (RFC 8446 6.1), once; the peer's goodbye is not awaited."""
        if self.ready:
            with contextlib.suppress(ssl.SSLError):  # it would have to be awaited, or has come already
                self._object.unwrap()

    def data_to_send(self) -> bytes:
        """Take what is to be written to the network."""
        return self._outgoing.read()

    def tls_extension(self) -> dict[str, Any] | None:
        """Tell what was agreed, as ASGI's tls extension has it."""
        return tls_extension(self._object)

    def _shake(self) -> None:
        try:
            self._object.do_handshake()
            self.ready = True
        except ssl.SSLWantReadError:
            return
