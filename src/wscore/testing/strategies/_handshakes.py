"""Opening handshakes (RFC 6455 4): requests and answers that have to be taken, and such that may not be."""

from __future__ import annotations

import base64
from typing import Final

from hypothesis import strategies as st

from .._annotated import AnnotatedBytes
from ..handshakes import FIELDS, accept_value, header_lines, header_values, request_head, response_head

__all__ = ["handshakes", "hostile_handshakes", "hostile_responses", "responses"]

_WORDS: Final = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=8)
_OFFERS: Final = (
    b"permessage-deflate",
    b"permessage-deflate; client_max_window_bits",
    b"permessage-deflate; server_max_window_bits=10; client_max_window_bits=12",
    b"permessage-deflate; server_no_context_takeover, permessage-deflate",
)


@st.composite
def handshakes(draw: st.DrawFn, *, compression: bool | None = None, key: bytes | None = None) -> AnnotatedBytes:
    """Requests that a server has to take: the order, the case and the spaces of their header fields differ, and so do
    path, key and what is offered.

    Args:
        compression: Whether permessage-deflate is offered; None for either.
        key: The value of Sec-WebSocket-Key; None for any.
    """
    path = "/" + "/".join(draw(st.lists(_WORDS | st.just("%C3%A4"), max_size=2)))
    query = draw(st.sampled_from(["", "?", "?room=1", "?a=%ff&b"]))
    drawn = base64.b64encode(draw(st.binary(min_size=16, max_size=16))) if key is None else key
    fields: dict[bytes, bytes] = {**dict(FIELDS), b"Sec-WebSocket-Key": drawn}
    fields[b"Connection"] = draw(st.sampled_from([b"Upgrade", b"keep-alive, Upgrade", b"upgrade,x"]))
    fields[b"Upgrade"] = draw(st.sampled_from([b"websocket", b"WebSocket"]))
    if draw(st.booleans()):
        fields[b"Origin"] = draw(st.sampled_from([b"null", b"https://example.org"]))
    if names := draw(st.lists(_WORDS, max_size=2, unique=True)):
        fields[b"Sec-WebSocket-Protocol"] = ", ".join(names).encode()
    if compression is True or (compression is None and draw(st.booleans())):
        fields[b"Sec-WebSocket-Extensions"] = draw(st.sampled_from(_OFFERS))
    lines = [_field(draw, name, value) for name, value in draw(st.permutations(list(fields.items())))]
    return header_lines([f"GET {path}{query} HTTP/1.1".encode(), *lines])


