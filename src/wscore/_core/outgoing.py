"""What an application may send, checked once for both ends; every mistake is an InvalidMessage that names what it got.

`what` in these functions is how the error calls the value: "websocket.send: 'bytes'", "a message".
"""

from __future__ import annotations

from .close import MAX_REASON_BYTES, Close, is_sendable
from .errors import InvalidMessage

__all__ = ["as_bytes", "as_close", "lone_surrogate", "payload_size", "shown"]


def payload_size(payload: str | bytes) -> int:
    """Return a message's size in bytes, as on the wire before masking and compression."""
    return len(payload) if isinstance(payload, bytes) or payload.isascii() else len(payload.encode())


def as_bytes(value: object, what: str) -> bytes:
    """Return bytes as they are, and a copy of a bytearray or a memoryview. Raises InvalidMessage."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, bytearray | memoryview):
        return bytes(value)  # pyright: ignore[reportUnknownArgumentType]  # a memoryview of anything
    raise InvalidMessage(f"{what} must be bytes, got {shown(value)}")


def as_close(code: object, reason: object, what: str) -> Close:
    """Check what is to stand in a close frame (RFC 6455 5.5.1, 7.4). Raises InvalidMessage."""
    if not isinstance(code, int) or not is_sendable(code):
        raise InvalidMessage(
            f"{what}: code {shown(code)} cannot stand in a close frame; expected an int: 1000-1003, 1007-1014 or "
            "3000-4999 (RFC 6455 7.4)"
        )
    if not isinstance(reason, str):
        raise InvalidMessage(f"{what}: 'reason' must be a str, got {shown(reason)}")
    try:
        size = len(reason.encode())
    except UnicodeEncodeError as error:
        raise lone_surrogate(error, f"{what}: 'reason'") from None
    if size > MAX_REASON_BYTES:
        raise InvalidMessage(f"{what}: 'reason' takes {size} bytes in UTF-8; at most {MAX_REASON_BYTES} fit")
    return Close(int(code), reason)


def lone_surrogate(error: UnicodeEncodeError, what: str) -> InvalidMessage:
    """Make the error for a text that UTF-8 cannot encode."""
    character = error.object[error.start]
    return InvalidMessage(f"{what} holds the lone surrogate {character!r} at {error.start}, which UTF-8 cannot encode")


def shown(value: object) -> str:
    """Return an application's value for an error, cut short: it may be a megabyte."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
