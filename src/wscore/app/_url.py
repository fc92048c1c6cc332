"""The URL of a connection: a real `str` with its parts as attributes.

Nothing is decoded or normalised: a part is the text in the URL. When a URL is built from a scope, only what would
shift the boundaries of a part is changed: `?`, `#` and backslashes in the path are escaped, an invalid Host header is
ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from ipaddress import AddressValueError, IPv6Address
from typing import Any, Final, Self
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

__all__ = ["URL"]

_DEFAULT_PORTS: Final = {"http": 80, "ws": 80, "https": 443, "wss": 443}

# RFC 3986 3.2.2: host and port in a Host header. Anything else that a client writes there (a slash, an "@", a space)
# would become another part of the URL, so such a header is ignored.
_HOST: Final = re.compile(
    r"(?:[a-z0-9._~%!$&'()*+,;=-]+"
    r"|\[(?:(?P<ipv6>[0-9a-f:.]*:[0-9a-f:.]+)|(?-i:v)[0-9a-f]+\.[a-z0-9._~!$&'()*+,;=:-]+)\])"  # urlsplit: no "V"
    r"(?::(?P<port>[0-9]+))?",
    re.IGNORECASE,
)
_PASSWORD: Final = re.compile(r"(?<=//)([^/?#:@]*):[^/?#]+@")


class URL(str):
    """A URL as a `str`, with its parts as attributes: those of `urllib.parse.urlsplit`.

    `repr()` hides the password, `str()` does not.

    Args:
        url: The URL's text.
        scope: An ASGI scope.
        **components: Parts: `URL(scheme="ws", hostname="::1", port=80, path="/")`.

    Raises:
        TypeError: More than one source is given.
    """

    def __new__(cls, url: str = "", scope: Mapping[str, Any] | None = None, **components: Any) -> Self:
        if (url != "") + (scope is not None) + bool(components) > 1:
            raise TypeError("a URL is made from a text, from a scope or from components, not from two of them")
        if scope is not None:
            url = _from_scope(scope)
        elif components:
            url = cls("").replace(**components)
        return super().__new__(cls, url)

    @cached_property
    def components(self) -> SplitResult:
        """The parts as `urlsplit` returns them. Raises ValueError if the text cannot be split."""
        return urlsplit(str(self))

    @property
    def scheme(self) -> str:
        """`ws` or `wss`, in lower case; empty for a bare path."""
        return self.components.scheme

    @property
    def netloc(self) -> str:
        """User, host and port as written in the URL."""
        return self.components.netloc

    @property
    def path(self) -> str:
        """The path, `root_path` included."""
        return self.components.path

    @property
    def query(self) -> str:
        """The text after the `?`, still encoded."""
        return self.components.query

    @property
    def fragment(self) -> str:
        """The text after the `#`, which is never sent to a server."""
        return self.components.fragment

    @property
    def username(self) -> str | None:
        """The user name, or None."""
        return self.components.username

    @property
    def password(self) -> str | None:
        """The password, or None."""
        return self.components.password

    @property
    def hostname(self) -> str | None:
        """The host in lower case, without IPv6 brackets, or None."""
        return self.components.hostname

    @property
    def port(self) -> int | None:
        """The port, or None if the URL has none. Raises ValueError for an invalid one."""
        return self.components.port

    @property
    def is_secure(self) -> bool:
        """Whether the scheme is `https` or `wss`."""
        return self.scheme in {"https", "wss"}

    def replace(self, *args: Any, **components: Any) -> URL:
        """Return this URL with other parts, named as the properties.

        With positional arguments this is `str.replace`.
        """
        if args:
            return type(self)(super().replace(*args, **components))
        if not components.keys().isdisjoint({"username", "password", "hostname", "port"}):
            components["netloc"] = self._netloc(
                components.pop("hostname", None),
                components.pop("port", self.port),
                components.pop("username", self.username),
                components.pop("password", self.password),
            )
        return type(self)(self.components._replace(**components).geturl())

    def include_query_params(self, **params: Any) -> URL:
        """Return this URL with `params` in its query, replacing parameters of the same names."""
        kept = [(name, value) for name, value in self._query_pairs() if name not in params]
        return self.replace(query=urlencode(kept + [(name, str(value)) for name, value in params.items()]))

    def replace_query_params(self, **params: Any) -> URL:
        """Return this URL with `params` as its whole query."""
        return self.replace(query=urlencode([(name, str(value)) for name, value in params.items()]))

    def remove_query_params(self, keys: str | Iterable[str]) -> URL:
        """Return this URL without the query parameters of these names."""
        removed = {keys} if isinstance(keys, str) else set(keys)
        return self.replace(
            query=urlencode([(name, value) for name, value in self._query_pairs() if name not in removed])
        )

    def _query_pairs(self) -> list[tuple[str, str]]:
        return parse_qsl(self.query, keep_blank_values=True)

    def _netloc(self, hostname: str | None, port: int | None, username: str | None, password: str | None) -> str:
        if hostname is None:  # as written: `hostname` has lost brackets and case
            hostname = re.sub(r":[0-9]*$", "", self.netloc.rpartition("@")[2])
        elif _is_ipv6(hostname):
            hostname = f"[{hostname}]"
        user = "" if username is None else f"{username}@" if password is None else f"{username}:{password}@"
        return user + hostname + ("" if port is None else f":{port}")

    def __repr__(self) -> str:
        shown = _PASSWORD.sub(r"\1:********@", str(self))
        return f"{type(self).__name__}({shown!r})"


def _from_scope(scope: Mapping[str, Any]) -> str:
    path: str = scope["path"]
    for character, escaped in (("?", "%3F"), ("#", "%23"), ("\\", "%5C")):
        path = path.replace(character, escaped)
    query_string: bytes = scope.get("query_string", b"")
    try:
        query = query_string.decode()
    except UnicodeDecodeError:  # clients may write any byte there; none may fail the connection
        query = query_string.decode("latin-1")
    scheme: str = scope.get("scheme", "ws")  # ASGI's default
    netloc = _host_header(scope) or _server(scope, scheme)
    if netloc is not None:
        return SplitResult(scheme, netloc, path, query, "").geturl()
    if path.startswith("//"):  # it would be read as the authority
        path = "/%2F" + path[2:]
    return f"{path}?{query}" if query else path


def _host_header(scope: Mapping[str, Any]) -> str | None:
    value = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
    match = _HOST.fullmatch(value)
    if match is None or (match["ipv6"] is not None and not _is_ipv6(match["ipv6"])):
        return None
    port = (match["port"] or "").lstrip("0")
    return value if len(port) <= 5 and int(port or 0) <= 65535 else None


def _server(scope: Mapping[str, Any], scheme: str) -> str | None:
    server = scope.get("server")
    if server is None:
        return None
    host, port = server
    if port is None:  # the path of a unix socket, not a host
        return None
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    return str(host) if port == _DEFAULT_PORTS.get(scheme) else f"{host}:{port}"


def _is_ipv6(host: str) -> bool:
    try:
        IPv6Address(host)
    except AddressValueError:
        return False
    return True
