"""The client's side of the opening handshake: build the request for a URI, check the response (RFC 6455 4.1).

h11 parses the response's head and a refusal's body; what h11 does not check is checked here, as on the server's side.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import h11

from ..asgi.messages import Headers
from ..config import Config
from ..errors import InvalidMessage
from ..frames.deflate import DeflateParameters, MalformedExtensionResponse, accept_response, offer
from ..grammar import CONNECTION_HEADERS, END_OF_HEAD, is_field_value, is_token
from .accept_key import accept_key
from .server_handshake import Response
from .uri import URI

__all__ = ["AcceptedHandshake", "BadResponse", "ClientHandshake"]

_RESERVED: Final = CONNECTION_HEADERS | {b"host"}
_START: Final = re.compile(rb"HTTP/1\.[0-9] [0-9]{3}[ \r\n]")


class AcceptedHandshake(NamedTuple):
    """A valid 101: what client and server agreed on, and the bytes after it (`rest`)."""

    response: Response
    subprotocol: str | None
    deflate: DeflateParameters | None
    rest: bytes


class BadResponse(NamedTuple):
    """Not a valid answer to the handshake; `why` says what is wrong. `response` is set if it was HTTP."""

    why: str
    response: Response | None = None


class ClientHandshake:
    """Builds the request, and reads the response until the connection is open or has failed."""

    def __init__(
        self,
        uri: URI,
        config: Config,
        random: Callable[[int], bytes],
        *,
        subprotocols: Sequence[str],
        headers: Mapping[str, str] | Iterable[tuple[str, str]],
        origin: str | None,
    ) -> None:
        """Prepare the request. Raises InvalidMessage for a header, a subprotocol or an origin that cannot be sent."""
        self._config = config
        self._subprotocols = _read_subprotocols(subprotocols)
        self._key = base64.b64encode(random(16))
        self._offer = offer(config)
        self._headers = self._request_headers(uri, _read_headers(headers, origin))
        self._target = uri.target.encode()
        self._buffer = bytearray()
        self._seen = 0  # bytes of heads before the one being read
        self._scanned = 0  # the end of the head does not begin before this: a slow head is not searched twice
        self._parser: h11.Connection | None = None  # of a refusal
        self._refusal: Response | None = None
        self._body = bytearray()

    def _request_headers(self, uri: URI, added: Headers) -> Headers:
        headers: Headers = [
            (b"Host", uri.host_header),
            (b"Upgrade", b"websocket"),
            (b"Connection", b"Upgrade"),
            (b"Sec-WebSocket-Key", self._key),
            (b"Sec-WebSocket-Version", b"13"),
        ]
        if self._subprotocols:
            headers.append((b"Sec-WebSocket-Protocol", ", ".join(self._subprotocols).encode()))
        if self._offer is not None:
            headers.append((b"Sec-WebSocket-Extensions", self._offer))
        if uri.authorization is not None and all(name.lower() != b"authorization" for name, _ in added):
            headers.append((b"Authorization", uri.authorization))
        return headers + added

    def request(self) -> bytes:
        """Return the request's bytes."""
        lines = [b"GET %b HTTP/1.1" % self._target, *(b"%b: %b" % header for header in self._headers)]
        return b"\r\n".join([*lines, b"", b""])

    # -- the response's head

    def feed(self, data: bytes | bytearray | memoryview) -> AcceptedHandshake | BadResponse | Response | None:
        """Process more bytes; None while the head is incomplete.

        A `Response` is the head of a refusal; pass the bytes after it to `body`, starting with b"".
        """
        self._buffer += data
        while True:
            limit = self._config.max_head_size - self._seen  # for all heads together: 100s could come without end
            end = END_OF_HEAD.search(self._buffer, self._scanned)
            if not self._may_be_http(whole=end is not None):
                return BadResponse("the answer is not HTTP/1.1")
            if (end.end() if end else len(self._buffer)) > limit:
                return BadResponse(f"the response head is larger than {self._config.max_head_size} bytes")
            if end is None:
                self._scanned = max(0, len(self._buffer) - 2)
                return None
            self._scanned = 0
            head = bytes(self._buffer[: end.end()])
            del self._buffer[: end.end()]
            self._seen += len(head)
            if head.count(b"\n") - 2 > self._config.max_headers:
                return BadResponse(f"the response has more than {self._config.max_headers} headers")
            answer = self._read_head(head)
            if answer is not None:
                return answer

    def _may_be_http(self, *, whole: bool) -> bool:
        """Detect non-HTTP as early as possible: after the greeting of another protocol no blank line may ever come."""
        start = bytes(self._buffer[:13])
        if whole or len(start) == 13:
            return _START.match(start) is not None
        return start[:7] == b"HTTP/1."[: len(start)]

    def _read_head(self, head: bytes) -> AcceptedHandshake | BadResponse | Response | None:
        """Read one whole head; None for an informational response, which is followed by another."""
        parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=self._config.max_head_size + 1)
        parser.send(h11.Request(method=b"GET", target=self._target, headers=self._headers))
        parser.send(h11.EndOfMessage())
        try:
            parser.receive_data(head)
            event = parser.next_event()
        except h11.RemoteProtocolError as error:
            return BadResponse(f"the answer is not HTTP/1.1: {error.args[0] if error.args else 'malformed'}"[:200])
        if isinstance(event, h11.Response):
            self._parser = parser
            self._refusal = Response(event.status_code, list(event.headers))
            return self._refusal
        assert isinstance(event, h11.InformationalResponse)  # a whole head is a response or an error
        if event.status_code != 101:
            return None
        response = Response(101, list(event.headers))
        if event.http_version != b"1.1":
            return BadResponse("expected HTTP/1.1", response)
        return self._check(response)

    def _check(self, response: Response) -> AcceptedHandshake | BadResponse:
        """Check a 101 as RFC 6455 4.1 requires."""
        values: dict[bytes, list[bytes]] = {}
        for name, value in response.headers:
            values.setdefault(name, []).append(value)

        def tokens(name: bytes) -> list[bytes]:
            listed = [item.strip(b" \t").lower() for value in values.get(name, ()) for item in value.split(b",")]
            return [token for token in listed if token]

        if tokens(b"upgrade") != [b"websocket"]:
            return BadResponse("expected Upgrade: websocket", response)
        if b"upgrade" not in tokens(b"connection"):
            return BadResponse("expected Connection: Upgrade", response)
        digest = accept_key(self._key)
        if values.get(b"sec-websocket-accept") != [digest]:
            return BadResponse("Sec-WebSocket-Accept does not answer our key", response)
        # One end would read a body as HTTP, and the other as frames.
        if b"transfer-encoding" in values or any(value.strip(b"0 ") for value in values.get(b"content-length", ())):
            return BadResponse("a 101 has no body", response)
        subprotocol: str | None = None
        match values.get(b"sec-websocket-protocol", []):
            case []:
                pass
            case [chosen] if (subprotocol := chosen.decode("latin-1")) in self._subprotocols:
                pass
            case _:
                return BadResponse("Sec-WebSocket-Protocol: a subprotocol that was not offered", response)
        try:
            deflate = accept_response(values.get(b"sec-websocket-extensions", []), self._config)
        except MalformedExtensionResponse as error:
            return BadResponse(f"Sec-WebSocket-Extensions: {error}", response)
        return AcceptedHandshake(response, subprotocol, deflate, bytes(self._buffer))

    # -- a refusal's body

    def body(self, data: bytes | bytearray | memoryview) -> Response | None:
        """Process more of a refusal's body; None while incomplete, then the response, its body maybe cut short."""
        assert self._parser is not None
        rest, self._buffer = bytes(self._buffer), bytearray()
        over = False
        try:
            if rest:
                self._parser.receive_data(rest)
            if data:
                self._parser.receive_data(bytes(data))
            while isinstance(event := self._parser.next_event(), h11.Data):
                self._body += event.data
            over = event is not h11.NEED_DATA
        except h11.RemoteProtocolError:
            over = True
        return self.cut_short() if over or len(self._body) >= self._config.max_refusal_size else None

    def cut_short(self) -> Response | None:
        """Return the refusal with the body received so far; None if its head has not come."""
        return self._refusal and self._refusal._replace(body=bytes(self._body[: self._config.max_refusal_size]))


