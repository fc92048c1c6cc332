"""Connecting through an HTTP proxy: the `CONNECT` request and its answer (RFC 9110 9.3.6).

Rule of this file: it reads no more than the answer's head. What follows belongs to the tunnelled connection. There the
client speaks first, so nothing may follow the head.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import h11

from ..config import Config
from ..errors import HandshakeFailed, InvalidURI, ProxyRefused
from ..grammar import END_OF_HEAD
from .uri import URI, parse_uri

__all__ = ["Proxy", "ProxyHandshake", "parse_proxy"]

_SCHEMES: Final = {"http": "ws", "https": "wss"}
_NOT_SHOWN: Final = re.compile(r"[^\x20-\x7e\xa1-\xff]")  # the error's text may be shown on a terminal


class Proxy(NamedTuple):
    """An HTTP proxy; `secure` means a TLS connection to it."""

    secure: bool
    host: str
    port: int
    authorization: bytes | None
    """The value of a Proxy-Authorization header (Basic, RFC 7617) for the URL's user information."""

    def __str__(self) -> str:
        """Return its URL without user information, for messages."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.secure else 'http'}://{host}:{self.port}"


def parse_proxy(url: str) -> Proxy:
    """Parse a proxy's URL; the default scheme is `http://`. Raises InvalidURI, which says what was expected."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "http", url
    scheme = scheme.lower()
    if scheme.startswith("socks"):
        raise InvalidURI(f"the proxy is a {scheme} one, which is not supported; expected http:// or https://")
    if scheme not in _SCHEMES:
        raise InvalidURI(f"the proxy's scheme is {scheme[:20]!r}; expected http:// or https://")
    try:
        uri = parse_uri(f"{_SCHEMES[scheme]}://{rest}")
    except InvalidURI as error:
        raise InvalidURI(f"the proxy's URL is wrong: {error}") from None
    return Proxy(uri.secure, uri.host, uri.port, uri.authorization)


class ProxyHandshake:
    """Asks a proxy for a connection to a URI's host: send `request`, then `feed` the bytes received."""

    def __init__(self, proxy: Proxy, uri: URI, config: Config) -> None:
        self._proxy = proxy
        self._uri = uri
        self._limit = config.max_head_size
        headers = [(b"Host", uri.address.encode())]
        if proxy.authorization is not None:
            headers.append((b"Proxy-Authorization", proxy.authorization))
        self._parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=self._limit + 1)
        request = h11.Request(method=b"CONNECT", target=uri.address.encode(), headers=headers)
        self._request = b"".join(filter(None, (self._parser.send(request), self._parser.send(h11.EndOfMessage()))))
        self._head = bytearray()
        self._read = 0  # bytes of heads before the one being read

    def request(self) -> bytes:
        """Return the request's bytes."""
        return self._request

    def feed(self, data: bytes) -> bool:
        """Process more bytes, b"" at the end of the stream.

        Returns:
            True once the tunnel is open: from then on the bytes are the server's.

        Raises:
            ProxyRefused: The proxy answered with a status other than 2xx.
            HandshakeFailed: The bytes are not a valid answer.
        """
        self._head += data
        if not data:
            raise self._failed("it closed the connection before it answered", temporary=True)
        while (answer := self._next_answer()) is not None:
            if isinstance(answer, h11.InformationalResponse):  # any number may come before the answer (RFC 9110 15.2)
                continue
            if not 200 <= answer.status_code < 300:
                reason = _NOT_SHOWN.sub(lambda found: f"\\x{ord(found[0]):02x}", answer.reason.decode("latin-1"))
                said = f"{answer.status_code} {reason}".strip()
                raise ProxyRefused(str(self._uri), f"proxy {self._proxy} refused: {said}", status=answer.status_code)
            if self._head:  # continuing would mistake the proxy's bytes for the server's
                raise self._failed("it sent more than its answer")
            return True
        return False

    def _next_answer(self) -> h11.Response | h11.InformationalResponse | None:
        """Read one whole head; None while it is incomplete. The size limit covers all heads together."""
        end = END_OF_HEAD.search(self._head)
        if self._read + (end.end() if end else len(self._head)) > self._limit:
            raise self._failed(f"the head of its answer is larger than {self._limit} bytes")
        if end is None:
            return None
        head = bytes(self._head[: end.end()])
        del self._head[: end.end()]
        self._read += len(head)
        try:
            self._parser.receive_data(head)
            event = self._parser.next_event()
        except h11.RemoteProtocolError:
            raise self._failed("its answer is not HTTP/1.1") from None
        assert isinstance(event, h11.Response | h11.InformationalResponse)  # a whole head is a response or an error
        return event

    def _failed(self, why: str, *, temporary: bool = False) -> HandshakeFailed:
        return HandshakeFailed(str(self._uri), f"proxy {self._proxy}: {why}", temporary=temporary)
