"""A server's connection that is recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from .._core.asgi.messages import ReceivedMessage, Scope
from .._core.config import Config
from .._core.frames.codec import FrameCodec
from .._core.outgoing import payload_size
from .._core.prepared_message import PreparedMessage
from .._core.server import ServerConnection
from .arguments import ServerArguments
from .endpoint import RecordedEndpoint, refuse
from .payloads import PayloadPolicy, restored
from .tape import Line, Tape

__all__ = ["RecordedServerConnection", "as_message", "described_message"]


class RecordedServerConnection(RecordedEndpoint[FrameCodec], ServerConnection):
    """A `ServerConnection` that puts each call on a tape."""

    __slots__ = ("_tape",)

    def __init__(self, tape: Tape, config: Config, arguments: ServerArguments) -> None:
        self._tape = tape
        if arguments["random"] is not None:
            arguments = {**arguments, "random": tape.random}
        ServerConnection.__init__(self, config, **arguments)

    def _outputs(self) -> dict[str, Any]:
        tape = self._tape
        return {
            "state": self._state.name,
            "wants_read": self.wants_read,
            "has_message": self.has_message,
            "closing": self.closing.name,
            "scope": tape.once("scope", self._scope, self._described_scope),
            "response": tape.once("response", self._response, tape.response),
            "close": tape.close_info(self.close_info),
        }

    def _described_scope(self, scope: Scope) -> Line:
        """Describe the scope, all but what is not the connection's: state and extensions."""
        redaction = self._tape.redaction
        return {
            "http_version": scope["http_version"],
            "scheme": scope["scheme"],
            "path": scope["path"],
            "raw_path": scope["raw_path"].decode("latin-1"),
            "query_string": redaction.target(b"?" + scope["query_string"])[1:].decode("latin-1"),
            "root_path": scope["root_path"],
            "headers": self._tape.headers(scope["headers"]),
            "subprotocols": [redaction.subprotocol(name) for name in scope["subprotocols"]],
        }

    # -- inputs

    def secured(self, tls: dict[str, Any]) -> None:
        """As in `ServerConnection`."""
        self._call({"in": "secured", "tls": tls}, None, lambda: ServerConnection.secured(self, tls))

    def receive_data(self, data: bytes | bytearray | memoryview, *, now: float) -> None:
        """As in `ServerConnection`."""
        line: Line = {"in": "receive_data", "data": self._tape.received(bytes(data))}
        self._call(line, now, lambda: ServerConnection.receive_data(self, data, now=now))

    def send(self, message: Mapping[str, Any], *, now: float) -> None:
        """As in `ServerConnection`."""
        line: Line = {"in": "send"}
        given: Any = message
        if isinstance(given, Mapping):
            message = dict(message)
            headers: Any = message.get("headers")
            if isinstance(headers, Iterator):
                message["headers"] = [*headers]  # pyright: ignore[reportUnknownVariableType]  # it can be read only once
        described = described_message(self._tape, message)
        if described is None:
            refuse(line)
        else:
            line["message"] = described
        self._call(line, now, lambda: ServerConnection.send(self, message, now=now))

    def send_nowait(self, message: PreparedMessage) -> bool:
        """As in `ServerConnection`."""
        line: Line = {"in": "send_nowait", "payload": self._tape.policy.describe(message.payload)}
        return self._call(line, None, lambda: ServerConnection.send_nowait(self, message), told=bool)

    def next_message(self, *, now: float) -> ReceivedMessage | None:
        """As in `ServerConnection`."""
        line: Line = {"in": "next_message"}
        return self._call(line, now, lambda: ServerConnection.next_message(self, now=now), told=_told)

    def application_returned(self, *, now: float) -> None:
        """As in `ServerConnection`."""
        line: Line = {"in": "application_returned"}
        self._call(line, now, lambda: ServerConnection.application_returned(self, now=now))

    def application_raised(self, *, now: float) -> None:
        """As in `ServerConnection`."""
        line: Line = {"in": "application_raised"}
        self._call(line, now, lambda: ServerConnection.application_raised(self, now=now))

    def begin_shutdown(self, *, now: float, code: int | None = None, reason: str = "") -> None:
        """As in `ServerConnection`."""
        line: Line = {"in": "begin_shutdown", "code": code, "reason": reason}
        self._call(line, now, lambda: ServerConnection.begin_shutdown(self, now=now, code=code, reason=reason))

    def reject(self, *, now: float) -> None:
        """As in `ServerConnection`."""
        self._call({"in": "reject"}, now, lambda: ServerConnection.reject(self, now=now))

    def forget_scope(self) -> None:
        """As in `ServerConnection`."""
        self._call({"in": "forget_scope"}, None, lambda: ServerConnection.forget_scope(self))

    # -- what happens inside

    def _record(self, event: Literal["accepted", "refused", "closed"], now: float) -> None:
        super()._record(event, now)
        self._tape.logged(self.access_records[-1])


def _told(message: ReceivedMessage | None) -> Line | None:
    """Describe a message for the application; its payload stands where it was parsed."""
    if message is None:
        return None
    line: Line = dict(message)
    for kind in ("text", "bytes"):
        if kind in line:
            line[kind] = payload_size(line[kind])
    return line


def described_message(tape: Tape, message: Mapping[str, Any]) -> Line | None:
    """Describe an application's message; None if it is not well-formed, in which case the core refuses it."""
    policy: PayloadPolicy = tape.policy
    try:
        kind = message["type"]
        match kind:
            case "websocket.send":
                text = message.get("text")
                return {"type": kind, "payload": policy.describe(bytes(message["bytes"]) if text is None else text)}
            case "websocket.accept":
                name = message.get("subprotocol")
                return {
                    "type": kind,
                    "subprotocol": tape.redaction.subprotocol(name) if name else None,
                    "headers": tape.headers(message.get("headers") or ()),
                }
            case "websocket.close":
                return {"type": kind, "code": message.get("code"), "reason": str(message.get("reason") or "")}
            case "websocket.http.response.start":
                headers = tape.headers(message.get("headers") or ())
                return {"type": kind, "status": message["status"], "headers": headers}
            case "websocket.http.response.body":
                body = policy.describe(bytes(message.get("body") or b""))
                return {"type": kind, "payload": body, "more": bool(message.get("more_body"))}
            case _:
                return None
    except Exception:
        return None


def as_message(line: Line) -> dict[str, Any]:
    """Return the message that was described."""
    message = dict(line)
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in message.pop("headers", None) or ()]
    if "headers" in line:
        message["headers"] = headers
    payload = restored(message.pop("payload")) if "payload" in line else None
    match line["type"]:
        case "websocket.send":
            message["text" if isinstance(payload, str) else "bytes"] = payload
        case "websocket.http.response.body":
            message["body"] = payload
            message["more_body"] = message.pop("more")
        case _:
            pass
    return message
