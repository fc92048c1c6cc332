"""A recording as a conversation: who told whom what, a row for each frame, message and event."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, Literal

from ..._core.frames.opcodes import Opcode
from ...recording import Recording
from ...recording.filling import bytes_of
from ...recording.payloads import Description, size_of
from ...recording.tape import Line, Pieces
from ...recording.wire import Frame, Segment, WireReader

__all__ = ["Party", "Row", "conversation"]

Party = Literal["peer", "wscore", "application"]

_IN_TITLE: Final = 40  # characters of a payload
_IN_FACTS: Final = 2000
_FRAMES: Final = {
    Opcode.CONTINUATION: ("continuation", "RFC 6455 5.4"),
    Opcode.TEXT: ("text", "RFC 6455 5.6"),
    Opcode.BINARY: ("binary", "RFC 6455 5.6"),
    Opcode.CLOSE: ("close", "RFC 6455 5.5.1"),
    Opcode.PING: ("ping", "RFC 6455 5.5.2"),
    Opcode.PONG: ("pong", "RFC 6455 5.5.3"),
}
_EVENTS: Final = {
    "receive_eof": ("peer", "wscore", "end of stream", "RFC 6455 7.1.1"),
    "connection_lost": ("wscore", "wscore", "transport: the connection is gone", "RFC 6455 7.1.5"),
    "handle_timeout": ("wscore", "wscore", "clock: a deadline has passed", ""),
    "report_unsent": ("wscore", "wscore", "transport: bytes not taken by the peer yet", ""),
    "secured": ("wscore", "wscore", "transport: TLS is up", "RFC 8446 4"),
    "application_returned": ("application", "wscore", "returned", "ASGI www 2.5"),
    "application_raised": ("application", "wscore", "raised", "ASGI www 2.5"),
    "begin_shutdown": ("wscore", "wscore", "operator: shutdown", "RFC 6455 7.4.1"),
    "reject": ("wscore", "wscore", "operator: too many connections", "RFC 9110 15.6.4"),
    "abandon_message": ("application", "wscore", "abandons a message", "RFC 6455 5.4"),
}
_SILENT: Final = frozenset({"forget_scope"})
_MESSAGES: Final = {
    "websocket.send": "RFC 6455 5.6",
    "websocket.accept": "RFC 6455 4.2.2",
    "websocket.close": "RFC 6455 7.1.2",
    "websocket.http.response.start": "RFC 9110 15",
    "websocket.http.response.body": "RFC 9112 6",
}


@dataclass(slots=True)
class Row:
    """Something that one party told another, or that happened to the connection."""

    line: int
    at: Decimal
    sender: Party
    receiver: Party
    """The same as the sender for an event."""
    title: str
    section: str = ""
    """Where it is written what that is."""
    facts: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    data: bytes = b""
    """The bytes that are in the recording."""
    left_out: int = 0
    """How many bytes are not."""
    state: str | None = None
    """The state that the connection entered with it."""
    due: Decimal | None = None
    """The next deadline, if it was moved."""


def conversation(recording: Recording) -> list[Row]:
    """Return the rows of a recording."""
    readers = {
        "receive_data": WireReader("request" if recording.server else "response"),
        "data_to_send": WireReader("response" if recording.server else "request"),
    }
    rows: list[Row] = []
    for number, line in enumerate(recording.lines, 2):
        call = line.get("in") or line["out"]
        if call in readers:
            whole = recording.whole
            made = list(_wire(number, line, readers[call], line["data"], received=call == "receive_data", whole=whole))
        else:
            made = list(_event(number, line, call))
        if made:
            _add_outcome(made[-1], line)
        rows += made
    return rows


# -- bytes


def _wire(number: int, line: Line, reader: WireReader, pieces: Pieces, *, received: bool, whole: bool) -> Iterator[Row]:
    sender: Party = "peer" if received else "wscore"
    receiver: Party = "wscore" if received else "peer"
    row: Row | None = None
    about: tuple[str, int] | None = None
    for segment in reader.read(bytes_of(pieces)):
        frame = segment.frame
        key = (segment.kind, 0) if frame is None else ("frame", id(frame))
        begins = segment.kind == "header" or row is None or (frame is None and key != about)
        if begins:
            if row is not None:
                yield row
            title, section = _titled(segment)
            row = Row(number, line["at"], sender, receiver, title, section)
            about = key
            if frame is not None:
                row.facts += _facts(frame)
        assert row is not None
        if segment.kind in {"payload", "body"} and not whole:
            row.left_out += len(segment.data)
        else:
            row.data += segment.data
        if segment.kind == "control" and frame is not None:
            _tell_control(row, frame, segment.data)
    if row is not None:
        yield row


def _titled(segment: Segment) -> tuple[str, str]:
    """Return the title of the row that a segment begins, and where it is written what that is."""
    frame = segment.frame
    if segment.kind == "head":
        first = segment.data.lstrip(b"\r\n").partition(b"\r\n")[0]
        begins = b" HTTP/" in first or first.startswith(b"HTTP/")
        return first.decode("latin-1") if begins else f"of a head, {_size(len(segment.data))}", "RFC 6455 4"
    if segment.kind in {"body", "framing"}:
        return f"{segment.kind}, {_size(len(segment.data))}", "RFC 9112 6"
    if frame is None:
        return "a part of a frame's header", "RFC 6455 5.2"
    if segment.kind != "header":
        return f"more of a frame, {_size(len(segment.data))}", "RFC 6455 5.2"
    try:
        name, section = _FRAMES[Opcode(frame.opcode)]
    except ValueError:
        name, section = f"opcode {frame.opcode:#x}, which is reserved", "RFC 6455 5.2"
    if frame.compressed and frame.message >= 0:
        section += ", RFC 7692 6"
        name += ", compressed"
    if frame.message >= 0 and not frame.final:
        name += ", not final"
    return f"{name}, {_size(frame.length)}", section


def _facts(frame: Frame) -> list[tuple[str, str]]:
    return [
        ("FIN", str(int(frame.final))),
        ("RSV", f"{frame.first >> 4 & 7:03b}"),
        ("opcode", f"{frame.opcode:#x}"),
        ("length", _size(frame.length)),
        ("masking key", frame.mask.hex(" ") or "none"),
    ]


def _tell_control(row: Row, frame: Frame, data: bytes) -> None:
    """Say what a control frame carries, if all of it is here."""
    if len(data) < frame.length:
        return
    if frame.mask:
        data = bytes(byte ^ frame.mask[at % 4] for at, byte in enumerate(data))
    if frame.opcode == Opcode.CLOSE and len(data) >= 2:
        reason = data[2:].decode(errors="replace")
        row.title = f"close, {int.from_bytes(data[:2])}" + (f" {reason!r}" if reason else "")
    row.facts.append(("payload", data.hex(" ")))


# -- calls


def _event(number: int, line: Line, call: str) -> Iterator[Row]:
    at = line["at"]
    match call:
        case "next_message":
            result = line.get("result")
            if result is not None:
                yield Row(number, at, "wscore", "application", _result(result), "ASGI www 2.5")
        case "send" | "send_fragment" | "send_nowait":
            yield _sent(number, line, call)
        case "ping":
            yield Row(number, at, "application", "wscore", f"ping {line.get('result') or ''}", "RFC 6455 5.5.2")
        case "close":
            what = f"close, {line.get('code')} {line.get('reason') or ''}".rstrip()
            yield Row(number, at, "application", "wscore", what, "RFC 6455 7.1.2")
        case "pongs_received":
            for payload, seconds in line["pongs"]:
                title = f"pong {payload} after {float(seconds) * 1000:.1f} ms"
                yield Row(number, at, "wscore", "application", title, "RFC 6455 5.5.3")
        case _ if call in _EVENTS:
            idle = call in {"handle_timeout", "report_unsent"} and not ({"then", "due", "messages"} & line.keys())
            if not idle:
                yield _happened(number, line, call)
        case _:
            assert call in _SILENT


def _happened(number: int, line: Line, call: str) -> Row:
    sender, receiver, title, section = _EVENTS[call]
    row = Row(number, line["at"], sender, receiver, title, section)  # type: ignore[arg-type]
    row.facts += [(name, str(line[name])) for name in ("error", "size", "code", "reason") if line.get(name)]
    return row


def _sent(number: int, line: Line, call: str) -> Row:
    message = line.get("message", {})
    kind = str(message.get("type", call))
    payload = message.get("payload", line.get("payload"))
    row = Row(number, line["at"], "application", "wscore", kind, _MESSAGES.get(kind, "RFC 6455 5.6"))
    if payload is not None:
        row.title += f", {_described(payload, _IN_TITLE)}"
        row.facts.append(("payload", _described(payload, _IN_FACTS)))
    elif "status" in message:
        row.title += f", {message['status']}"
    elif "code" in message:
        row.title += f", {message['code'] or 1000}"
    row.facts += [(name, str(value)) for name, value in message.items() if name not in {"type", "payload"}]
    return row


def _result(result: Line) -> str:
    if "type" not in result:
        (kind, size), *_ = result.items()
        return f"{kind}, {_size(size)}"
    kind = str(result["type"])
    for name in ("text", "bytes"):
        if name in result:
            return f"{kind}, {name}, {_size(result[name])}"
    return f"{kind}, {result['code']} {result['reason']}".rstrip() if "code" in result else kind


def _add_outcome(row: Row, line: Line) -> None:
    """Add what followed to the last row of a line."""
    then: dict[str, Any] = line.get("then", {})
    row.state = then.get("state")
    row.due = line.get("due")
    if "raised" in line:
        row.title += f" - {line['raised']}"
    for message in line.get("messages", ()):
        row.facts.append(("message", _described(message, _IN_FACTS)))
    close = then.get("close")
    if close:
        row.facts.append(("ended", f"{close['code']} {close['reason']}".rstrip() + f", by {close['cause']}"))
    for name in ("wants_read", "closing", "subprotocol"):
        if name in then and row.state is None:
            row.facts.append((name, str(then[name])))


def _described(payload: Description, most: int) -> str:
    kind = "text" if "text" in payload else "bytes"
    kept = payload[kind]
    shown = ""
    if kept is not None:
        shown = f", {kept[:most]!r}" if kind == "text" else f", {kept[:most]}"
        shown += "..." if len(kept) > most else ""
    digest = f", digest {payload['digest']}" if kept is None else ""
    return f"{kind}, {_size(size_of(payload))}{shown}{digest}"


def _size(count: int) -> str:
    return "1 byte" if count == 1 else f"{count:,} bytes"
