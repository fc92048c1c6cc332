"""TLS without a socket: what a connection says in, what the network carries out, and back."""

from __future__ import annotations

import ssl

__all__ = ["TLS"]


class TLS:
    """One client's side of TLS. `outgoing` is for the network; take it after every call.

    Raises ssl.SSLError, an OSError, for whatever the other side does wrong.
    """

    def __init__(self, context: ssl.SSLContext, hostname: str | None) -> None:
        self._read, self._written = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._read, self._written, server_hostname=hostname)
        self.ready = False
        """The handshake is over."""
        self._shake()

    def outgoing(self) -> bytes:
        """Take what is to be written to the network."""
        return self._written.read()

    def send(self, data: bytes) -> None:
        """Encrypt, once `ready`."""
        self._object.write(data)

    def receive(self, data: bytes) -> tuple[bytes, bool]:
        """Decrypt what came from the network; b"" is its end. Gives what was said, and whether that has ended."""
        if data:
            self._read.write(data)
        else:
            self._read.write_eof()
        if not self.ready:
            self._shake()
        said = bytearray()
        try:
            while self.ready and (more := self._object.read(65536)):
                said += more
        except ssl.SSLWantReadError:
            return bytes(said), False
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return bytes(said), True
        return bytes(said), self.ready  # an empty read is the other side's goodbye

    def end(self) -> None:
        """Say goodbye (RFC 8446 6.1)."""
        try:
            self._object.unwrap()
        except ssl.SSLError:
            return  # theirs is not awaited

    def _shake(self) -> None:
        try:
            self._object.do_handshake()
            self.ready = True
        except ssl.SSLWantReadError:
            return
