"""The server's handshake: a request head becomes an `OpeningHandshake` or an error response (RFC 6455 4.2).

h11 parses the head and decides about everything unusual. A plain head that comes in one read, as nearly all do, is
parsed here instead: a strict subset of what h11 accepts, with the same results, in a tenth of the time. What h11 does
not limit or reject is checked here: heads of any size, a thousand headers, folded lines, other HTTP versions, requests
with a body (E3, E16-E22).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple, Self
from urllib.parse import unquote_to_bytes

import h11

from ..asgi.messages import Accept, Body, Headers, Peer, ResponseStart, Scope
from ..config import Config
from ..errors import InvalidMessage
from ..frames.deflate import DeflateParameters, MalformedExtensions, negotiate
from ..grammar import END_OF_HEAD, TOKEN, is_token
from .accept_key import accept_key
from .shared_fields import parse_field

__all__ = [
    "Denial",
    "HeadReader",
    "OpeningHandshake",
    "Request",
    "Response",
    "error_response",
    "read_plain",
    "validate_request",
]

_starts_with_token: Final = re.compile(TOKEN).match
_REQUEST_LINE: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [\x21-\x7e]+ HTTP/[0-9]\.[0-9]\r?\n")
_ABSOLUTE_FORM: Final = re.compile(rb"(?i:https?|wss?)://[^/?#]+")
_VERSION: Final = re.compile(r"[0-9](?:\.[0-9])?")
_KEY: Final = re.compile(rb"[A-Za-z0-9+/]{22}==")  # base64 of 16 bytes
# All quantifiers are possessive: no character can match two neighbouring parts, so nothing backtracks.
_PLAIN: Final = re.compile(
    rb"GET ([\x21-\x7e]++) HTTP/1\.1\r\n((?:[!#$%&'*+.^_`|~0-9A-Za-z-]++:[\t\x20-\x7e]*+\r\n)++)\r\n"
)
_STATUS_LINES: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}".encode() for status in HTTPStatus}
_JUDGED: Final = frozenset(
    {
        b"host",
        b"connection",
        b"upgrade",
        b"content-length",
        b"transfer-encoding",
        b"sec-websocket-key",
        b"sec-websocket-version",
        b"sec-websocket-protocol",
        b"sec-websocket-extensions",
    }
)
_UPGRADE_FIELDS: Final = ((b"upgrade", b"websocket"), (b"connection", b"Upgrade"))


class _Request(NamedTuple):
    method: bytes
    target: bytes
    headers: Headers
    http_version: str


class Request(_Request):
    """A request head, parsed by h11 or by an embedder's own HTTP parser.

    Types are checked because HTTP parsers differ in what they return, and a wrong type would look like a client's
    mistake (400, 405, 426 or 505).

    Args:
        method: The method; CONNECT for HTTP/2.
        target: The request target; the `:path` for HTTP/2.
        headers: Pairs of bytes, with names in any case. HTTP/2's pseudo headers are left out: they become `method`,
            `target` and the header `host`.
        http_version: "1.1", or "2" for an extended CONNECT (RFC 8441).

    Raises:
        TypeError: A value is not of the declared type.
        ValueError: A version such as "HTTP/1.1".
    """

    __slots__ = ()

    def __new__(cls, method: bytes, target: bytes, headers: Headers, http_version: str = "1.1") -> Self:
        for name, value in (("method", method), ("target", target)):
            if not isinstance(value, bytes):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers may not be typed
                raise TypeError(f"Request({name}={value!r}): expected bytes, not {type(value).__name__}")
        if not isinstance(http_version, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"Request(http_version={http_version!r}): expected str, not {type(http_version).__name__}")
        if not _VERSION.fullmatch(http_version):
            raise ValueError(f'Request(http_version={http_version!r}): expected "1.1", or "2"')
        return super().__new__(cls, method, target, [_header(pair) for pair in headers], http_version)


def _header(pair: Any) -> tuple[bytes, bytes]:
    """Check a header, and return it with its name in lower case. No error shows its value, which may be a secret."""
    match pair:
        case (bytes(name), bytes(value)):
            return name.lower(), value
        case (name, value):
            raise TypeError(
                f"Request(headers=...): {name!r} is a pair of {type(name).__name__} and {type(value).__name__}; "
                "expected pairs of bytes"
            )
        case _:
            raise TypeError(f"Request(headers=...): expected pairs of bytes, and one is {type(pair).__name__}")


class Response(NamedTuple):
    """The handshake's answer. `body` is complete for a refusal, and b"" for a 101 or a streamed response."""

    status: int
    headers: Headers
    body: bytes = b""

    def head(self) -> bytes:
        """Return status line and headers in HTTP/1.1 format."""
        line = _STATUS_LINES.get(self.status) or b"HTTP/1.1 %d " % self.status  # RFC 9112 4: the phrase may be absent
        return b"\r\n".join([line, *[b"%s: %s" % header for header in self.headers], b"", b""])

    def over_http2(self) -> Response:
        """Remove the connection-specific headers, which make an HTTP/2 response malformed (RFC 9113 8.2.2)."""
        kept = [header for header in self.headers if header[0] not in (b"connection", b"upgrade")]
        return self._replace(headers=kept)


