"""Reads a recording's file, and refuses what is none with one line that says why."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, cast

from .header import FORMAT
from .payloads import KEPT
from .tape import Line

__all__ = ["Recording", "RecordingError", "parse_recording", "read_recording"]

_HEADER: Final = frozenset(
    {
        *("wscore_recording", "end", "wscore", "time", "zlib", "began"),
        *("payloads", "keep", "redacted", "config", "options", "random"),
    }
)
_OPTIONAL: Final = frozenset({"wscore", "time", "random"})
_ANYWHERE: Final = frozenset({"at", "due", "in", "out", "raised", "refused", "random", "messages", "access", "then"})
_BOTH: Final = {
    "receive_data": {"data"},
    "receive_eof": set[str](),
    "connection_lost": {"error"},
    "report_unsent": {"size"},
    "handle_timeout": set[str](),
    "next_message": {"result"},
    "data_to_send": {"data"},
}
_CALLS: Final[dict[str, dict[str, set[str]]]] = {
    "server": {
        **_BOTH,
        "secured": {"tls"},
        "send": {"message", "result"},
        "send_nowait": {"payload", "result"},
        "application_returned": set(),
        "application_raised": set(),
        "begin_shutdown": {"code", "reason"},
        "reject": set(),
        "forget_scope": set(),
    },
    "client": {
        **_BOTH,
        "send": {"payload"},
        "send_fragment": {"payload", "final"},
        "abandon_message": set(),
        "ping": {"ping", "result"},
        "close": {"code", "reason"},
        "pongs_received": {"pongs"},
    },
}
"""Which calls a line can be of, and what such a line carries."""
_CUT: Final = "cut"


class RecordingError(Exception):
    """A file is no recording, or cannot be used; the text is one line that says why."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording: its first line, and the lines of calls, with every number with a point as a decimal fraction."""

    name: str
    header: Line
    lines: Sequence[Line]
    cut: str | None
    """Why it ends before the connection does, if it says so."""

    @property
    def server(self) -> bool:
        """Whether it is a server's."""
        return bool(self.header["end"] == "server")

    @property
    def whole(self) -> bool:
        """Whether payloads are in it as they were."""
        return bool(self.header["payloads"] == "whole")

    @property
    def began(self) -> Decimal:
        """The clock at the beginning."""
        return Decimal(self.header["began"])


def read_recording(path: str | Path) -> Recording:
    """Read a file. Raises RecordingError."""
    name = str(path)
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise RecordingError(f"{name}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise RecordingError(f"{name} is not a recording: it is not UTF-8") from None
    return parse_recording(text, name)


def parse_recording(text: str, name: str) -> Recording:
    """Read a recording's text; `name` is what errors call it. Raises RecordingError."""
    if not text:
        raise RecordingError(f"{name} is not a recording: it is empty")
    lines = text.split("\n")
    header = _read(lines[0], name, 1, first=True)
    _check_header(header, name)
    if lines.pop():
        raise RecordingError(f"{name}, line {len(lines) + 1}: the line is cut")
    calls = [_read(line, name, number) for number, line in enumerate(lines[1:], 2)]
    cut = None
    if calls and _CUT in calls[-1]:
        cut = str(calls.pop()[_CUT])
    for number, call in enumerate(calls, 2):
        _check_call(call, header["end"], f"{name}, line {number}")
    return Recording(name, header, calls, cut)


def _read(text: str, name: str, number: int, *, first: bool = False) -> Line:
    try:
        line: object = json.loads(text, parse_float=Decimal)
    except ValueError:
        line = None
    if isinstance(line, dict):
        return cast("Line", line)
    if first:
        raise RecordingError(f"{name} is not a recording: its first line is no JSON object")
    raise RecordingError(f"{name}, line {number}: no JSON object, or cut")


def _check_header(header: Line, name: str) -> None:
    version = header.get("wscore_recording")
    if not isinstance(version, int):
        raise RecordingError(f"{name} is not a recording: its first line has no 'wscore_recording'")
    if version > FORMAT:
        raise RecordingError(
            f"{name} has version {version} of the format, and this wscore reads up to {FORMAT}: use a newer one"
        )
    if unknown := header.keys() - _HEADER:
        raise RecordingError(f"{name}, line 1: unknown field {min(unknown)!r}")
    if missing := _HEADER - _OPTIONAL - header.keys():
        raise RecordingError(f"{name}, line 1: {min(missing)!r} is missing")
    for field, allowed in (("end", tuple(_CALLS)), ("payloads", KEPT)):
        if header[field] not in allowed:
            raise RecordingError(f"{name}, line 1: {field!r} is {header[field]!r}, expected {' or '.join(allowed)}")


def _check_call(line: Line, end: str, where: str) -> None:
    call: Any = line.get("in", line.get("out"))
    if "at" not in line or not isinstance(call, str):
        raise RecordingError(f"{where}: neither an input nor an output")
    carries = _CALLS[end].get(call)
    if carries is None:
        raise RecordingError(f"{where}: unknown call {call!r} of a {end}")
    if unknown := line.keys() - _ANYWHERE - carries:
        raise RecordingError(f"{where}: unknown field {min(unknown)!r}")
