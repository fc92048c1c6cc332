"""What both transports ask of a connection's socket, and what they tell the core of it.

Not part of the core, which knows no socket, and not loaded by `import wscore`.
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
    """A socket of whatever make: event loops have their own, which cannot do all that the system's can."""

    def fileno(self) -> int:
        """Give the descriptor, negative once closed."""
        ...


def configure_socket(sock: HasFileno) -> None:
    """Let a TCP socket send at once, and ask by itself whether a silent peer is still there; leave others alone.

    Without TCP_NODELAY a small message waits until the peer's system has acknowledged the one before it (RFC 896), and
    that may take its time (RFC 1122 4.2.3.2): 40 ms on Linux. What a listener accepts inherits both. SO_KEEPALIVE
    stands behind the pings, for a connection that has none.
    """
    with contextlib.suppress(OSError), _borrowed(sock) as own:  # gone already: the next read or write will say so
        if own.family in (socket.AF_INET, socket.AF_INET6) and own.type == socket.SOCK_STREAM:
            own.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            own.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


if sys.platform == "linux":
    import fcntl
    import termios

    def unacknowledged_bytes(sock: HasFileno) -> int:
        """Count the bytes that were given to the system and that the peer's has not taken yet (tcp(7), SIOCOUTQ).

        0 where the system does not tell, and for a socket that is closed.
        """
        try:
            return int.from_bytes(fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)), sys.byteorder)
        except (OSError, ValueError):
            return 0

else:

    def unacknowledged_bytes(sock: HasFileno) -> int:
        """Count the bytes that were given to the system and that the peer's has not taken yet: 0, it does not tell."""
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
    """Tell who is at the other end of a socket. One whose client has gone already has no name."""
    return Peer.of(_name(sock.getpeername), _name(sock.getsockname))


def _name(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except OSError:
        return None
