"""What bytes travel on: a socket as it is, or one under TLS.

A bare socket is read and written without a stream around it, since a stream's checkpoints cost as much as the system
calls. Neither kind knows what a connection is.
"""

from __future__ import annotations

import contextlib
import socket
from typing import Any, Final, cast

import trio

from wscore import Peer, TLSObject, tls_extension
from wscore.sockets import unacknowledged

__all__ = ["LOST", "Bare", "Secure", "Wire", "socket_of"]

LOST: Final = (OSError, trio.BrokenResourceError, trio.ClosedResourceError)
"""What reading and writing raise when the connection is gone."""

_READ_SIZE: Final = 2**16
_PIECE: Final = 2**16  # that TLS is given at once, so that it shows how far it has come


class Bare:
    """A non-blocking socket. Cancelling a wait for it loses nothing; one task may wait to read, and one to write."""

    __slots__ = ("_ended", "_socket", "held")

    held: int
    """Bytes that wait in `send_all`, or for it."""

    def __init__(self, sock: socket.socket) -> None:
        self.held = 0
        self._socket = sock
        self._ended = False

    def peer(self) -> Peer:
        """Tell who is at the other end."""
        return Peer.of(_name(self._socket.getpeername), _name(self._socket.getsockname), None)

    async def receive(self) -> bytes | None:
        """Give what has come; b"" is the end, and None means to look whether there is still something to wait for.

        That is an interruption, or that nothing has come although we were woken: somebody may have called `receive_now`
        meanwhile, and an interruption does not reach who is awake already.
        """
        try:
            await trio.lowlevel.wait_readable(self._socket)
        except trio.ClosedResourceError:
            return None
        return self.receive_now()

    def receive_now(self) -> bytes | None:
        """Give what has come already; b"" is the end, and None nothing."""
        try:
            return self._socket.recv(_READ_SIZE)
        except BlockingIOError:
            return None

    def interrupt(self) -> None:
        """Let `receive` return None, if a task waits in it."""
        trio.lowlevel.notify_closing(self._socket)  # which is for sockets about to be closed, but wakes as well without

    def send_now(self, data: bytes | memoryview) -> int:
        """Write what the system takes at once, and tell how much that was."""
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0

    async def send_all(self, data: bytes) -> None:
        """Write all of it, interrupted or not."""
        with memoryview(data) as view:
            sent = 0
            while sent < len(view):
                if self._socket.fileno() < 0:
                    raise trio.ClosedResourceError
                with contextlib.suppress(trio.ClosedResourceError):  # interrupted, or closed: sending will tell
                    await trio.lowlevel.wait_writable(self._socket)
                sent += self.send_now(view[sent:])
                self.held = len(view) - sent

    def end(self) -> None:
        """End our side, once or more."""
        if not self._ended:
            self._ended = True
            with contextlib.suppress(OSError):  # reset meanwhile: the next read will say so
                self._socket.shutdown(socket.SHUT_WR)

    def unsent(self) -> int:
        """Count what was to be written and was not taken by the peer's system yet."""
        return self.held + unacknowledged(self._socket)

    def close(self) -> None:
        """Close the socket, once or more; who waits for it hears of it."""
        if self._socket.fileno() >= 0:
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()


class Secure:
    """A socket under TLS, after the handshake: one task reads, one writes, and no side can end alone."""

    __slots__ = ("_socket", "_stream", "held")

    held: int
    """Bytes that wait in `send_all`, or for it."""

    def __init__(self, stream: trio.SSLStream[Any]) -> None:
        self.held = 0
        self._stream = stream
        self._socket = socket_of(stream)

    def peer(self) -> Peer:
        """Tell who is at the other end, and what TLS has agreed."""
        tls = tls_extension(cast("TLSObject", self._stream))
        return Peer.of(_name(self._socket.getpeername), _name(self._socket.getsockname), tls)

    async def receive(self) -> bytes | None:
        """Give what has come; b"" is the end."""
        return bytes(await self._stream.receive_some())

    def send_now(self, data: bytes | memoryview) -> int:
        """Write nothing: under TLS a write may have to wait halfway."""
        del data
        return 0

    async def send_all(self, data: bytes) -> None:
        """Write all of it."""
        with memoryview(data) as view:
            for at in range(0, len(view), _PIECE):
                self.held = len(view) - at
                await self._stream.send_all(view[at : at + _PIECE])
        self.held = 0

    async def end(self) -> None:
        """Say goodbye and close, without waiting for the peer to do so."""
        await self._stream.aclose()

    def unsent(self) -> int:
        """Count what was to be written and was not taken by the peer's system yet."""
        return self.held + unacknowledged(self._socket)

    def close(self) -> None:
        """Close the socket, once or more, without a word."""
        self._socket.close()


Wire = Bare | Secure


def socket_of(stream: Any) -> trio.socket.SocketType:
    """Give the socket under a stream, which may be one of TLS, and that in another (through a proxy)."""
    below: Any = stream
    while hasattr(below, "transport_stream"):
        below = below.transport_stream
    sock: trio.socket.SocketType = below.socket
    return sock


def _name(ask: Any) -> Any:
    """Ask a socket for a name; one whose client has gone already has none."""
    try:
        return ask()
    except OSError:
        return None
