"""The channel from a client's socket to its server: TLS, an HTTP proxy, or TLS through an `https://` proxy.

Not part of the core, which does not import ssl. The tunnel is a list of handshakes, each begun when the one before it
is done. TLS layers remain, nested, for all later bytes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from .._core.http.proxy import ProxyHandshake
from .tls import TLS

__all__ = ["Tunnel"]

Step = Callable[[], TLS | ProxyHandshake]
"""Begins a handshake: the proxy's, or TLS."""


class Tunnel:
    """A `Channel` of several steps. Its methods raise HandshakeFailed, an OSError, if the proxy refuses."""

    def __init__(self, steps: list[Step]) -> None:
        """Begin the first of `steps`."""
        self.ready = False
        """All steps are done."""
        self.ended = False
        """The server has ended its stream."""
        self._steps = deque(steps)
        self._layers: list[TLS] = []  # the outermost first
        self._proxy: ProxyHandshake | None = None  # the proxy handshake in progress
        self._outgoing = bytearray()
        self._step()

    def receive(self, data: bytes) -> bytes:
        """Process bytes from the network, b"" at EOF, and return the server's bytes in them."""
        ended = not data
        for layer in self._layers:
            data = layer.receive(data) if data else b""
            if ended and not layer.ended:
                data += layer.receive(b"")
            ended = layer.ended
        if self._proxy is not None:
            if data and self._proxy.feed(data):
                self._proxy = None
                self._step()
                if not ended:
                    return b""
            elif ended:
                self._proxy.feed(b"")  # raises: there was no answer
            return self.receive(b"") if ended else b""
        if not self.ready and self._layers[-1].ready:
            self._step()
        if not self.ready:
            return b""
        self.ended = ended
        return data

    def send(self, data: bytes) -> None:
        """Send bytes to the server. Only once `ready`."""
        self._pass_out(data, len(self._layers))

    def close(self) -> None:
        """Send close_notify in every layer, innermost first."""
        for depth in range(len(self._layers) - 1, -1, -1):
            self._layers[depth].close()
            if said := self._layers[depth].data_to_send():
                self._pass_out(said, depth)  # before the outer layers send theirs

    def data_to_send(self) -> bytes:
        """Return and remove the bytes to be written to the network."""
        for depth in range(len(self._layers) - 1, -1, -1):
            if said := self._layers[depth].data_to_send():
                self._pass_out(said, depth)
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    def tls_extension(self) -> dict[str, Any] | None:
        """Return None: only servers need it."""
        return None

    def _pass_out(self, data: bytes, depth: int) -> None:
        """Encrypt `data` with the layers outside the one at `depth`."""
        for layer in reversed(self._layers[:depth]):
            layer.send(data)
            data = layer.data_to_send()
        self._outgoing += data

    def _step(self) -> None:
        if not self._steps:
            self.ready = True
            return
        begun = self._steps.popleft()()
        if isinstance(begun, TLS):
            self._layers.append(begun)
        else:
            self._proxy = begun
            self._pass_out(begun.request(), len(self._layers))
