"""The way through an HTTP proxy: `CONNECT`, and what it answers (RFC 9110 9.3.6).

The rule of this file: it reads no more than the answer's head. What follows belongs to the connection that is then made
through the proxy, where we speak first, so that nothing may follow.
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
_NOT_SHOWN: Final = re.compile(r"[^\x20-\x7e\xa1-\xff]")  # controls would reach a terminal with the error


class Proxy(NamedTuple):
    """An HTTP proxy; `secure` where it is spoken to over TLS."""

    secure: bool
    host: str
    port: int
    authorization: bytes | None
    """The value of a Proxy-Authorization header (Basic, RFC 7617) for the URL's user information."""

    def __str__(self) -> str:
        """Write its URL, for messages: without user information."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.secure else 'http'}://{host}:{self.port}"


def parse_proxy(url: str) -> Proxy:
    """Read a proxy's URL; one without a scheme is `http://`. Raises InvalidURI, which says what was expected."""
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
    """Asks a proxy for a connection to where a URI points: write `request`, then `feed` what comes."""

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
        """Write the request."""
        return self._request

    def feed(self, data: bytes) -> bool:
        """Take more bytes, none at the end of the stream. True: the way is free, and what comes now is the server's.

        Raises ProxyRefused, and HandshakeFailed for what is no answer.
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
            if self._head:  # who goes on now would take a proxy's words for the server's
                raise self._failed("it sent more than its answer")
            return True
        return False

    def _next_answer(self) -> h11.Response | h11.InformationalResponse | None:
        """Read one whole head; None while it has not come. The limit is for all of them together."""
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