_HOSTILE: Final = (
    request_head(without=[b"Host"]),
    request_head(b"Host: other.example.com"),
    request_head(without=[b"Upgrade"]),
    request_head(instead=[b"Upgrade: h2c"]),
    request_head(without=[b"Connection"]),
    request_head(instead=[b"Connection: close"]),
    request_head(without=[b"Sec-WebSocket-Key"]),
    request_head(instead=[b"Sec-WebSocket-Key: short"]),
    request_head(instead=[b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA="]),
    request_head(b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="),
    request_head(without=[b"Sec-WebSocket-Version"]),
    request_head(instead=[b"Sec-WebSocket-Version: 12"]),
    request_head(b"Sec-WebSocket-Protocol: a b"),
    request_head(b"Sec-WebSocket-Extensions: ;"),
    request_head(line=b"POST /chat HTTP/1.1"),
    request_head(line=b"GET /chat HTTP/1.0"),
    request_head(line=b"GET /chat"),
    request_head(line=b"GET /a b HTTP/1.1"),
    request_head(line=b"GET /chat HTTP/9.9"),
    request_head(b"Content-Length: 5"),
    request_head(b"Transfer-Encoding: chunked"),
    request_head(b"Content-Length: 5", b"Transfer-Encoding: chunked"),  # smuggling
    request_head(b"Content-Length: 5", b"Content-Length: 6"),
    request_head(b"X : space before the colon"),
    request_head(b"X\x00: a"),
    request_head(b"X: a\x00b"),
    request_head(b"no colon"),
    AnnotatedBytes(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),  # TLS on a plain port
    AnnotatedBytes(b"\x81\x85\x00\x00\x00\x00hello\r\n\r\n"),
)


def hostile_handshakes() -> st.SearchStrategy[AnnotatedBytes]:
    """Requests that a server has to refuse: each breaks one rule of HTTP or of RFC 6455 4.2.1.

    Heads of any size among them, beyond every default limit, and noise.
    """
    return st.one_of(
        st.sampled_from(_HOSTILE),
        st.sampled_from([70_000]).map(lambda size: request_head(b"X: " + b"x" * size)),
        st.sampled_from([1000]).map(lambda count: request_head(*[b"X: y"] * count)),
        st.binary(min_size=1, max_size=20).map(lambda noise: AnnotatedBytes(b"\xff" + noise + b"\r\n\r\n")),
    )


@st.composite
def responses(draw: st.DrawFn, request: bytes) -> AnnotatedBytes:
    """Answers with which a server takes a request, without compression; header fields as in `handshakes`.

    Args:
        request: The head of the request, as a client wrote it.
    """
    [key] = header_values(request, b"sec-websocket-key")
    fields = {
        b"Upgrade": draw(st.sampled_from([b"websocket", b"WebSocket"])),
        b"Connection": draw(st.sampled_from([b"Upgrade", b"upgrade", b"keep-alive, Upgrade"])),
        b"Sec-WebSocket-Accept": accept_value(key),
    }
    if draw(st.booleans()):
        fields[b"Server"] = b"x/1.0"
    offered = b",".join(header_values(request, b"sec-websocket-protocol"))
    if offered and draw(st.booleans()):
        fields[b"Sec-WebSocket-Protocol"] = draw(st.sampled_from([name.strip() for name in offered.split(b",")]))
    reason = draw(st.sampled_from([b"Switching Protocols", b"OK", b""]))
    lines = [_field(draw, name, value) for name, value in draw(st.permutations(list(fields.items())))]
    return header_lines([b"HTTP/1.1 101 " + reason, *lines])


def hostile_responses(request: bytes) -> st.SearchStrategy[AnnotatedBytes]:
    """Answers that a client must not take for an acceptance: refusals, redirects, and such as break a rule of RFC 6455
    4.1 or of HTTP.

    Args:
        request: The head of the request, as a client wrote it.
    """
    wrong = [
        response_head(b""),  # the answer to another key
        response_head(request, without=[b"Sec-WebSocket-Accept"]),
        response_head(request, b"Sec-WebSocket-Accept: x"),
        response_head(request, without=[b"Upgrade"]),
        response_head(request, without=[b"Connection"]),
        response_head(request, b"Sec-WebSocket-Protocol: not-offered"),
        response_head(request, b"Sec-WebSocket-Extensions: not-offered"),
        response_head(request, b"X\x00: a"),
        response_head(request, b"no colon"),
        response_head(request, line=b"HTTP/1.1 200 OK"),
        response_head(request, line=b"HTTP/1.0 101 Switching Protocols"),
        response_head(request, line=b"HTTP/1.1 99 Too Few"),
        response_head(request, b"Location: /elsewhere", line=b"HTTP/1.1 302 Found"),
        response_head(request, b"Content-Length: 0", line=b"HTTP/1.1 403 Forbidden"),
        response_head(request, b"Content-Length: 0", line=b"HTTP/1.1 503 Service Unavailable"),
        AnnotatedBytes(b"\x81\x05hello\r\n\r\n"),
    ]
    return st.one_of(
        st.sampled_from(wrong),
        st.sampled_from([70_000]).map(lambda size: response_head(request, b"X: " + b"x" * size)),
        st.binary(min_size=1, max_size=20).map(lambda noise: AnnotatedBytes(b"\xff" + noise + b"\r\n\r\n")),
    )


def _field(draw: st.DrawFn, name: bytes, value: bytes) -> bytes:
    """Write a header field in one of the ways that mean the same."""
    shape = draw(st.integers(0, 3))
    if shape == 1:
        return name.lower() + b":" + value
    if shape == 2:
        return name.upper() + b": \t" + value + b" "
    return name + b": " + value
