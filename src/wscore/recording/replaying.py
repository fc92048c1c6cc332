"""Feeds a recording's inputs to a core of this version, and compares what comes with what was recorded."""

from __future__ import annotations

import contextlib
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, Final

from .._core.prepared_message import PreparedMessage
from .client import RecordedClientConnection
from .comparing import Comparison
from .filling import Filling, bytes_of
from .header import recorded_again
from .payloads import restored
from .reading import Recording, RecordingError
from .server import RecordedServerConnection, as_message
from .tape import Line

__all__ = ["Difference", "Replay", "replay"]

_INVALID_DATA: Final = 1007
_PARSING: Final = frozenset({"receive_data", "handle_timeout", "next_message", "send", "close"})
_SHOWN_FIRST: Final = frozenset({"messages", "then", "due"})
_MALFORMED: Final = (KeyError, TypeError, ValueError, AttributeError, ArithmeticError)


@dataclass(frozen=True, slots=True)
class Difference:
    """The first difference: in which line of the file, in what, and both values."""

    line: int
    call: str
    at: Decimal
    what: str
    recorded: Any
    came: Any


@dataclass(frozen=True, slots=True)
class Replay:
    """What a replay has found."""

    same: int
    """How many calls went as recorded."""
    difference: Difference | None = None
    untold: str | None = None
    """Why nothing can be said of the rest: it depended on content that the recording does not hold."""


class _CannotStandFor(Exception):
    """No bytes can stand for what a recording left out."""


class _Lines:
    """A journal in memory, of the last call."""

    open = True

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, line: str, now: float) -> None:
        del now
        self.lines.append(line)

    def flush(self) -> None:
        """Nothing is held back."""

    def cut(self, reason: str) -> None:
        del reason


class _Random:
    """Gives what was drawn."""

    def __init__(self) -> None:
        self._drawn: deque[bytes] = deque()

    def load(self, line: Line) -> None:
        """Take what was drawn during a call."""
        self._drawn = deque(map(bytes.fromhex, line.get("random", ())))

    def __call__(self, size: int) -> bytes:
        drawn = self._drawn.popleft() if self._drawn else b""
        return drawn if len(drawn) == size else bytes(size)


def replay(recording: Recording) -> Replay:
    """Replay a recording up to the first difference. Raises RecordingError if a line does not hold what it must."""
    return _Replaying(recording).run()


