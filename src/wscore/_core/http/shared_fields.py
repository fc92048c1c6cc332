"""Header fields that many clients send alike: one object for all connections.

A connection holds its request's headers as long as it is open, in the scope. A browser's dozen takes 1.8 KiB, of which
half says the same on each connection. Fields are found by their whole line, which also saves taking it apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["COMMON_LINES", "COMMON_NAMES", "parse_field"]

COMMON_NAMES: Final[Mapping[bytes, bytes]] = {
    spelling: name.lower()
    for name in (
        b"Accept",
        b"Accept-Encoding",
        b"Accept-Language",
        b"Authorization",
        b"Cache-Control",
        b"Connection",
        b"Cookie",
        b"Host",
        b"Origin",
        b"Pragma",
        b"Sec-Fetch-Dest",
        b"Sec-Fetch-Mode",
        b"Sec-Fetch-Site",
        b"Sec-WebSocket-Extensions",
        b"Sec-WebSocket-Key",
        b"Sec-WebSocket-Protocol",
        b"Sec-WebSocket-Version",
        b"Upgrade",
        b"User-Agent",
        b"X-Forwarded-For",
        b"X-Forwarded-Host",
        b"X-Forwarded-Proto",
        b"X-Real-IP",
    )
    for spelling in (name, name.lower())
}
"""Names, as clients and proxies spell them, in lower case."""


def _parsed(line: bytes) -> tuple[bytes, bytes]:
    name, value = line.split(b":", 1)
    return COMMON_NAMES.get(name) or name.lower(), value.strip()


COMMON_LINES: Final[Mapping[bytes, tuple[bytes, bytes]]] = {
    line: _parsed(line)
    for line in (
        b"Accept: */*",
        b"Accept-Encoding: gzip, deflate, br",
        b"Accept-Encoding: gzip, deflate, br, zstd",
        b"Cache-Control: no-cache",
        b"Connection: Upgrade",
        b"Connection: keep-alive, Upgrade",
        b"Pragma: no-cache",
        b"Sec-Fetch-Dest: empty",
        b"Sec-Fetch-Dest: websocket",
        b"Sec-Fetch-Mode: websocket",
        b"Sec-Fetch-Site: cross-site",
        b"Sec-Fetch-Site: same-origin",
        b"Sec-Fetch-Site: same-site",
        b"Sec-WebSocket-Extensions: permessage-deflate",
        b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
        b"Sec-WebSocket-Version: 13",
        b"Upgrade: websocket",
    )
}
"""Whole lines, and the fields in them."""


def parse_field(line: bytes) -> tuple[bytes, bytes]:
    """Return the field in a line of a head, its name in lower case and its value without spaces around it."""
    return COMMON_LINES.get(line) or _parsed(line)
