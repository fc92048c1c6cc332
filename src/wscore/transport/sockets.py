"""Options and properties of a connection's socket, shared by both transports.

Not part of the core, which uses no sockets; `import wscore` does not load it.
"""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Callable, Generator
from typing import Any, Protocol

from .._core.asgi.messages import Peer

__all__ = ["HasFileno", "configure_socket", "peer_of", "unacknowledged_bytes"]


class HasFileno(Protocol):
    """Any socket object; event loops have their own types, with only part of `socket.socket`'s methods."""

    def fileno(self) -> int:
        """Return the file descriptor; negative once closed."""
        ...


def configure_socket(sock: HasFileno) -> None:
    """Set TCP_NODELAY and SO_KEEPALIVE on a TCP socket; leave other sockets alone.

    Without TCP_NODELAY a small message waits for the acknowledgement of the one before it (RFC 896), which the peer's
    system may delay (RFC 1122 4.2.3.2): 40 ms on Linux. SO_KEEPALIVE detects a dead peer on a connection without pings.
    Accepted sockets inherit both from their listener.
    """
    with contextlib.suppress(OSError), _borrowed(sock) as own:  # lost already: the next read or write reports it
        if own.family in (socket.AF_INET, socket.AF_INET6) and own.type == socket.SOCK_STREAM:
            own.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            own.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


if sys.platform == "linux":
    import fcntl
    import termios

    def unacknowledged_bytes(sock: HasFileno) -> int:
        """Return how many sent bytes the peer's system has not acknowledged (tcp(7), SIOCOUTQ).

        0 if the system cannot tell, or the socket is closed.
        """
        try:
            return int.from_bytes(fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)), sys.byteorder)
        except (OSError, ValueError):
            return 0

else:

    def unacknowledged_bytes(sock: HasFileno) -> int:
        """Return 0: this system does not report how many sent bytes the peer's system has not acknowledged."""
        del sock
        return 0


@contextlib.contextmanager
def _borrowed(sock: HasFileno) -> Generator[socket.socket, None, None]:
    own = socket.socket(fileno=sock.fileno())
    try:
        yield own
    finally:
        own.detach()


def peer_of(sock: socket.socket) -> Peer:
    """Return the addresses of a socket's two ends. The client's is None if it has disconnected already."""
    return Peer.of(_name(sock.getpeername), _name(sock.getsockname))


def _name(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except OSError:
        return None