def error_response(status: int, why: str, *headers: tuple[bytes, bytes]) -> Response:
    """Make a complete response with a one-line explanation as its body; it ends the TCP connection."""
    body = f"{why}\n".encode() if why else b""
    fixed = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
    ]
    named = {name for name, _ in headers}
    return Response(status, [*headers, *(header for header in fixed if header[0] not in named)], body)


def read_plain(data: bytes | bytearray | memoryview, config: Config) -> tuple[Request, bytes] | None:
    """Parse a complete plain head, and return the request and the bytes after it; None for any other.

    Plain means a GET with lines that end in CRLF and values of only visible ASCII, spaces and tabs: no folding, no
    field twice, a Host, no body announced, within the limits. The result is the same as h11's.
    """
    plain = _PLAIN.match(data, 0, config.max_head_size)
    if plain is None:
        return None
    lines = plain[2].split(b"\r\n")
    del lines[-1]  # empty: nothing follows the last line end
    headers = [parse_field(line) for line in lines]
    fields = dict(headers)
    if (
        len(headers) > config.max_headers
        or len(fields) < len(headers)
        or b"host" not in fields
        or b"content-length" in fields
        or b"transfer-encoding" in fields
    ):
        return None
    return Request._make((b"GET", plain[1], headers, "1.1")), bytes(data[plain.end() :])  # the types are known


class HeadReader:
    """Collects the bytes of a request head until it is complete, within the limits for size and number of lines."""

    __slots__ = ("_buffer", "_config", "_line_read", "_scanned")

    def __init__(self, config: Config) -> None:
        self._config = config
        self._buffer: bytearray | None = None  # None until the first bytes
        self._scanned = 0  # the end of the head does not begin before this: a slow head is not searched twice
        self._line_read = False

    def feed(self, data: bytes | bytearray | memoryview) -> tuple[Request, bytes] | Response | None:
        """Process more bytes; None while the head is incomplete, then the request and the rest, or a refusal."""
        if self._buffer is None:
            # The fast path, tried only once: a head that comes in pieces is left to h11.
            if plain := read_plain(data, self._config):
                return plain
            self._buffer = bytearray()
        self._buffer += data
        buffer = self._buffer
        if not self._line_read and (bad := self._judge_request_line(buffer)):
            return bad
        end = END_OF_HEAD.search(buffer, self._scanned)
        size = end.end() if end else len(buffer)
        if size > self._config.max_head_size:
            return error_response(431, f"the request head is larger than {self._config.max_head_size} bytes")
        if end is None:
            self._scanned = max(0, len(buffer) - 2)
            return None
        head, rest = bytes(buffer[:size]), bytes(buffer[size:])
        lines = head.split(b"\n")[1:-2]
        if len(lines) > self._config.max_headers:
            return error_response(431, f"the request has more than {self._config.max_headers} headers")
        if any(line[:1] in (b" ", b"\t") for line in lines):
            # RFC 9112 5.2 lets a server refuse obsolete folding; h11 would join the lines.
            return error_response(400, "a header is folded over two lines")
        parser = h11.Connection(h11.SERVER, max_incomplete_event_size=len(head) + 1)
        try:
            parser.receive_data(head)
            event = parser.next_event()
        except h11.RemoteProtocolError as error:
            return error_response(400, f"not an HTTP/1.1 request: {error.args[0] if error.args else 'malformed'}"[:200])
        assert isinstance(event, h11.Request)  # a whole head is a request or an error
        fields = (event.method, event.target, list(event.headers), event.http_version.decode())
        return Request._make(fields), rest

    @property
    def begun(self) -> bool:
        """Some byte has come."""
        return self._buffer is not None

    def request_line(self) -> tuple[bytes, bytes] | None:
        """Return method and path of a head that was not read to its end, if its first line is one of HTTP's."""
        line = None if self._buffer is None else _REQUEST_LINE.match(self._buffer)
        if line is None:
            return None
        method, target, *_ = line[0].split(b" ")
        return method, target.partition(b"?")[0]

    def _judge_request_line(self, buffer: bytearray) -> Response | None:
        """Refuse non-HTTP as early as possible: after a TLS hello no blank line may ever come (T11)."""
        if not _starts_with_token(buffer):
            return error_response(400, "not an HTTP request")
        # A line that ends beyond the limit is too large, whatever its content, as it is when it comes in pieces (I1).
        if buffer.find(b"\n", 0, self._config.max_head_size) < 0:
            return None
        self._line_read = True
        return None if _REQUEST_LINE.match(buffer) else error_response(400, "not an HTTP/1.1 request line")


