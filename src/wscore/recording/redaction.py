"""Credentials out of heads, headers and URIs, so that a recording can be shown to somebody.

A value is replaced by `x` as often as it is long: what is left parses as before, and a recording replays without it.
Redacting twice changes nothing.
"""

from __future__ import annotations

import re
from typing import Final

from .._core.http.uri import URI

__all__ = ["Redaction"]

_CREDENTIALS: Final = re.compile(
    rb"(?i)(?:proxy-)?authorization|(?:set-)?cookie2?|.*(?:auth|token|secret|api-?key|session|password|csrf).*"
)
_PLACES: Final = frozenset({b"location", b"referer", b"content-location"})
"""Headers whose value is a URI: of these the query goes."""
_SUBPROTOCOLS: Final = b"sec-websocket-protocol"
_REQUEST_LINE: Final = re.compile(rb"([^ \r\n]* [^ ?\r\n]*\?)([^ \r\n]*)")
_HEADER: Final = re.compile(rb"([!-9;-~]+)([ \t]*:[ \t]*)([^\r\n]*)")
_ITEM: Final = re.compile(rb"[^, \t]+")
_SHORT: Final = 11
_LONG: Final = 20


class Redaction:
    """What goes and what stays, for one recording; with `on` False everything stays."""

    def __init__(self, *, on: bool) -> None:
        self.on = on
        self._tokens: dict[str, str] = {}

    def head(self, head: bytes) -> bytes:
        """Redact a request's or a response's head, as far as it has come; the result is as long."""
        if not self.on:
            return head
        redacted: list[bytes] = []
        name = b""
        for number, line in enumerate(head.splitlines(keepends=True)):
            header = _HEADER.match(line)
            if number == 0 and (request := _REQUEST_LINE.match(line)):
                redacted += (request[1], _hidden(request[2]), line[request.end() :])
            elif line[:1] in {b" ", b"\t"}:  # continues the header before it (RFC 9112 5.2)
                text = line.rstrip(b"\r\n")
                redacted += (self.value(name, text), line[len(text) :])
            elif header:
                name = header[1].lower()
                redacted += (header[1], header[2], self.value(name, header[3]), line[header.end() :])
            else:
                redacted.append(line)
        return b"".join(redacted)

    def value(self, name: bytes, value: bytes) -> bytes:
        """Redact the value of a header; `name` is in lower case."""
        if not self.on or (name.startswith(b"sec-websocket-") and name != _SUBPROTOCOLS):
            return value
        if name == _SUBPROTOCOLS:
            return _ITEM.sub(lambda item: self.subprotocol(item[0].decode("latin-1")).encode("latin-1"), value)
        if name in _PLACES:
            return self.target(value)
        return _hidden(value) if _CREDENTIALS.fullmatch(name) else value

    def target(self, target: bytes) -> bytes:
        """Redact the query of a request target or a URI."""
        path, mark, query = target.partition(b"?")
        return path + mark + _hidden(query) if self.on else target

    def subprotocol(self, name: str) -> str:
        """Redact a subprotocol that looks like a token, since a browser has no other header to put one into.

        It does if it has more than 20 characters, or more than 11 and a digit among them. Names that are no tokens are
        redacted as well then, which harms nothing: each stays one that is offered, chosen and told apart from others.
        """
        if not self.on or len(name) <= _SHORT or (len(name) <= _LONG and not any(map(str.isdigit, name))):
            return name
        if name not in self._tokens:
            number = str(len(self._tokens))
            self._tokens[name] = "x" * (len(name) - len(number)) + number
        return self._tokens[name]

    def uri(self, uri: URI) -> URI:
        """Redact a client's URI: query and user information."""
        hidden = uri.authorization and _hidden(uri.authorization)
        target = self.target(uri.target.encode()).decode()
        return uri._replace(target=target, authorization=hidden) if self.on else uri


def _hidden(value: bytes) -> bytes:
    return b"x" * len(value)
