"""Makes a recording's lines: one for each call of a core, with its time, what it carried and what followed.

docs/reference/recordings.md describes the lines. The times in them are differences of decimal fractions, so that
adding the beginning again gives the very number that the core was given: a deadline that was just reached is reached
in a replay.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from .._core.access import AccessRecord
from .._core.close import Close
from .._core.http.server_handshake import Response
from .._core.termination import CloseInfo
from .journal import Journal
from .payloads import Description, PayloadPolicy
from .redaction import Redaction
from .wire import WireReader

__all__ = ["Line", "Pieces", "Tape", "as_text", "close_of"]

Line = dict[str, Any]
Pieces = list[Any]
"""Bytes in a recording: a string is hexadecimal, a number is so many bytes that were left out, `{"head": ...}` is a
piece of a head."""

_MOST_HELD: Final = 1000  # lines that wait for the end of a head, which a peer may send byte by byte
_ENCODE: Final = json.JSONEncoder(
    ensure_ascii=True, default=str
).encode  # str: whatever an embedder passes, it harms nothing


class Tape:
    """The lines of one connection."""

    def __init__(
        self,
        journal: Journal,
        policy: PayloadPolicy,
        redaction: Redaction,
        *,
        server: bool,
        now: float,
        random: Callable[[int], bytes] | None,
    ) -> None:
        self.policy = policy
        self.redaction = redaction
        self._journal = journal
        self._began = Decimal(repr(float(now)))
        self._now = now
        self._draw = random
        self._received = WireReader("request" if server else "response")
        self._sent = WireReader("response" if server else "request")
        self._heads: dict[WireReader, list[tuple[Line, bytes]]] = {self._received: [], self._sent: []}
        self._held: list[tuple[Line, float, str | None]] = []
        self._state: dict[str, Any] = {}
        self._due: float | None = None
        self._described_once: dict[str, tuple[Any, Line]] = {}
        # of the call that is being recorded
        self._random: list[str] = []
        self._messages: list[Description] = []
        self._access: list[Line] = []

    # -- what a core does during a call

    def random(self, size: int) -> bytes:
        """Draw random bytes for the core."""
        assert self._draw is not None
        drawn = self._draw(size)
        self._random.append(drawn.hex())
        return drawn

    def parsed(self, messages: list[str | bytes]) -> None:
        """Note messages that the core has parsed."""
        if self._journal.open:
            self._messages += map(self.policy.describe, messages)

    def logged(self, record: AccessRecord) -> None:
        """Note a record for the access log."""
        self._access.append({field.name: getattr(record, field.name) for field in dataclasses.fields(record)})

    # -- lines

    def begin(self, header: Line) -> None:
        """Write the first line."""
        if self._random:
            header["random"], self._random = self._random, []
        self._journal.write(_ENCODE(header), self._now)

    def add(self, line: Line, now: float | None, state: dict[str, Any], due: float | None, *, over: bool) -> None:
        """Add a call's line; `state` is the core's after it, of which the line tells what has changed.

        Args:
            line: What the call was, and carried.
            now: The clock, None where a call has none: then it is the last one.
            state: The outputs that seldom change.
            due: `next_timeout()`.
            over: Whether the connection is over: then no more is collected.
        """
        self._now = now = self._now if now is None else now
        if self._random:
            line["random"], self._random = self._random, []
        if self._messages:
            line["messages"], self._messages = self._messages, []
        if self._access:
            line["access"], self._access = self._access, []
        if state != self._state:
            before = self._state
            line["then"] = {name: value for name, value in state.items() if name not in before or before[name] != value}
            self._state = state
        if not self._journal.open:
            return
        moved = None
        if due != self._due:
            self._due = due
            moved = "null" if due is None else as_text(Decimal(repr(float(due))) - self._began)
        self._held.append((line, now, moved))
        in_head = self._received.in_head or self._sent.in_head
        if in_head and not over and len(self._held) < _MOST_HELD:
            return
        self._release()
        if over:
            self._journal.flush()
        elif in_head:
            self._journal.cut("a head came in too many pieces")  # whose rest could not be redacted

    def finish(self) -> None:
        """Write what waits for the end of a head."""
        self._release()
        self._journal.flush()

    def _release(self) -> None:
        for reader in self._heads:
            self._redact(reader)
        for line, at, due in self._held:
            times = f'{{"at": {as_text(Decimal(repr(float(at))) - self._began)}, '
            if due is not None:
                times += f'"due": {due}, '
            self._journal.write(times + _ENCODE(line)[1:], at)
        self._held.clear()

    # -- bytes

    def received(self, data: bytes) -> Pieces:
        """Describe bytes from the peer."""
        return self._described(self._received, data)

    def sent(self, data: bytes) -> Pieces:
        """Describe bytes for the peer."""
        return self._described(self._sent, data)

    def _described(self, reader: WireReader, data: bytes) -> Pieces:
        if not self._journal.open:
            return []
        whole = self.policy.payloads == "whole"
        pieces: Pieces = []
        verbatim = bytearray()
        for kind, piece, _ in reader.read(data):
            if kind == "head":
                part: Line = {"head": ""}
                self._heads[reader].append((part, piece))
                pieces.append(part)
                if not reader.in_head:
                    self._redact(reader)
            elif whole or kind not in {"payload", "body"}:
                verbatim += piece
            else:
                if verbatim:
                    pieces.append(verbatim.hex())
                    verbatim.clear()
                pieces.append(len(piece))
        if verbatim:
            pieces.append(verbatim.hex())
        return pieces

    def _redact(self, reader: WireReader) -> None:
        """Fill in the pieces of a head, redacted as a whole: a piece may begin within a value."""
        parts = self._heads[reader]
        if not parts:
            return
        head = self.redaction.head(b"".join(piece for _, piece in parts)).decode("latin-1")
        at = 0
        for part, piece in parts:
            part["head"] = head[at : at + len(piece)]
            at += len(piece)
        parts.clear()

    # -- other values

    def headers(self, headers: Any) -> list[list[str]]:
        """Describe headers, pairs of bytes."""
        value = self.redaction.value
        return [
            [name.decode("latin-1"), value(bytes(name).lower(), bytes(content)).decode("latin-1")]
            for name, content in headers
        ]

    def once(self, name: str, value: Any, describe: Callable[[Any], Line]) -> Line | None:
        """Describe an output that seldom changes: the same object is described once."""
        if value is None:
            return None
        known = self._described_once.get(name)
        if known is None or known[0] is not value:
            known = self._described_once[name] = (value, describe(value))
        return known[1]

    def response(self, response: Response) -> Line:
        """Describe the handshake's answer."""
        line: Line = {"status": response.status, "headers": self.headers(response.headers)}
        if response.body:
            line["body"] = self.policy.describe(response.body)
        return line

    def close_info(self, info: CloseInfo | None) -> Line | None:
        """Describe how the connection ended."""
        if info is None:
            return None
        line: Line = {"cause": info.cause, "code": info.code, "reason": info.reason}
        if info.sent is not None:
            line["sent"] = close_of(info.sent)
        if info.received is not None:
            line["received"] = close_of(info.received)
        return line


def close_of(close: Close) -> list[Any]:
    """Describe a close frame's content."""
    return [close.code if close.code is None else int(close.code), close.reason]


def as_text(number: Decimal) -> str:
    """Write a time without an exponent."""
    return format(number, "f")
