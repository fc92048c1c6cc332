"""A client's connection that is recorded."""

from __future__ import annotations

from typing import Any

from .._core.client import ClientConnection
from .._core.close import CloseCode
from .._core.config import Config
from .._core.frames.codec import ClientFrameCodec
from .._core.http.uri import URI
from .._core.outgoing import payload_size
from .arguments import ClientArguments
from .endpoint import RecordedEndpoint, done, refuse
from .tape import Line, Tape

__all__ = ["RecordedClientConnection"]

Data = str | bytes | bytearray | memoryview


class RecordedClientConnection(RecordedEndpoint[ClientFrameCodec], ClientConnection):
    """A `ClientConnection` that puts each call on a tape."""

    __slots__ = ("_tape",)

    def __init__(self, tape: Tape, uri: URI, config: Config, arguments: ClientArguments) -> None:
        self._tape = tape
        arguments = {**arguments, "random": tape.random}
        ClientConnection.__init__(self, uri, config, **arguments)

    def _outputs(self) -> dict[str, Any]:
        name = self.subprotocol
        return {
            "state": self._state.name,
            "wants_read": self.wants_read,
            "has_message": self.has_message,
            "closing": self.closing.name,
            "opened": self.opened,
            "subprotocol": None if name is None else self._tape.redaction.subprotocol(name),
            "response": self._tape.once("response", self.response, self._tape.response),
            "close": self._tape.close_info(self.close_info),
        }

    # -- inputs

    def receive_data(self, data: bytes | bytearray | memoryview, *, now: float) -> None:
        """As in `ClientConnection`."""
        line: Line = {"in": "receive_data", "data": self._tape.received(bytes(data))}
        self._call(line, now, lambda: ClientConnection.receive_data(self, data, now=now))

    def send(self, message: Data, *, now: float) -> None:
        """As in `ClientConnection`."""
        line = self._carrying({"in": "send"}, message)
        self._call(line, now, lambda: ClientConnection.send(self, message, now=now))

    def send_fragment(self, fragment: Data, *, final: bool, now: float) -> None:
        """As in `ClientConnection`."""
        line = self._carrying({"in": "send_fragment", "final": final}, fragment)
        self._call(line, now, lambda: ClientConnection.send_fragment(self, fragment, final=final, now=now))

    def abandon_message(self, *, now: float) -> None:
        """As in `ClientConnection`."""
        self._call({"in": "abandon_message"}, now, lambda: ClientConnection.abandon_message(self, now=now))

    def ping(self, payload: bytes | None = None, *, now: float) -> bytes:
        """As in `ClientConnection`."""
        line: Line = {"in": "ping"}
        given: object = payload
        if isinstance(given, bytes | bytearray | memoryview):
            line["ping"] = given.hex()
        elif given is not None:
            refuse(line)
        return self._call(line, now, lambda: ClientConnection.ping(self, payload, now=now), told=bytes.hex)

    def close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "", *, now: float) -> None:
        """As in `ClientConnection`."""
        line: Line = {"in": "close", "code": code, "reason": reason}
        self._call(line, now, lambda: ClientConnection.close(self, code, reason, now=now))

    def next_message(self, *, now: float) -> str | bytes | None:
        """As in `ClientConnection`."""
        line: Line = {"in": "next_message"}
        return self._call(line, now, lambda: ClientConnection.next_message(self, now=now), told=_told)

    # -- outputs that are taken

    def pongs_received(self) -> list[tuple[bytes, float]]:
        """As in `ClientConnection`."""
        pongs = ClientConnection.pongs_received(self)
        if pongs:
            self._told_pongs(pongs)
        return pongs

    def take_pongs(self) -> None:
        """Take the pongs for a replay, which records them even if there are none."""
        self._told_pongs(ClientConnection.pongs_received(self))

    def _told_pongs(self, pongs: list[tuple[bytes, float]]) -> None:
        described = [[payload.hex(), seconds] for payload, seconds in pongs]
        self._call({"out": "pongs_received", "pongs": described}, None, done)

    def _carrying(self, line: Line, message: object) -> Line:
        """Add a message to a line."""
        try:
            if isinstance(message, str):
                line["payload"] = self._tape.policy.describe(message)
            elif isinstance(message, bytes | bytearray | memoryview):
                line["payload"] = self._tape.policy.describe(bytes(message))  # pyright: ignore[reportUnknownArgumentType]
            else:
                refuse(line)
        except UnicodeEncodeError:  # a lone surrogate
            refuse(line)
        return line


def _told(message: str | bytes | None) -> dict[str, int] | None:
    """Describe a message for the application; its payload stands where it was parsed."""
    if message is None:
        return None
    return {"text" if isinstance(message, str) else "bytes": payload_size(message)}
