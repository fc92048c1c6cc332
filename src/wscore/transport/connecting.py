"""Where a client connects to, and what both transports' clients tell of themselves.

Not part of the core, which knows no socket, and not loaded by `import wscore`: it is what both transports settle before
their event loops come in. Nothing here blocks, but that a default TLS context reads the system's certificates.
"""

from __future__ import annotations

import abc
import contextlib
import itertools
import os
import random
import socket
import ssl as ssl_module
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

from .._core.backoff import Backoff
from .._core.client import ClientConnection
from .._core.config import Config
from .._core.errors import HandshakeFailed, HandshakeTimeout
from .._core.http.proxy import Proxy, ProxyHandshake, parse_proxy
from .._core.http.uri import parse_uri
from .._core.loss import describe_loss, is_certificate_error
from .._logs import logger
from .proxy_environment import proxy_of_environment
from .tls import TLS
from .tunnel import Step, Tunnel
from .waiting import EventLoop

__all__ = ["ATTEMPT_DELAY", "BaseReconnector", "ConnectOptions", "Destination", "RetryPolicy", "interleave_addresses"]

log = logger("wscore.client")

ATTEMPT_DELAY: Final = 0.25
"""Seconds until the next address is tried beside those that have not answered (RFC 8305 5)."""


def interleave_addresses(infos: Iterable[tuple[Any, Any, Any, Any, Any]]) -> list[tuple[Any, Any, Any, Any, Any]]:
    """Put what `getaddrinfo` gave in the order of attempts: families take turns, in its own order (RFC 8305 4)."""
    infos = list(dict.fromkeys(infos))
    first = [info for info in infos if info[0] == infos[0][0]]
    others = [info for info in infos if info[0] != infos[0][0]]
    pairs = itertools.zip_longest(first, others)
    return [info for pair in pairs for info in pair if info is not None]


