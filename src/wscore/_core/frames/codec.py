"""Frames: the seam between the connection and the engine that reads and writes them (RFC 6455 5).

`FrameCodec` is all that a connection knows of an engine. Bytes go in, events come out one at a time, so that a
connection whose inbox is full can leave the rest unread; a compressed read of 64 KiB may hold a thousand messages.
An engine never raises on what a peer sends: it gives a `ProtocolViolation`, or the peer's `Close`, as its last event.

A read says little of the work that is in it: 256 KiB are 43,000 empty pings, or 256 MiB once inflated. So an engine
counts the frames that it reads one by one, and what it inflates, and gives `MORE` after `WORK_A_TURN`.
"""

from __future__ import annotations

from typing import Final, NamedTuple, Protocol

from ..close import Close, CloseCode

__all__ = ["MORE", "REASONS", "ClientFrameCodec", "Event", "FrameCodec", "More", "Ping", "Pong", "ProtocolViolation"]


class Ping(NamedTuple):
    """A ping; its payload goes back in a pong."""

    payload: bytes


class Pong(NamedTuple):
    """A pong, asked for or not."""

    payload: bytes


class ProtocolViolation(NamedTuple):
    """The peer broke the protocol or a limit; `code` is what to fail the connection with."""

    code: int

    @property
    def reason(self) -> str:
        """The close frame's reason: constant, so that nothing of the input is reflected and all engines agree."""
        return REASONS[self.code]


REASONS: Final[dict[int, str]] = {
    CloseCode.PROTOCOL_ERROR: "protocol error",
    CloseCode.INVALID_DATA: "invalid payload",
    CloseCode.MESSAGE_TOO_BIG: "message too big",
}


class More(NamedTuple):
    """A turn's work was done, and there is more in the bytes taken: others should have their turn before it."""


MORE: Final = More()

Event = str | bytes | Ping | Pong | Close | ProtocolViolation | More
"""A whole text or binary message is itself the event."""


class FrameCodec(Protocol):
    """What an engine does. Not thread-safe; one connection owns it."""

    has_pending: bool
    """Whether `messages` left anything of the bytes taken; where it did, ask `next_event`."""

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes from the peer. Afterwards ask `messages`, and `next_event` until it gives None; then `retain`."""
        ...

    def retain(self) -> None:
        """Copy what is left of the bytes taken: whoever gave them uses their place again."""
        ...

    def messages(self, count: int, size: int) -> tuple[list[str | bytes], int]:
        """Give a run of messages that come next, and their bytes: a fast path, which may give none.

        At most `count`, and none more once they are `size` bytes together. What is no plain message is left to
        `next_event`.
        """
        ...

    def next_event(self) -> Event | None:
        """Give what comes next in the bytes taken, or None: more bytes are needed, or the last event was given.

        `MORE` once a turn's work was done since `begin_turn`; asked again, it goes on where it stopped, with another.
        """
        ...

    def begin_turn(self) -> None:
        """Count the work of `next_event` from here on."""
        ...

    def text(self, text: str) -> bytes:
        """Write a text message. UnicodeEncodeError where UTF-8 cannot encode it; nothing has changed then."""
        ...

    def binary(self, data: bytes) -> bytes:
        """Write a binary message."""
        ...

    def ping(self, payload: bytes) -> bytes:
        """Write a ping; at most 125 bytes."""
        ...

    def pong(self, payload: bytes) -> bytes:
        """Write a pong; at most 125 bytes."""
        ...

    def close(self, close: Close) -> bytes:
        """Write a close frame; code and reason were checked."""
        ...


class ClientFrameCodec(FrameCodec, Protocol):
    """What an engine does at the client's end: it masks what it writes, and takes nothing that is masked."""

    def fragment(self, fragment: str | bytes, *, first: bool, final: bool) -> bytes:
        """Write a piece of a message, all of a kind. UnicodeEncodeError as `text`."""
        ...