def _read_subprotocols(subprotocols: Sequence[str]) -> list[str]:
    if isinstance(subprotocols, str):
        raise InvalidMessage(f"subprotocols={subprotocols!r}: expected a list of names")
    names = list(subprotocols)
    for name in names:
        if not name.isascii() or not is_token(name.encode()):
            raise InvalidMessage(f"subprotocol {name!r} is not a token (RFC 6455 4.1)")
    if len(set(names)) < len(names):
        raise InvalidMessage(f"subprotocols={names!r}: each may be offered once (RFC 6455 4.1)")
    return names


def _read_headers(headers: Any, origin: str | None) -> Headers:
    items = getattr(headers, "items", None)  # of a mapping
    given: Any = headers if items is None else items()
    pairs: list[Any] = [*given] if origin is None else [*given, ("Origin", origin)]
    read: Headers = []
    for pair in pairs:
        try:
            name, value = pair
            raw, content = name.encode("ascii"), value.strip(" \t").encode("latin-1")
        except UnicodeEncodeError:
            raise InvalidMessage(f"header {pair[0]!r}: a name is ASCII, a value Latin-1") from None
        except (TypeError, ValueError, AttributeError):
            raise InvalidMessage(f"headers are pairs of str, not {pair!r}") from None
        if not is_token(raw):
            raise InvalidMessage(f"{name!r} is no header name")
        if not is_field_value(content):
            raise InvalidMessage(f"the value of header {name!r} holds CR, LF, NUL or another control")
        if raw.lower() in _RESERVED or raw.lower().startswith(b"sec-websocket-"):
            raise InvalidMessage(f"header {name!r} belongs to the handshake")
        read.append((raw, content))
    return read
