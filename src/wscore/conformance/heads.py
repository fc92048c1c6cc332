"""The heads of the opening handshake (RFC 6455 4), written with any fault that is asked for and read strictly."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["KEY", "BadHead", "Head", "Header", "accept_of", "head_end", "read_head", "write_request", "write_response"]

Header = tuple[str, str]

KEY: Final = "dGhlIHNhbXBsZSBub25jZQ=="
"""RFC 6455 1.3's example."""
MAX_HEAD: Final = 64 * 1024
"""A peer's head that is longer than this is not read on."""

_FIELD: Final = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")


class BadHead(Exception):
    """The peer's head breaks HTTP's grammar; `str()` says where."""


@dataclass(frozen=True, slots=True)
class Head:
    """A request's or a response's head: its first line, and the headers with lower-case names."""

    first: str
    headers: tuple[Header, ...]

    @property
    def status(self) -> int:
        """A response's status."""
        return int(self.first.split(" ", 2)[1])

    def all(self, name: str) -> list[str]:
        """Return the values of a header, in order."""
        return [value for key, value in self.headers if key == name]

    def tokens(self, name: str) -> list[str]:
        """Return the elements of a header that is a list, in lower case."""
        return [token.strip().lower() for token in ",".join(self.all(name)).split(",") if token.strip()]


def accept_of(key: str) -> str:
    """Return the Sec-WebSocket-Accept that answers a key (RFC 6455 4.2.2)."""
    digest = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode(), usedforsecurity=False)
    return base64.b64encode(digest.digest()).decode()


def head_end(data: bytes | bytearray) -> int:
    """Return where a head ends, or -1 until it has. Raises BadHead for one that is too long."""
    end = data.find(b"\r\n\r\n")
    if end < 0 and len(data) > MAX_HEAD:
        raise BadHead(f"a head without end: {len(data)} bytes")
    return end + 4 if end >= 0 else -1


def read_head(data: bytes, *, response: bool) -> Head:
    """Read a whole head. Raises BadHead."""
    first, *lines = data[:-4].decode("latin-1").split("\r\n")
    # A refusal may have any version: RFC 9110 2.5 has a server answer with its own. A 101 may not, see `accepted`.
    pattern = r"HTTP/[0-9]\.[0-9] [1-5][0-9]{2} [^\r\n]*" if response else r"[A-Z]+ \S+ HTTP/1\.1"
    if not re.fullmatch(pattern, first):
        raise BadHead(f"{first[:100]!r} is no {'status line' if response else 'request line'} (RFC 9112 3, 4)")
    headers: list[Header] = []
    for line in lines:
        match = _FIELD.fullmatch(line)
        if match is None:
            raise BadHead(f"{line[:100]!r} is no header (RFC 9112 5)")
        headers.append((match[1].lower(), match[2].strip(" \t")))
    return Head(first, tuple(headers))


def write_request(
    target: str,
    headers: Sequence[Header | bytes],
    *,
    method: str = "GET",
    version: str = "HTTP/1.1",
    end: bytes = b"\r\n",
) -> bytes:
    """Write a request's head; a header that is bytes is written as it is."""
    return _head(f"{method} {target} {version}".rstrip(), headers, end)


def write_response(status: str, headers: Sequence[Header | bytes]) -> bytes:
    """Write a response's head."""
    return _head(f"HTTP/1.1 {status}", headers, b"\r\n")


def _head(first: str, headers: Sequence[Header | bytes], end: bytes) -> bytes:
    lines = [h if isinstance(h, bytes) else f"{h[0]}: {h[1]}".encode("latin-1") for h in headers]
    return end.join([first.encode("latin-1"), *lines, b"", b""])
