"""What a server listens on: TCP addresses, a unix socket, or a socket that somebody else has bound.

Not part of the core, which knows no socket, and not loaded by `import wscore`: it is what both transports do with the
system's sockets before their event loops come in. Nothing here blocks; resolving a host is the transport's affair.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterable
from typing import Any, Self

from .bind_lock import BindLock, is_bind_locked
from .sockets import configure_socket

__all__ = ["Listeners"]


class Listeners:
    """Bound sockets; they listen once `listen` was called. Making them raises OSError, whose text names the address."""

    def __init__(self, sockets: Iterable[socket.socket] = ()) -> None:
        self.sockets = list(sockets)
        self._path: tuple[str, int] | None = None  # of our unix socket, with its inode
        self._claim: BindLock | None = None  # on that path
        for each in self.sockets:
            each.setblocking(False)
            configure_socket(each)

    @classmethod
    def tcp(cls, infos: Iterable[tuple[Any, Any, Any, Any, Any]]) -> Self:
        """Bind the addresses that `getaddrinfo` gave; a free port is chosen once for all of them."""
        listeners = cls()
        try:
            for family, _, _, _, address in dict.fromkeys(infos):
                listeners._bind(family, (address[0], listeners.port or address[1], *address[2:]))
        except BaseException:
            listeners.close()
            raise
        return listeners

    @classmethod
    def unix(cls, path: str) -> Self:
        """Bind a path. What a killed server left there is replaced; a living one keeps it, and so does one that starts.

        Until it listens there is a file beside it, `PATH.lock`.
        """
        _remove_dead_socket(path)
        listeners = cls()
        try:
            listeners._bind(socket.AF_UNIX, path)
            listeners._path = (path, os.stat(path).st_ino)
            with contextlib.suppress(OSError):  # no reason not to serve
                listeners._claim = BindLock(path)
        except BaseException:
            listeners.close()
            raise
        return listeners

    @property
    def port(self) -> int | None:
        """The TCP port, None on a unix socket and once closed."""
        name: Any = self.sockets[0].getsockname() if self.sockets and self.sockets[0].fileno() >= 0 else ""
        return None if isinstance(name, str | bytes) else int(name[1])

    def listen(self, backlog: int) -> None:
        """Let clients connect; `backlog` of them wait in the system until they are accepted. Raises OSError."""
        for each in self.sockets:
            each.listen(backlog)
        self._release()

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
        self._release()

    def _release(self) -> None:
        """Give up the claim: whoever connects finds a server now, or no socket."""
        if self._claim is not None:
            self._claim.release()
            self._claim = None

    def _bind(self, family: int, address: Any) -> None:
        bound = socket.socket(family, socket.SOCK_STREAM)
        self.sockets.append(bound)
        bound.setblocking(False)
        configure_socket(bound)
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
            if not is_bind_locked(path):
                os.unlink(path)
                return
        except BlockingIOError:
            pass  # its backlog is full: alive, and busy
    raise OSError(errno.EADDRINUSE, f"cannot listen on {path}: {os.strerror(errno.EADDRINUSE)}")


def _shown(address: Any) -> str:
    return address if isinstance(address, str) else f"{address[0]}:{address[1]}"
