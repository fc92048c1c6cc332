"""WebSocket URIs (RFC 6455 3): where to connect, and what to request there."""

from __future__ import annotations

import base64
import re
from typing import Final, NamedTuple
from urllib.parse import quote, unquote, urljoin, urlsplit

from ..errors import InvalidURI

__all__ = ["URI", "parse_uri", "redirected"]

_DEFAULT_PORTS: Final = {"ws": 80, "wss": 443}
_HOST: Final = re.compile(r"[0-9A-Za-z._-]{1,255}")
_IPV6: Final = re.compile(r"([0-9A-Fa-f:.]{2,45})(?:%(?:25)?([0-9A-Za-z._~-]+))?")
_PORT: Final = re.compile(r"[0-9]{1,5}")
_KEPT: Final = "!$&'()*+,;=:@/?%~-._[]"  # not quoted in a path or query; `%` because it is already part of a quotation
_SAME_AS: Final = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


class URI(NamedTuple):
    """A validated `ws://` or `wss://` URI."""

    secure: bool
    """Whether the scheme is `wss`, that is, TLS."""
    host: str
    """An ASCII name (IDNA) or an address. IPv6 has no brackets; its zone, if any, follows a `%`, as for resolvers."""
    port: int
    """The port; by default 80 or 443."""
    target: str
    """Path and query in ASCII, as in the request line; begins with a slash."""
    authorization: bytes | None = None
    """The value of an Authorization header (Basic, RFC 7617) for the URI's user information."""

    @property
    def address(self) -> str:
        """`host:port`, with IPv6 in brackets and without its zone, which is meaningless to other hosts (RFC 6874 4)."""
        return f"{_bracketed(self.host.partition('%')[0])}:{self.port}"

    @property
    def host_header(self) -> bytes:
        """The Host header's value, without the port if it is the scheme's default (RFC 9110 7.2)."""
        return (self.address.rpartition(":")[0] if _has_default_port(self) else self.address).encode()

    def __str__(self) -> str:
        """Return the URI for messages: without user information, and without the query, which may contain tokens."""
        return f"{_base(self)}{self.target.partition('?')[0]}"


def _base(uri: URI) -> str:
    """Return scheme, host and port in URI syntax, including a zone (RFC 6874 2)."""
    port = "" if _has_default_port(uri) else f":{uri.port}"
    return f"{'wss' if uri.secure else 'ws'}://{_bracketed(uri.host.replace('%', '%25'))}{port}"


def _has_default_port(uri: URI) -> bool:
    return uri.port == _DEFAULT_PORTS["wss" if uri.secure else "ws"]


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def parse_uri(uri: str) -> URI:
    """Parse a `ws://` or `wss://` URI (RFC 6455 3).

    Args:
        uri: The URI. A host name may be internationalized; user information becomes `authorization`.

    Raises:
        InvalidURI: The text says what was expected, and contains no password.
    """
    if any(character <= " " or character == "\x7f" for character in uri):
        raise _invalid(uri, "it holds a space or a control character")
    if "#" in uri:  # RFC 6455 3
        raise _invalid(uri, "a WebSocket URI has no fragment")
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        raise _invalid(uri, str(error)) from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise _invalid(uri, "expected ws:// or wss://")
    user_info, _, location = parts.netloc.rpartition("@")
    name, port = _split_port(uri, location)
    host = _read_host(uri, name)
    path = parts.path or "/"  # after a host it begins with a slash
    try:
        target = quote(path, safe=_KEPT) + (f"?{quote(parts.query, safe=_KEPT)}" if parts.query else "")
    except UnicodeEncodeError:
        raise _invalid(uri, "it holds a lone surrogate") from None
    return URI(
        secure=parts.scheme == "wss",
        host=host,
        port=_DEFAULT_PORTS[parts.scheme] if port is None else port,
        target=target,
        authorization=_authorization(uri, user_info) if "@" in parts.netloc else None,
    )


def redirected(uri: URI, location: str) -> str:
    """Return the URI that a Location header refers to, with a WebSocket scheme; not validated any further."""
    scheme, separator, rest = location.partition("://")
    if separator and (same := _SAME_AS.get(scheme.lower())):
        return f"{same}://{rest}"
    try:
        return urljoin(f"{_base(uri)}{uri.target}", location)
    except ValueError:
        return location


def _split_port(uri: str, location: str) -> tuple[str, int | None]:
    if location.startswith("["):
        host, bracket, rest = location.partition("]")
        host += bracket
        if rest and not rest.startswith(":"):
            raise _invalid(uri, "expected a colon and a port after the brackets")
        digits = rest[1:]
    else:
        host, _, digits = location.partition(":")
    if not digits:
        return host, None
    if not _PORT.fullmatch(digits) or not digits.isascii() or not 1 <= int(digits) <= 65535:
        raise _invalid(uri, "expected a port from 1 to 65535")
    return host, int(digits)


def _read_host(uri: str, host: str) -> str:
    if host.startswith("["):
        address = _IPV6.fullmatch(host[1:-1])
        if not host.endswith("]") or address is None or ":" not in address[1]:
            raise _invalid(uri, "no IPv6 address in the brackets")
        zone = address[2]  # RFC 6874 2: after %25; 3: people copy it with a bare %
        return address[1] if zone is None else f"{address[1]}%{zone}"
    if not host:
        raise _invalid(uri, "expected a host")
    if not host.isascii():
        try:
            host = host.encode("idna").decode()
        except UnicodeError:
            raise _invalid(uri, "the host is no name that IDNA can encode") from None
    if not _HOST.fullmatch(host):
        raise _invalid(uri, "the host is no name")
    return host.lower()


def _authorization(uri: str, user_info: str) -> bytes:
    user, _, password = user_info.partition(":")
    user = unquote(user)
    if ":" in user:  # RFC 7617 2
        raise _invalid(uri, "the user name holds a colon")
    return b"Basic " + base64.b64encode(f"{user}:{unquote(password)}".encode(errors="replace"))


def _invalid(uri: str, why: str) -> InvalidURI:
    shown = re.sub(r"//[^/?#]*@", "//...@", uri)  # passwords stay out of logs
    return InvalidURI(f"{shown[:200]!r}: {why}")