class Destination:
    """Where to connect to, and how.

    Raises InvalidURI, for a proxy's URL too, and ValueError for what contradicts itself: a TLS option for `ws://`, both
    a socket and a path.
    """

    def __init__(
        self,
        uri: str,
        *,
        tls: ssl_module.SSLContext | None = None,
        server_hostname: str | None = None,
        sock: socket.socket | None = None,
        unix_path: str | None = None,
        proxy: str | bool | None = True,
        proxy_tls: ssl_module.SSLContext | None = None,
    ) -> None:
        self.uri = parse_uri(uri)
        if not self.uri.secure and (tls is not None or server_hostname is not None):
            raise ValueError(f"ssl and server_hostname are for wss://, not for {self.uri}")
        if sock is not None and unix_path is not None:
            raise ValueError("either sock or unix_path, not both")
        self.sock = sock
        self.unix_path = unix_path
        self.tls: ssl_module.SSLContext | None = None
        """None: no TLS."""
        if self.uri.secure:
            self.tls = tls or ssl_module.create_default_context()
        self.server_hostname = _tls_name(server_hostname or self.uri.host) if self.tls else None
        """Whose certificate is expected."""
        if isinstance(proxy, str):
            if sock is not None or unix_path is not None:
                raise ValueError("proxy is for connections that are made, not for sock and unix_path")
            self.proxy: Proxy | None = parse_proxy(proxy)
        else:
            self.proxy = proxy_of_environment(self.uri) if proxy and sock is None and unix_path is None else None
        self.proxy_tls: ssl_module.SSLContext | None = None
        """How to speak to the proxy; None: without TLS."""
        if self.proxy is not None and self.proxy.secure:
            self.proxy_tls = proxy_tls or ssl_module.create_default_context()
        elif proxy_tls is not None:
            raise ValueError("proxy_ssl is for a proxy with https://")
        way = self.proxy or self.uri
        # Not every resolver knows `localhost.` for this machine (RFC 6761 6.3).
        self.host, self.port = "localhost" if way.host == "localhost." else way.host, way.port
        """Of the TCP connection."""
        self.proxy_hostname = None if self.proxy is None else _tls_name(self.proxy.host)
        """Whose certificate is expected of the proxy, where it is spoken to over TLS."""

    def check_names(self) -> None:
        """Raise HandshakeFailed where TLS cannot begin: for `.a`, a name with an empty or overlong label."""
        for context, name in ((self.tls, self.server_hostname), (self.proxy_tls, self.proxy_hostname)):
            if context is not None:
                try:
                    context.wrap_bio(ssl_module.MemoryBIO(), ssl_module.MemoryBIO(), server_hostname=name)
                except (ValueError, TypeError, OSError) as error:  # from IDNA, for a null byte, a server's context
                    raise HandshakeFailed(
                        str(self.uri), f"TLS cannot ask for {name!r}: {describe_loss(error)}"
                    ) from error

    def address(self) -> list[tuple[Any, Any, Any, Any, Any]]:
        """Give what `getaddrinfo` would, where the host is an address; of a name nothing, since that takes time."""
        with contextlib.suppress(OSError, UnicodeError):
            return socket.getaddrinfo(
                self.host, self.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
            )
        return []

    def tunnel(self, config: Config) -> Tunnel | None:
        """Begin the way from a socket to the server, through a proxy and TLS; None where there is neither."""
        proxy, proxy_tls, tls = self.proxy, self.proxy_tls, self.tls
        steps: list[Step] = []
        if proxy is not None:
            if proxy_tls is not None:
                steps.append(lambda: TLS(proxy_tls, server_hostname=self.proxy_hostname))
            steps.append(lambda: ProxyHandshake(proxy, self.uri, config))
        if tls is not None:
            steps.append(lambda: TLS(tls, server_hostname=self.server_hostname))
        return Tunnel(steps) if steps else None

    def failed(self, error: BaseException) -> HandshakeFailed:
        """Say in one line that there is no connection because of `error`."""
        address = str(self.uri)
        if self.unix_path is not None:
            address += f" at {self.unix_path}"
        elif self.proxy is not None:
            address += f" by proxy {self.proxy}"
        if isinstance(error, TimeoutError):
            return HandshakeTimeout(address, "connecting took too long")
        cause = error.__cause__ or error  # trio keeps the reasons there, one for each address that it tried
        several: Any = getattr(cause, "exceptions", None)  # of a group
        if several:
            cause = several[0]
        why = " ".join(str(cause).split()) or type(cause).__name__
        # A name that is none, and a certificate that is not good, will not get better. A UnicodeError is a ValueError.
        lasting = isinstance(cause, ValueError) or is_certificate_error(cause)
        return HandshakeFailed(address, why, temporary=not lasting)


def _tls_name(host: str) -> str:
    """Give a host as TLS names it: without the dot of an absolute name (RFC 6066 3), without an address's zone."""
    return host.removesuffix(".").partition("%")[0]


class RetryPolicy:
    """How long to wait between connections to the same server, and whether to go on at all; it says so in the log."""

    def __init__(self, to: Destination, backoff: Backoff | None) -> None:
        """Take `backoff`, or one of our own. Raises ValueError for a destination that can be reached only once."""
        if to.sock is not None:
            raise ValueError("sock is a connection that cannot be made again: use `async with`")
        self.next = 0.0
        """Seconds to wait before the next attempt."""
        self._uri = to.uri
        self._backoff = Backoff(random.random) if backoff is None else backoff
        self._opened_at = 0.0

    def failed(self, error: HandshakeFailed) -> None:
        """Take note of an attempt that failed. Raises `error` where another would fail as well."""
        if not error.temporary:
            raise error
        self.next = self._backoff.after_failure()
        # A log that keeps the error would keep its traceback, and so whoever connects.
        log.info("%s; connecting again in %.1f s", str(error), self.next)

    def opened(self, now: float) -> None:
        """Take note of a connection."""
        self._opened_at = now

    def ended(self, now: float) -> None:
        """Take note of its end."""
        lasted = now - self._opened_at
        self.next = self._backoff.after_connection(lasted)
        log.info("the connection to %s ended after %.1f s; connecting again in %.1f s", self._uri, lasted, self.next)


