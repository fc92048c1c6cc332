"""Where a client connects to: a URI's host and port, a unix socket, or a socket that somebody else has connected.

Not part of the core, which knows no socket, and not loaded by `import wscore`: it is what both transports settle before
their event loops come in. Nothing here blocks, but that a default TLS context reads the system's certificates.
"""

from __future__ import annotations

import socket
import ssl
from typing import Any, Final

from ._close import NORMAL
from ._errors import HandshakeFailed, HandshakeTimeout
from ._uri import parse_uri

__all__ = ["NORMAL_CLOSURE", "Destination"]

NORMAL_CLOSURE: Final = NORMAL
"""What `close` says by default."""


class Destination:
    """Where to connect to, and how.

    Raises InvalidURI, and ValueError for what contradicts itself: a TLS option for `ws://`, both a socket and a path.
    """

    def __init__(
        self,
        uri: str,
        tls: ssl.SSLContext | None,
        server_hostname: str | None,
        sock: socket.socket | None,
        unix_path: str | None,
    ) -> None:
        self.uri = parse_uri(uri)
        if not self.uri.secure and (tls is not None or server_hostname is not None):
            raise ValueError(f"ssl and server_hostname are for wss://, not for {self.uri}")
        if sock is not None and unix_path is not None:
            raise ValueError("either sock or unix_path, not both")
        self.sock = sock
        self.unix_path = unix_path
        self.tls: ssl.SSLContext | None = None
        """None: no TLS."""
        if self.uri.secure:
            self.tls = tls or ssl.create_default_context()
        self.server_hostname = (server_hostname or self.uri.host) if self.tls else None
        """Whose certificate is expected."""

    def failed(self, error: BaseException) -> HandshakeFailed:
        """Say in one line that there is no connection because of `error`."""
        address = str(self.uri) if self.unix_path is None else f"{self.uri} at {self.unix_path}"
        if isinstance(error, TimeoutError):
            return HandshakeTimeout(address, "connecting took too long")
        cause = error.__cause__ or error  # trio keeps the reasons there, one for each address that it tried
        several: Any = getattr(cause, "exceptions", None)  # of a group
        if several:
            cause = several[0]
        return HandshakeFailed(address, " ".join(str(cause).split()) or type(cause).__name__)
