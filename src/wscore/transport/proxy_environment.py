"""The proxy that the environment names for a URI: `https_proxy` and similar, `all_proxy`, and `no_proxy`.

The rule of this file: a proxy that is named is never bypassed silently. One that cannot be used is an error.

Not part of the core; `import wscore` does not load it.
"""

from __future__ import annotations

import ipaddress
import re
import urllib.request
from typing import Final

from .._core.errors import InvalidURI
from .._core.http.proxy import Proxy, parse_proxy
from .._core.http.uri import URI

__all__ = ["proxy_of_environment"]

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# The first one set is used. ws:// uses https_proxy as well, because it too needs CONNECT.
_FOR_WSS: Final = ("wss", "https", "socks", "all")
_FOR_WS: Final = ("ws", "https", "http", "socks", "all")
_SEPARATORS: Final = re.compile(r"[,\s]+")
_WITH_PORT: Final = re.compile(r"(\[[^]]*\]|[^:\[\]]*)(?::([0-9]{1,5}))?")


def proxy_of_environment(uri: URI) -> Proxy | None:
    """Return the proxy for `uri`; None for none, and always for loopback addresses.

    Reads the environment variables, and without any the settings of macOS and Windows, as the standard library does.
    Raises InvalidURI if the proxy is not an HTTP one, or its URL is wrong.
    """
    if _is_here(uri.host):
        return None
    proxies = urllib.request.getproxies_environment()
    if proxies:
        if _is_excepted(uri, proxies.get("no", "")):
            return None
    elif urllib.request.proxy_bypass(uri.address):
        return None
    else:
        proxies = urllib.request.getproxies()
    for kind in _FOR_WSS if uri.secure else _FOR_WS:
        if url := proxies.get(kind):
            if kind == "socks":  # whichever scheme it has: macOS prepends http://
                url = f"socks://{url.rpartition('://')[2]}"
            try:
                return parse_proxy(url)
            except InvalidURI as error:
                raise InvalidURI(
                    f"{kind}_proxy of the environment: {error} (`proxy=None`, or --no-proxy, goes without)"
                ) from None
    return None


def _is_here(host: str) -> bool:
    address = _address(host)
    if address is None:
        name = host.removesuffix(".")
        return name == "localhost" or name.endswith(".localhost")  # RFC 6761 6.3
    return address.is_loopback


def _is_excepted(uri: URI, no_proxy: str) -> bool:
    """Return whether `no_proxy` covers the host: entries are domains, addresses or networks, optionally with a port.

    There is no standard. As in curl, Go and the standard library, a domain covers its subdomains, and may begin with a
    dot, with `*.` or with neither; IPv6 may be in brackets.
    """
    host = uri.host.removesuffix(".")
    address = _address(host)
    for entry in filter(None, _SEPARATORS.split(no_proxy.lower())):
        if entry == "*":
            return True
        name, port = _split_port(entry)
        if port is not None and port != uri.port:
            continue
        if address is not None:
            if _holds(name, address):
                return True
        elif _covers(name, host):
            return True
    return False


def _split_port(entry: str) -> tuple[str, int | None]:
    parts = _WITH_PORT.fullmatch(entry)
    if parts is None:  # colons without brackets: IPv6
        return entry, None
    return parts[1].removeprefix("[").removesuffix("]"), int(parts[2]) if parts[2] else None


def _holds(network: str, address: _Address) -> bool:
    network = network.replace("]/", "/").removeprefix("[")
    try:
        # A zone is local to this machine; networks have none.
        return address in ipaddress.ip_network(re.sub(r"%[^/]*", "", network), strict=False)
    except ValueError:
        return False


def _covers(name: str, host: str) -> bool:
    name = name.removeprefix("*").removeprefix(".").removesuffix(".")
    if not name.isascii():
        try:
            name = name.encode("idna").decode()
        except UnicodeError:
            return False
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _address(host: str) -> _Address | None:
    """Parse an address without its zone; an IPv4-mapped IPv6 address (RFC 4291 2.5.5.2) becomes IPv4."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