class OpeningHandshake(NamedTuple):
    """A request that may become a WebSocket connection."""

    request: Request
    subprotocols: list[str]
    deflate: DeflateParameters | None
    key: bytes  # empty over HTTP/2

    def scope(self, peer: Peer, root_path: str, state: Mapping[str, Any]) -> Scope:
        """Build the ASGI scope; `state` is copied, as ASGI requires (lifespan 2.0)."""
        request = self.request
        target = request.target
        if not target.startswith(b"/") and (absolute := _ABSOLUTE_FORM.match(target)):
            target = target[absolute.end() :]
        raw_path, _, query = target.partition(b"?")
        raw_path = raw_path or b"/"
        path = (unquote_to_bytes(raw_path) if b"%" in raw_path else raw_path).decode("utf-8", "replace")
        extensions: dict[str, dict[str, Any]] = {"websocket.http.response": {}}
        if peer.tls is not None:
            extensions["tls"] = peer.tls
        return {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.5"},
            "http_version": request.http_version,
            "scheme": "ws" if peer.tls is None else "wss",
            "path": root_path + path,
            "raw_path": root_path.encode() + raw_path,
            "query_string": query,
            "root_path": root_path,
            "headers": list(request.headers),
            "client": peer.client,
            "server": peer.server,
            "subprotocols": list(self.subprotocols),
            "state": dict(state),
            "extensions": extensions,
        }

    def accept(self, accept: Accept) -> Response:
        """Make the response that opens the connection: 101, or 200 over HTTP/2 (RFC 8441 5)."""
        headers: Headers = []
        if self.key:
            headers += [*_UPGRADE_FIELDS, (b"sec-websocket-accept", accept_key(self.key))]
        if accept.subprotocol is not None:
            headers.append((b"sec-websocket-protocol", accept.subprotocol.encode()))
        if self.deflate is not None:
            headers.append((b"sec-websocket-extensions", self.deflate.header_value()))
        headers += accept.headers
        return Response(101 if self.key else 200, headers)