_W = TypeVar("_W")


class BaseReconnector(abc.ABC, AsyncIterator[_W]):
    """Connections to one server: each is closed, if it is not yet, when the next is asked for.

    Nobody tells an iterator that its loop was left; so it closes the last one in the background when it is forgotten,
    or at `aclose`, which waits for that (`contextlib.aclosing`). A transport says how to open, close and leave one.
    """

    def __init__(self, pauses: RetryPolicy, waiting: EventLoop) -> None:
        self._pauses = pauses
        self._waiting = waiting
        self._is_open = False

    async def __anext__(self) -> _W:
        """Connect, however often that takes. Raises HandshakeFailed where another attempt would fail as well."""
        pauses, waiting = self._pauses, self._waiting
        if self._is_open:
            pauses.ended(waiting.now())
            await self.aclose()
        while True:
            await waiting.sleep(pauses.next)
            try:
                ws = await self._open()
            except HandshakeFailed as error:
                pauses.failed(error)
            else:
                self._is_open = True
                pauses.opened(waiting.now())
                return ws

    async def aclose(self) -> None:
        """Close the connection there is."""
        if self._is_open:
            self._is_open = False
            await self._close()

    def __del__(self) -> None:
        """Close the connection there is, in whatever thread this happens."""
        if getattr(self, "_is_open", False):  # not where `__init__` raised
            self._leave()

    @abc.abstractmethod
    async def _open(self) -> _W:
        """Connect once."""

    @abc.abstractmethod
    async def _close(self) -> None:
        """Close what `_open` gave, and wait for it; cancelled meanwhile, cut it."""

    @abc.abstractmethod
    def _leave(self) -> None:
        """Close it in the background, from any thread, whether or not the loop still runs."""


class ConnectOptions:
    """What both `connect`s take.

    `ssl` and `server_hostname` are for `wss://`, whose default is the system's certificates and the URI's host. `sock`
    is a connected socket, which becomes the connection's own to close; `unix_path` the path of a unix socket; both
    instead of the URI's host and port. `proxy` is an HTTP proxy's URL, True for the one that the environment names (as
    the standard library reads it, and `all_proxy`; never on the way to this machine), None for none; `proxy_ssl` is for
    `https://` ones. `config.handshake_timeout` bounds all of it: names, TCP, proxy, TLS, handshake.

    Raises InvalidURI, also for a proxy of the environment's that is no HTTP one, and ValueError.
    """

    def __init__(
        self,
        uri: str,
        *,
        subprotocols: Sequence[str] = (),
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        origin: str | None = None,
        config: Config | None = None,
        ssl: ssl_module.SSLContext | None = None,
        server_hostname: str | None = None,
        sock: socket.socket | None = None,
        unix_path: str | None = None,
        proxy: str | bool | None = True,
        proxy_ssl: ssl_module.SSLContext | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self._destination = Destination(
            uri,
            tls=ssl,
            server_hostname=server_hostname,
            sock=sock,
            unix_path=unix_path,
            proxy=proxy,
            proxy_tls=proxy_ssl,
        )
        self._config = config or Config()
        self._backoff = backoff
        # What can be read only once is kept for the attempts to come.
        self._request: dict[str, Any] = {
            "subprotocols": subprotocols if isinstance(subprotocols, str) else list(subprotocols),
            "headers": headers if hasattr(headers, "items") else list(headers),
            "origin": origin,
        }

    def _core(self, now: float) -> ClientConnection:
        """Make the connection's core, whose time begins. Raises InvalidMessage, and as `check_names` does."""
        self._destination.check_names()
        return ClientConnection(self._destination.uri, self._config, now=now, random=os.urandom, **self._request)
