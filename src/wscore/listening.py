"""What a server listens on: TCP addresses, a unix socket, or a socket that somebody else has bound.

Not part of the core, which knows no socket, and not loaded by `import wscore`: it is what both transports need of the
system's blocking socket calls before their event loops have anything to do.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from typing import Any

__all__ = ["Listeners"]


class Listeners:
    """Bound sockets; they listen once `listen` was called.

    `host` and `port` (None: all interfaces; 0: one free port for all addresses of the host), or the path `uds`, or
    `sock`, which is bound already. Resolving a host may block: call this in a worker thread. Raises OSError, whose text
    names the address.
    """

    sockets: list[socket.socket]

    def __init__(
        self, host: str | None, port: int, *, uds: str | None = None, sock: socket.socket | None = None
    ) -> None:
        self.sockets = []
        self._path: tuple[str, int] | None = None  # of our unix socket, with its inode
        try:
            if sock is not None:
                self.sockets.append(sock)
            elif uds is not None:
                _remove_dead_socket(uds)
                self._bind(socket.AF_UNIX, uds)
                self._path = (uds, os.stat(uds).st_ino)
            else:
                self._bind_tcp(host, port)
        except BaseException:
            self.close()
            raise
        for each in self.sockets:
            each.setblocking(False)

    @property
    def port(self) -> int | None:
        """The TCP port, None on a unix socket and once closed."""
        name: Any = self.sockets[0].getsockname() if self.sockets and self.sockets[0].fileno() >= 0 else ""
        return None if isinstance(name, str | bytes) else int(name[1])

    def listen(self, backlog: int) -> None:
        """Let clients connect; `backlog` of them wait in the system until they are accepted. Raises OSError."""
        for each in self.sockets:
            each.listen(backlog)

    def close(self) -> None:
        """Close the sockets, and remove the unix socket's path unless another server's has taken its place."""
        for each in self.sockets:
            each.close()
        if self._path is not None:
            path, inode = self._path
            self._path = None
            with contextlib.suppress(FileNotFoundError):
                if os.stat(path).st_ino == inode:
                    os.unlink(path)

    def _bind_tcp(self, host: str | None, port: int) -> None:
        infos = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _, _, _, address in dict.fromkeys(infos):
            # A free port is chosen once: "localhost" has the same one on IPv4 and IPv6.
            self._bind(family, (address[0], self.port or port, *address[2:]))

    def _bind(self, family: int, address: Any) -> None:
        bound = socket.socket(family, socket.SOCK_STREAM)
        self.sockets.append(bound)
        if family != socket.AF_UNIX:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            bound.bind(address)
        except OSError as error:
            raise OSError(error.errno, f"cannot listen on {_shown(address)}: {error.strerror}") from None


def _remove_dead_socket(path: str) -> None:
    """Remove the socket that a killed server left behind; raise OSError where a living one answers."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return  # bind will say what it thinks of it
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except BlockingIOError:
            pass  # its backlog is full: alive, and busy
    raise OSError(errno.EADDRINUSE, f"cannot listen on {path}: {os.strerror(errno.EADDRINUSE)}")


def _shown(address: Any) -> str:
    return address if isinstance(address, str) else f"{address[0]}:{address[1]}"
