"""A client's options, destination and reconnection policy, shared by both transports.

Not part of the core, which uses no sockets; `import wscore` does not load it. Nothing here blocks, except that a
default TLS context reads the system's certificates from disk.
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
from .event_loop import EventLoop
from .proxy_environment import proxy_of_environment
from .recording import ConnectionRecorder, client_maker
from .tls import TLS
from .tunnel import Step, Tunnel

__all__ = ["ATTEMPT_DELAY", "BaseReconnector", "ConnectOptions", "Destination", "RetryPolicy", "interleave_addresses"]

log = logger("wscore.client")

ATTEMPT_DELAY: Final = 0.25
"""Seconds before the next address is tried in parallel with those that have not answered (RFC 8305 5)."""


def interleave_addresses(infos: Iterable[tuple[Any, Any, Any, Any, Any]]) -> list[tuple[Any, Any, Any, Any, Any]]:
    """Order the results of `getaddrinfo` for connecting: alternate the address families (RFC 8305 4)."""
    infos = list(dict.fromkeys(infos))
    first = [info for info in infos if info[0] == infos[0][0]]
    others = [info for info in infos if info[0] != infos[0][0]]
    pairs = itertools.zip_longest(first, others)
    return [info for pair in pairs for info in pair if info is not None]


class Destination:
    """Where to connect to, and how. The parameters are those of `ConnectOptions`; `tls` is its `ssl`.

    Raises:
        InvalidURI: The URI or the proxy's URL is not usable.
        ValueError: The arguments contradict each other: a TLS option for `ws://`, both a socket and a path.
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
        """The name expected in the server's certificate."""
        if isinstance(proxy, str):
            if sock is not None or unix_path is not None:
                raise ValueError("proxy is for connections that are made, not for sock and unix_path")
            self.proxy: Proxy | None = parse_proxy(proxy)
        else:
            self.proxy = proxy_of_environment(self.uri) if proxy and sock is None and unix_path is None else None
        self.proxy_tls: ssl_module.SSLContext | None = None
        """TLS context for the connection to the proxy; None: no TLS."""
        if self.proxy is not None and self.proxy.secure:
            self.proxy_tls = proxy_tls or ssl_module.create_default_context()
        elif proxy_tls is not None:
            raise ValueError("proxy_ssl is for a proxy with https://")
        way = self.proxy or self.uri
        # Not every resolver maps `localhost.` to this machine (RFC 6761 6.3).
        self.host, self.port = "localhost" if way.host == "localhost." else way.host, way.port
        """Port of the TCP connection, as `host` is its host."""
        self.proxy_hostname = None if self.proxy is None else _tls_name(self.proxy.host)
        """The name expected in the proxy's certificate, if the proxy is an `https://` one."""

    def check_names(self) -> None:
        """Raise HandshakeFailed if TLS cannot use a name, such as `.a`: an empty or overlong label."""
        for context, name in ((self.tls, self.server_hostname), (self.proxy_tls, self.proxy_hostname)):
            if context is not None:
                try:
                    context.wrap_bio(ssl_module.MemoryBIO(), ssl_module.MemoryBIO(), server_hostname=name)
                except (ValueError, TypeError, OSError) as error:  # IDNA; a null byte; a context of a server
                    raise HandshakeFailed(
                        str(self.uri), f"TLS cannot ask for {name!r}: {describe_loss(error)}"
                    ) from error

    def address(self) -> list[tuple[Any, Any, Any, Any, Any]]:
        """Return the result of `getaddrinfo` if the host is an IP address; [] for a name, whose lookup would block."""
        with contextlib.suppress(OSError, UnicodeError):
            return socket.getaddrinfo(
                self.host, self.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
            )
        return []

    def tunnel(self, config: Config) -> Tunnel | None:
        """Return a channel from the socket to the server, through a proxy and TLS; None if there is neither."""
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
        """Return the exception for a connection that failed with `error`; its text is one line."""
        address = str(self.uri)
        if self.unix_path is not None:
            address += f" at {self.unix_path}"
        elif self.proxy is not None:
            address += f" by proxy {self.proxy}"
        if isinstance(error, TimeoutError):
            return HandshakeTimeout(address, "connecting took too long")
        cause = error.__cause__ or error  # trio keeps one error per address there
        several: Any = getattr(cause, "exceptions", None)  # of an ExceptionGroup
        if several:
            cause = several[0]
        why = " ".join(str(cause).split()) or type(cause).__name__
        # An invalid name or certificate will not get better. UnicodeError is a ValueError.
        lasting = isinstance(cause, ValueError) or is_certificate_error(cause)
        return HandshakeFailed(address, why, temporary=not lasting)


