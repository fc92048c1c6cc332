"""Where the server listens (address, Unix socket or inherited socket; TLS or not), and errors that say what to do."""

from __future__ import annotations

import dataclasses
import errno
import os
import socket
import ssl
from collections.abc import Sequence
from typing import Any, Protocol

from ...transport.listening import Listeners
from ..failure import Failure

__all__ = ["BindAddress", "ListeningSocket", "inherited_socket", "tls_context"]


class ListeningSocket(Protocol):
    """The attributes used here of a socket of the standard library or of trio."""

    @property
    def family(self) -> socket.AddressFamily | int:
        """The address family."""
        ...

    def getsockname(self) -> Any:
        """Return the address."""
        ...


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BindAddress:
    """Where to listen, according to the command line. Either `host` and `port`, or `uds`, or `sock`."""

    host: str = "127.0.0.1"
    port: int = 8000
    uds: str | None = None
    sock: socket.socket | Sequence[socket.socket] | None = None
    ssl: ssl.SSLContext | None = None

    def addresses(self, sockets: Sequence[ListeningSocket]) -> list[str]:
        """Return the address that clients connect to, for each of the listening `sockets`."""
        return [_address(sock, secure=self.ssl is not None) for sock in sockets]

    def listeners(self, backlog: int) -> Listeners:
        """Bind and listen on behalf of worker processes. Raises Failure."""
        try:
            if self.sock is not None:
                listeners = Listeners([self.sock] if isinstance(self.sock, socket.socket) else self.sock)
            elif self.uds is not None:
                listeners = Listeners.unix(self.uds)
            else:
                infos = socket.getaddrinfo(
                    self.host or None, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
                )
                listeners = Listeners.tcp(infos)
            listeners.listen(backlog)
        except OSError as error:
            raise self.explain(error) from error
        return listeners

    def explain(self, error: OSError) -> Failure:
        """Turn an error from binding or listening into a line that says what to do."""
        if self.uds is not None:
            return self._explain_unix(error)
        if self.sock is not None:
            return Failure(f"cannot listen on the inherited socket: {_system_text(error)}")
        if isinstance(error, socket.gaierror):
            return Failure(
                f"the host {self.host!r} does not resolve to an address of this machine: "
                "use --host 127.0.0.1 for this machine alone, --host 0.0.0.0 for every IPv4 address it has"
            )
        where = f"{_bracketed(self.host)}:{self.port}"
        if error.errno == errno.EADDRINUSE:
            return Failure(
                f"another program listens on {where}: end it, or choose another port (--port 0 takes a free one)"
            )
        if error.errno in (errno.EACCES, errno.EPERM):
            return Failure(
                f"not allowed to listen on {where}: ports below 1024 need privileges; choose one above, "
                "as --port 8000, with a reverse proxy in front"
            )
        if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            return Failure(
                f"{self.host} is no address of this machine: use --host 127.0.0.1 for this machine alone, "
                "--host 0.0.0.0 for every IPv4 address it has"
            )
        return Failure(f"cannot listen on {where}: {_system_text(error)}")

    def _explain_unix(self, error: OSError) -> Failure:
        where = f"the unix socket {self.uds}"
        if error.errno == errno.EADDRINUSE:
            return Failure(f"{where} exists already: end the program that serves it, or remove the file")
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return Failure(f"cannot make {where}: its folder does not exist")
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            return Failure(f"cannot make {where}: not allowed to write in its folder")
        return Failure(f"cannot make {where}: {_system_text(error)}; --uds takes a path of about 100 bytes at most")


def inherited_socket(fd: int) -> socket.socket:
    """Return the listening socket that another program (a service manager) passed as `fd`. Raises Failure."""
    try:
        sock = socket.socket(fileno=fd)
        listening = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise Failure(
            f"--fd {fd} is not an open socket ({_system_text(error)}): the program that starts wscore has to pass it on"
        ) from error
    if not listening or sock.type != socket.SOCK_STREAM:
        sock.detach()
        raise Failure(f"--fd {fd} is a socket that does not listen: whoever opens it has to call listen()")
    return sock


def tls_context(certfile: str, keyfile: str | None) -> ssl.SSLContext:
    """Create a server's TLS context from PEM files. Without `keyfile`, `certfile` holds the key. Raises Failure."""
    for option, path in (("--ssl-certfile", certfile), ("--ssl-keyfile", keyfile)):
        if path is not None:
            try:
                with open(path, "rb"):
                    pass
            except OSError as error:
                # OpenSSL does not report which of the two files it could not read.
                raise Failure(f"{option} {path}: {_system_text(error)}: name a PEM file that can be read") from error

    def refuse_passphrase() -> str:
        # Without this, OpenSSL would prompt on the terminal, where a service would hang.
        raise Failure(
            f"the key in {keyfile or certfile} has a passphrase: give one without "
            f"(openssl pkey -in {keyfile or certfile} -out plain.pem)"
        )

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certfile, keyfile, refuse_passphrase)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise Failure(f"the key in {keyfile or certfile} is not the key of the certificate in {certfile}") from None
        files = f"{certfile} and {keyfile} do not hold" if keyfile else f"{certfile} does not hold"
        hint = "" if keyfile else "; name the key's file with --ssl-keyfile"
        raise Failure(f"{files} a certificate and its key in PEM form{hint}") from error
    return context


def _address(sock: ListeningSocket, *, secure: bool) -> str:
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return f"unix:{os.fsdecode(name)}" + (" (TLS)" if secure else "")
    return f"{'wss' if secure else 'ws'}://{_bracketed(name[0])}:{name[1]}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _system_text(error: OSError) -> str:
    return error.strerror or str(error)
