"""The interface between a connection and the engine that reads and writes its frames (RFC 6455 5).

`FrameCodec` is all that a connection knows of an engine. Bytes go in, events come out one at a time: a connection with
a full receive queue can leave the rest unread, and a compressed read of 64 KiB may hold a thousand messages. An engine
never raises because of a peer's input: its last event is a `ProtocolViolation`, or the peer's `Close`.

The size of a read says little about the work in it: 256 KiB can be 43,000 empty pings, or 256 MiB when inflated. So an
engine counts the frames that it reads one by one, and the bytes that it inflates, and returns `MORE` after
`WORK_A_TURN`.
"""

from __future__ import annotations

from typing import Final, NamedTuple, Protocol

from ..close import Close, CloseCode

__all__ = ["MORE", "REASONS", "ClientFrameCodec", "Event", "FrameCodec", "More", "Ping", "Pong", "ProtocolViolation"]


class Ping(NamedTuple):
    """A ping; its payload must be returned in a pong."""

    payload: bytes


class Pong(NamedTuple):
    """A pong, solicited or not."""

    payload: bytes


class ProtocolViolation(NamedTuple):
    """The peer broke the protocol or a limit; `code` is the close code to fail the connection with."""

    code: int

    @property
    def reason(self) -> str:
        """The close frame's reason: constant, so it reflects none of the input, and all engines agree."""
        return REASONS[self.code]


REASONS: Final[dict[int, str]] = {
    CloseCode.PROTOCOL_ERROR: "protocol error",
    CloseCode.INVALID_DATA: "invalid payload",
    CloseCode.MESSAGE_TOO_BIG: "message too big",
}


class More(NamedTuple):
    """A turn's work is done and there is more input: yield to other connections before continuing."""


MORE: Final = More()

Event = str | bytes | Ping | Pong | Close | ProtocolViolation | More
"""For a whole text or binary message, the message itself is the event."""


class FrameCodec(Protocol):
    """An engine. Not thread-safe; owned by one connection."""

    plain: bool
    """Whether a message is a plain frame both ways, so that `Lane` may read and write it: native, uncompressed."""
    idle: bool
    """Whether the next byte begins a frame and a message: nothing of either is held."""
    has_pending: bool
    """Whether `messages` left any input; if so, call `next_event`."""

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Accept bytes from the peer; then call `messages`, `next_event` until it returns None, and `retain`."""
        ...

    def retain(self) -> None:
        """Copy the unread input, since the caller of `receive_data` reuses its buffer."""
        ...

    def messages(self, count: int, size: int) -> tuple[list[str | bytes], int]:
        """Return the next run of messages and their total size: a fast path, which may return none.

        It returns at most `count`, and no more once they reach `size` bytes. Anything but a plain message is left to
        `next_event`.
        """
        ...

    def next_event(self) -> Event | None:
        """Return the next event in the input; None if more bytes are needed, or the last event was returned.

        `MORE` means that a turn's work is done since `begin_turn`; the next call continues, with a new turn.
        """
        ...

    def begin_turn(self) -> None:
        """Start counting the work of `next_event` for a new turn."""
        ...

    def text(self, text: str) -> bytes:
        """Encode a text message. Raises UnicodeEncodeError, without side effects, if UTF-8 cannot encode it."""
        ...

    def binary(self, data: bytes) -> bytes:
        """Encode a binary message."""
        ...

    def ping(self, payload: bytes) -> bytes:
        """Encode a ping with at most 125 bytes."""
        ...

    def pong(self, payload: bytes) -> bytes:
        """Encode a pong with at most 125 bytes."""
        ...

    def close(self, close: Close) -> bytes:
        """Encode a close frame; the caller has checked code and reason."""
        ...


class ClientFrameCodec(FrameCodec, Protocol):
    """An engine for the client's end: it masks what it writes, and rejects masked frames."""

    def fragment(self, fragment: str | bytes, *, first: bool, final: bool) -> bytes:
        """Encode one fragment of a message; all must be of one type. Raises UnicodeEncodeError as `text`."""
        ...
