"""Both halves of an opening handshake by hand (RFC 6455 4), right or wrong: for tests that talk byte by byte.

Nothing here uses how wscore reads or writes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence

from .._public import set_public_module
from ._annotated import AnnotatedBytes, Line

__all__ = ["FIELDS", "KEY", "accept_value", "header_lines", "header_values", "request_head", "response_head"]

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
"""The key of RFC 6455's own example, 1.3."""

FIELDS: tuple[tuple[bytes, bytes], ...] = (
    (b"Host", b"server.example.com"),
    (b"Upgrade", b"websocket"),
    (b"Connection", b"Upgrade"),
    (b"Sec-WebSocket-Key", KEY),
    (b"Sec-WebSocket-Version", b"13"),
)
"""The header fields of a request that nothing is wrong with, by name."""

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def request_head(
    *added: bytes,
    line: bytes = b"GET /chat HTTP/1.1",
    without: Iterable[bytes] = (),
    instead: Sequence[bytes] = (),
    end: bytes = b"\r\n",
) -> AnnotatedBytes:
    """Return a client's opening handshake: RFC 6455's example, 1.2, as it is or changed.

    Args:
        added: Whole header lines to add.
        line: The request line.
        without: Names of header fields to leave out.
        instead: Whole header lines, each in the place of that of its name.
        end: The end of each line.

    Returns:
        The head, shown a line for each of its own.
    """
    replaced = {entry.partition(b":")[0].strip().lower(): entry for entry in instead}
    left_out = {name.lower() for name in without}
    fields = [
        replaced.get(name.lower(), b"%s: %s" % (name, value)) for name, value in FIELDS if name.lower() not in left_out
    ]
    return header_lines([line, *fields, *added], end=end)


def response_head(
    request: bytes, *added: bytes, line: bytes = b"HTTP/1.1 101 Switching Protocols", without: Iterable[bytes] = ()
) -> AnnotatedBytes:
    """Return a server's answer to the head of a request.

    Args:
        request: The request, for its key; without one an empty key is answered.
        added: Whole header lines to add.
        line: The status line.
        without: Names of header fields to leave out.

    Returns:
        The head, shown a line for each of its own.
    """
    key = next(iter(header_values(request, b"sec-websocket-key")), b"")
    fields = [
        (b"Upgrade", b"websocket"),
        (b"Connection", b"Upgrade"),
        (b"Sec-WebSocket-Accept", accept_value(key)),
    ]
    left_out = {name.lower() for name in without}
    kept = [b"%s: %s" % (name, value) for name, value in fields if name.lower() not in left_out]
    return header_lines([line, *kept, *added])


def accept_value(key: bytes) -> bytes:
    """Return the value of Sec-WebSocket-Accept for a key (RFC 6455 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key.strip() + _GUID).digest())


def header_values(head: bytes, name: bytes) -> list[bytes]:
    """Return the values of a header field, in order; `name` is in lower case."""
    lines = head.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    fields = [line.partition(b":") for line in lines]
    return [value.strip() for found, _, value in fields if found.strip().lower() == name]


def header_lines(lines: Iterable[bytes], *, end: bytes = b"\r\n") -> AnnotatedBytes:
    """Return the lines of a head, an empty one after them."""
    whole = [Line((line + end,), line.decode("latin-1") if line.isascii() else repr(line)) for line in lines]
    return AnnotatedBytes.of(*whole, Line((end,), "the end of the head"))


set_public_module(__name__, [globals()[name] for name in __all__])
