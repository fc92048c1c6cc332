"""What the peer's frames amount to, held to every rule of RFC 6455 5 and RFC 7692 6 that no case may forgive."""

from __future__ import annotations

import zlib
from typing import NamedTuple

from .deflate import Decompressor
from .frames import Frame, Opcode
from .outcome import Failed

__all__ = ["Event", "MessageReader", "shown"]


class Event(NamedTuple):
    """A whole message or a control frame; a message's opcode is TEXT or BINARY, its payload inflated."""

    opcode: Opcode
    payload: bytes

    @property
    def code(self) -> int | None:
        """Return a close frame's code."""
        return int.from_bytes(self.payload[:2]) if self.payload else None

    def __str__(self) -> str:
        """Return what a person calls it."""
        if self.opcode is Opcode.CLOSE:
            if not self.payload:
                return "a close frame without a code"
            reason = self.payload[2:].decode("utf-8", "replace")
            return f"a close frame with {self.code}{f' {reason!r}' if reason else ''}"
        return f"a {self.opcode.name.lower()}{shown(self.payload)}"


def shown(payload: bytes) -> str:
    """Return a payload, or its size where it is long, to follow a noun."""
    return f" of {len(payload):,} bytes" if len(payload) > 40 else f" {payload!r}"


class MessageReader:
    """Makes events of frames, and raises Failed for what the peer must not send.

    `decompressor` inflates its messages, where permessage-deflate was agreed on.
    """

    def __init__(self, *, masked: bool) -> None:
        """Begin outside a message; `masked` says whether the peer has to mask its frames."""
        self.decompressor: Decompressor | None = None
        self._masked = masked
        self._message: tuple[Frame, bytearray] | None = None
        self._closed = False

    def event(self, frame: Frame) -> Event | None:
        """Return what a frame completes: a message, a control frame, or None."""
        opcode = Opcode(frame.opcode)
        if opcode in (Opcode.PING, Opcode.PONG):
            return Event(opcode, frame.payload)
        return self._closing(frame.payload) if opcode is Opcode.CLOSE else self._assembled(opcode, frame)

    def check(self, frame: Frame) -> None:
        """Hold a frame to the rules for any frame at its place."""
        if self._closed:
            raise Failed(f"it sent a {Opcode(frame.opcode).name.lower()} frame after its close frame (RFC 6455 5.5.1)")
        if (frame.mask is not None) is not self._masked:
            what = "unmasked" if frame.mask is None else "masked"
            raise Failed(f"it sent a frame that is {what} (RFC 6455 5.1)")
        if frame.rsv & 3 or (frame.rsv and self.decompressor is None):
            raise Failed(f"it sent a frame with the reserved bits {frame.rsv:03b} (RFC 6455 5.2)")
        if frame.rsv and frame.opcode not in (Opcode.TEXT, Opcode.BINARY):
            name = Opcode(frame.opcode).name.lower()
            raise Failed(f"it sent a {name} frame with RSV1 (RFC 7692 6)")

    def _closing(self, payload: bytes) -> Event:
        self._closed = True
        if len(payload) == 1:
            raise Failed("it sent a close frame of one byte (RFC 6455 5.5.1)")
        code = int.from_bytes(payload[:2])
        if payload and (code in (1004, 1005, 1006, 1015) or not 1000 <= code <= 4999):
            raise Failed(f"it sent a close frame with {code}, which must not be sent (RFC 6455 7.4)")
        if not _is_utf8(payload[2:]):
            raise Failed("it sent a close frame whose reason is not UTF-8 (RFC 6455 5.5.1)")
        return Event(Opcode.CLOSE, payload)

    def _assembled(self, opcode: Opcode, frame: Frame) -> Event | None:
        if opcode is Opcode.CONTINUATION:
            if self._message is None:
                raise Failed("it sent a continuation frame outside a message (RFC 6455 5.4)")
            first, data = self._message
            data += frame.payload
        else:
            if self._message is not None:
                raise Failed(f"it sent a {opcode.name.lower()} frame within a message (RFC 6455 5.4)")
            self._message = first, data = frame, bytearray(frame.payload)
        if not frame.fin:
            return None
        self._message = None
        payload = bytes(data)
        if first.rsv:
            assert self.decompressor is not None
            try:
                payload = self.decompressor.message(payload)
            except zlib.error as error:
                raise Failed(f"it sent a message that does not inflate: {error} (RFC 7692 7.2.2)") from None
        if first.opcode == Opcode.TEXT and not _is_utf8(payload):
            raise Failed(f"it sent text that is not UTF-8:{shown(payload)} (RFC 6455 5.6)")
        return Event(Opcode(first.opcode), payload)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