def validate_request(request: Request, config: Config) -> OpeningHandshake | Response:
    """Return the opening handshake if `request` is one that RFC 6455 4.2.1 allows, else the refusal."""
    values: defaultdict[bytes, list[bytes]] = defaultdict(list)
    for name, value in request.headers:
        if name in _JUDGED:
            values[name].append(value)
    over_http2 = request.http_version == "2"
    if not over_http2:
        connection, upgrade = values[b"connection"], values[b"upgrade"]
        if connection != [b"Upgrade"] or upgrade != [b"websocket"]:  # as in the RFC's example, and from most clients
            for name in (b"connection", b"upgrade"):
                if not b"".join(values[name]).isascii():
                    return error_response(400, f"{name.decode()}: not ASCII")
            if b"upgrade" not in _tokens(connection, lower=True) or _tokens(upgrade, lower=True) != [b"websocket"]:
                return _upgrade_required("this is a WebSocket endpoint: send an opening handshake (RFC 6455 4.1)")
    expected = b"CONNECT" if over_http2 else b"GET"
    if request.method != expected:
        return error_response(405, f"an opening handshake is a {expected.decode()} request", (b"allow", expected))
    if request.http_version not in ("1.1", "2"):
        return error_response(505, "an opening handshake needs HTTP/1.1")
    if len(values[b"host"]) != 1:
        return error_response(400, "expected one Host header")
    # A body on an upgrade enables request smuggling: one end reads it as frames, the other as HTTP.
    if b"transfer-encoding" in values or b"".join(values.get(b"content-length", ())).strip(b"0 "):
        return error_response(400, "an opening handshake has no body")
    if not (request.target.startswith(b"/") or _ABSOLUTE_FORM.match(request.target)):
        return error_response(400, "the request target is no path")
    if b"#" in request.target:  # RFC 6455 3; servers disagree on where such a path ends
        return error_response(400, "the request target has a fragment")
    key = b""
    if not over_http2:
        keys = values[b"sec-websocket-key"]
        if len(keys) != 1 or not _KEY.fullmatch(keys[0]):
            return error_response(400, "expected one Sec-WebSocket-Key, base64 of 16 bytes")
        key = keys[0]
    versions = values[b"sec-websocket-version"]
    if versions != [b"13"]:
        ours = (b"sec-websocket-version", b"13")
        if versions and not over_http2:  # HTTP/2 has no Upgrade, which a 426 must contain
            return _upgrade_required("expected Sec-WebSocket-Version: 13", ours)
        return error_response(400, "expected Sec-WebSocket-Version: 13", ours)
    subprotocols = _tokens(values[b"sec-websocket-protocol"])
    if subprotocols and not all(map(is_token, subprotocols)):
        return error_response(400, "Sec-WebSocket-Protocol: not a list of tokens")
    try:
        deflate = negotiate(values[b"sec-websocket-extensions"], config)
    except MalformedExtensions:
        return error_response(400, "Sec-WebSocket-Extensions: malformed")  # RFC 6455 9.1
    return OpeningHandshake(request, [token.decode() for token in subprotocols], deflate, key)


def _upgrade_required(why: str, *headers: tuple[bytes, bytes]) -> Response:
    # RFC 9110 15.5.22 and 7.8: a 426 names the protocol in Upgrade, and Upgrade in Connection.
    return error_response(426, why, *headers, (b"upgrade", b"websocket"), (b"connection", b"Upgrade, close"))


def _tokens(values: list[bytes], *, lower: bool = False) -> list[bytes]:
    """Return the elements of a list header, which may span several fields; empty elements are dropped."""
    if not values:
        return []
    together = b",".join(values)
    items = (together.lower() if lower else together).split(b",")
    return [token for item in items if (token := item.strip(b" \t"))]


class Denial:
    """An application's HTTP response instead of the handshake, streamed (ASGI's websocket.http.response)."""

    def __init__(self, start: ResponseStart) -> None:
        self._start = start
        self._bodiless = start.status in (204, 304)  # RFC 9110 6.4.1
        self._written = 0
        self._chunked = False

    def check(self, body: Body) -> None:
        """Raise InvalidMessage if `body` contradicts the content-length that the application announced."""
        announced = self._start.content_length
        if announced is None or self._bodiless:
            return
        total = self._written + len(body.data)
        if total > announced or (total < announced and not body.more):
            raise InvalidMessage(
                f"websocket.http.response.body: the body has {total} bytes{'' if body.more else ' in all'}, but the "
                f"response's content-length says {announced}"
            )

    def head(self, first: Body, *, chunks: bool) -> Response:
        """Make the head, once the first piece of the body determines how the body is delimited.

        `chunks` says whether a body of unknown length may be chunked; an embedder's HTTP delimits it itself.
        """
        headers = list(self._start.headers)
        if self._start.content_length is not None:
            if self._start.status != 204:  # RFC 9110 8.6
                headers.append((b"content-length", b"%d" % self._start.content_length))
        elif not self._bodiless:
            if not first.more:
                headers.append((b"content-length", b"%d" % len(first.data)))
            elif chunks:
                self._chunked = True
                headers.append((b"transfer-encoding", b"chunked"))
        if chunks:
            headers.append((b"connection", b"close"))
        return Response(self._start.status, headers)

    def frame(self, body: Body) -> bytes:
        """Return the bytes on the wire for a checked piece of the body."""
        if self._bodiless:
            return b""
        self._written += len(body.data)
        if not self._chunked:
            return body.data
        chunk = b"%x\r\n%s\r\n" % (len(body.data), body.data) if body.data else b""  # an empty chunk would end it
        return chunk if body.more else chunk + b"0\r\n\r\n"
