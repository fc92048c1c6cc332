"""Listening sockets of a server: TCP addresses, a Unix socket, or sockets bound elsewhere.

Shared by both transports. Not part of the core, which uses no sockets; `import wscore` does not load it. Nothing here
blocks: the transport resolves host names.
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
    """Bound sockets, which listen after `listen`. Binding raises OSError, whose text names the address."""

    def __init__(self, sockets: Iterable[socket.socket] = ()) -> None:
        self.sockets = list(sockets)
        self._path: tuple[str, int] | None = None  # path and inode of our Unix socket
        self._claim: BindLock | None = None  # the lock on that path
        for each in self.sockets:
            each.setblocking(False)
            configure_socket(each)

    @classmethod
    def tcp(cls, infos: Iterable[tuple[Any, Any, Any, Any, Any]]) -> Self:
        """Bind the addresses from `getaddrinfo`. For port 0, all of them share one free port."""
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
        """Bind a Unix socket. A socket left by a killed server is replaced; one of a running or starting server is not.

        The file `PATH.lock` exists beside it until `listen`.
        """
        _remove_dead_socket(path)
        listeners = cls()
        try:
            listeners._bind(socket.AF_UNIX, path)
            listeners._path = (path, os.stat(path).st_ino)
            with contextlib.suppress(OSError):  # serve without the lock
                listeners._claim = BindLock(path)
        except BaseException:
            listeners.close()
            raise
        return listeners

    @property
    def port(self) -> int | None:
        """The TCP port of the first socket; None for a Unix socket, and once closed."""
        name: Any = self.sockets[0].getsockname() if self.sockets and self.sockets[0].fileno() >= 0 else ""
        return None if isinstance(name, str | bytes) else int(name[1])

    def listen(self, backlog: int) -> None:
        """Listen; the system queues up to `backlog` connections until they are accepted. Raises OSError."""
        for each in self.sockets:
            each.listen(backlog)
        self._release()

    def close(self) -> None:
        """Close the sockets. Remove the Unix socket's path, unless another server has replaced it."""
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
        """Release the lock: from now on connecting shows whether a server runs."""
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
    """Remove a socket that a killed server left behind. Raises OSError if a running server answers."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return  # not a socket: bind will fail
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
            pass  # its backlog is full: a running server
    raise OSError(errno.EADDRINUSE, f"cannot listen on {path}: {os.strerror(errno.EADDRINUSE)}")


def _shown(address: Any) -> str:
    return address if isinstance(address, str) else f"{address[0]}:{address[1]}"