def _tls_name(host: str) -> str:
    """Return the host as TLS names it: no trailing dot (RFC 6066 3), no IPv6 zone."""
    return host.removesuffix(".").partition("%")[0]


class RetryPolicy:
    """Decides whether to reconnect, and after how long; logs each decision to `wscore.client`."""

    def __init__(self, to: Destination, backoff: Backoff | None) -> None:
        """Use `backoff`, or a default one. Raises ValueError for a socket, which cannot be connected again."""
        if to.sock is not None:
            raise ValueError("sock is a connection that cannot be made again: use `async with`")
        self.next = 0.0
        """Seconds to wait before the next attempt."""
        self._uri = to.uri
        self._backoff = Backoff(random.random) if backoff is None else backoff
        self._opened_at = 0.0

    def failed(self, error: HandshakeFailed) -> None:
        """Record a failed attempt. Raises `error` unless it is temporary."""
        if not error.temporary:
            raise error
        self.next = self._backoff.after_failure()
        # A log record that holds the error would keep its traceback alive, and with it the connecting objects.
        log.info("%s; connecting again in %.1f s", str(error), self.next)

    def opened(self, now: float) -> None:
        """Record when a connection opened."""
        self._opened_at = now

    def ended(self, now: float) -> None:
        """Record when that connection ended."""
        lasted = now - self._opened_at
        self.next = self._backoff.after_connection(lasted)
        log.info("the connection to %s ended after %.1f s; connecting again in %.1f s", self._uri, lasted, self.next)


_W = TypeVar("_W")


class BaseReconnector(abc.ABC, AsyncIterator[_W]):
    """Iterates over connections to one server; requesting the next closes the previous one.

    An iterator is not notified when its loop is left. So the last connection is closed in the background when the
    iterator is garbage-collected, or by `aclose`, which waits for it (`contextlib.aclosing`). A transport implements
    opening, closing and leaving.
    """

    def __init__(self, retries: RetryPolicy, event_loop: EventLoop) -> None:
        self._retries = retries
        self._event_loop = event_loop
        self._is_open = False

    async def __anext__(self) -> _W:
        """Connect, repeating attempts that fail temporarily. Raises HandshakeFailed for any other failure."""
        retries, event_loop = self._retries, self._event_loop
        if self._is_open:
            retries.ended(event_loop.now())
            await self.aclose()
        while True:
            await event_loop.sleep(retries.next)
            try:
                ws = await self._open()
            except HandshakeFailed as error:
                retries.failed(error)
            else:
                self._is_open = True
                retries.opened(event_loop.now())
                return ws

    async def aclose(self) -> None:
        """Close the current connection, if any, and wait for it."""
        if self._is_open:
            self._is_open = False
            await self._close()

    def __del__(self) -> None:
        """Close the current connection, if any, from whichever thread collects the iterator."""
        if getattr(self, "_is_open", False):  # not set if `__init__` raised
            self._leave()

    @abc.abstractmethod
    async def _open(self) -> _W:
        """Connect once."""

    @abc.abstractmethod
    async def _close(self) -> None:
        """Close the connection of `_open` and wait for it; cut it if cancelled."""

    @abc.abstractmethod
    def _leave(self) -> None:
        """Close it in the background. Callable from any thread, and after the event loop has ended."""


class ConnectOptions:
    """The arguments of `connect`, which describes them; base of each transport's.

    Raises:
        InvalidURI: `uri` or the proxy's URL is not usable; also if the environment names a proxy that is not HTTP.
        ValueError: The arguments contradict each other.
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
        recorder: ConnectionRecorder | None = None,
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
        self._make = client_maker(recorder)
        # Iterables may be consumable only once: keep their items for later attempts.
        self._request: dict[str, Any] = {
            "subprotocols": subprotocols if isinstance(subprotocols, str) else list(subprotocols),
            "headers": headers if hasattr(headers, "items") else list(headers),
            "origin": origin,
        }

    def _core(self, now: float) -> ClientConnection:
        """Create the connection's core, which starts its deadlines. Raises InvalidMessage, HandshakeFailed."""
        self._destination.check_names()
        return self._make(self._destination.uri, self._config, now=now, random=os.urandom, **self._request)