class _Replaying:
    """One replay."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._journal = _Lines()
        self._random = _Random()
        try:
            self._random.load(recording.header)
            self._core = recorded_again(recording.header, self._journal, self._random)
            self._filling = Filling(recording)
        except _MALFORMED as error:
            raise RecordingError(f"{recording.name}: no connection can be made of it: {_said(error)}") from None
        self._journal.lines.clear()
        self._comparison = Comparison(recording)
        self._waiting: deque[tuple[int, Line]] = deque()  # lines whose counterpart waits for the end of a head
        self._backed_up = False

    def run(self) -> Replay:
        recording = self._recording
        for number, line in enumerate(recording.lines, 2):
            name = str(line.get("in", line.get("out")))
            try:
                self._random.load(line)
                self._note_backlog(line)
                call = self._call(name, line, float(recording.began + Decimal(line["at"])))
            except _MALFORMED as error:
                raise RecordingError(
                    f"{recording.name}, line {number}: {name} does not carry what it must: {_said(error)}"
                ) from None
            except _CannotStandFor:
                why = "no data of that size can stand for a compressed message"
                return Replay(number - 2, untold=_untold(number, why))
            if call is None:
                continue
            with contextlib.suppress(Exception):  # the line says so
                call()
            self._waiting.append((number, line))
            if (found := self._compare()) is not None:
                return found
        self._core.finish()
        return self._compare() or Replay(len(recording.lines))

    def _compare(self) -> Replay | None:
        """Compare what has come; None while it is the same."""
        lines, self._journal.lines = self._journal.lines, []
        for text in lines:
            number, recorded = self._waiting.popleft()
            came = json.loads(text, parse_float=Decimal)
            found = self._comparison.difference(recorded, came)
            if found is not None:
                name = str(recorded.get("in", recorded.get("out")))
                if (why := self._undecidable(number, name, found[0])) is not None:
                    return Replay(number - 2, untold=_untold(number, why))
                return Replay(number - 2, Difference(number, name, Decimal(recorded["at"]), *found))
        return None

    def _call(self, name: str, line: Line, now: float) -> Callable[[], object] | None:
        """Return the call that a line is of; None if the core refused what it carried, which is not recorded then."""
        core = self._core
        if line.get("refused"):
            return None
        match name:
            case "receive_data":
                data = self._filling.fill(line["data"])
                if data is None:
                    raise _CannotStandFor
                return partial(core.receive_data, data, now=now)
            case "connection_lost":
                error = Exception(line["error"]) if "error" in line else None
                return partial(core.connection_lost, now=now, error=error)
            case "report_unsent":
                return partial(core.report_unsent, int(line["size"]), now=now)
            case "data_to_send":
                return partial(core.take_output, now=now)
            case _:
                pass
        if isinstance(core, RecordedServerConnection):
            return _server_call(core, name, line, now)
        return _client_call(core, name, line, now)

    def _note_backlog(self, line: Line) -> None:
        """Notice when the size of what was sent may have decided something."""
        if line.get("size"):
            self._backed_up = True
        elif line.get("out") == "data_to_send":
            self._backed_up |= len(bytes_of(line["data"])) >= self._core.config.max_output_size
        elif line.get("in") == "send_nowait":
            self._backed_up |= not line["result"]

    def _undecidable(self, number: int, call: str, what: str) -> str | None:
        """Return why a difference may come from what the recording does not hold; None if it cannot."""
        recording = self._recording
        if recording.whole:
            return None
        # Content that ended a connection shows first where it was parsed: a message more, another state, a deadline.
        if call in _PARSING and what in _SHOWN_FIRST:
            for line in recording.lines[number - 2 :]:
                then: Line = line.get("then", {})
                close = then.get("close")
                if close and close["cause"] == "violation":
                    if close["code"] == _INVALID_DATA or self._filling.compressed:
                        return f"the content of a message ended the connection with {close['code']}"
                    break
        if self._comparison.compressed and self._backed_up:
            return "it mattered how much was not sent yet, and how well it was compressed"
        return None


def _server_call(core: RecordedServerConnection, name: str, line: Line, now: float) -> Callable[[], object]:
    match name:
        case "secured":
            return partial(core.secured, line["tls"])
        case "send":
            return partial(core.send, as_message(line["message"]), now=now)
        case "send_nowait":
            return partial(core.send_nowait, PreparedMessage(restored(line["payload"])))
        case "begin_shutdown":
            return partial(core.begin_shutdown, now=now, code=line["code"], reason=line["reason"])
        case "reject":
            return partial(core.reject, now=now)
        case "forget_scope":
            return core.forget_scope
        case _:
            return partial(getattr(core, name), now=now)


def _client_call(core: RecordedClientConnection, name: str, line: Line, now: float) -> Callable[[], object]:
    match name:
        case "send":
            return partial(core.send, restored(line["payload"]), now=now)
        case "send_fragment":
            return partial(core.send_fragment, restored(line["payload"]), final=bool(line["final"]), now=now)
        case "ping":
            return partial(core.ping, bytes.fromhex(line["ping"]) if "ping" in line else None, now=now)
        case "close":
            return partial(core.close, line["code"], line["reason"], now=now)
        case "pongs_received":
            return core.take_pongs
        case _:
            return partial(getattr(core, name), now=now)


def _untold(number: int, why: str) -> str:
    return f"from line {number} on it cannot be told from a recording without payloads: {why}"


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
