"""Close codes: which are allowed in a close frame, and how to read and write its payload (RFC 6455 5.5.1, 7.4)."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = [
    "MAX_REASON_BYTES",
    "NO_CODE",
    "Close",
    "MalformedClose",
    "close_payload",
    "is_sendable",
    "read_close_payload",
]

# The codes that wscore itself sends or reports.
NORMAL: Final = 1000
GOING_AWAY: Final = 1001
PROTOCOL_ERROR: Final = 1002
NO_STATUS: Final = 1005  # never on the wire: an empty close frame was received
ABNORMAL: Final = 1006  # never on the wire: the connection ended without a close frame
INVALID_PAYLOAD: Final = 1007
TOO_BIG: Final = 1009
INTERNAL_ERROR: Final = 1011
SERVICE_RESTART: Final = 1012

MAX_REASON_BYTES: Final = 123  # a control frame carries 125 bytes (RFC 6455 5.5), two of them the code

# 1012-1014 are IANA's additions to RFC 6455's list. wsproto lacks 1014 and refuses peers that use it.
_REGISTERED: Final = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})


class Close(NamedTuple):
    """The content of a close frame. `code` is None for a frame without a payload, and `reason` is then empty."""

    code: int | None
    reason: str = ""


NO_CODE: Final = Close(None)


class MalformedClose(Exception):
    """A peer's close payload breaks the protocol; `code` is the close code to fail the connection with."""

    def __init__(self, code: int, reason: str) -> None:
        """Keep the close code to fail with, and a constant reason."""
        super().__init__(reason)
        self.code = code
        self.reason = reason


def is_sendable(code: int) -> bool:
    """Return whether `code` is allowed in a close frame: registered, or 3000-4999 (RFC 6455 7.4.2)."""
    return code in _REGISTERED or 3000 <= code <= 4999


def read_close_payload(payload: bytes) -> Close:
    """Read the payload of a peer's close frame.

    Raises:
        MalformedClose: With code 1002 for a one-byte payload or a code that must not be sent, 1007 for a reason that is
            not UTF-8 (RFC 6455 5.5.1, 7.4, 8.1).
    """
    if not payload:
        return NO_CODE
    if len(payload) == 1:
        raise MalformedClose(PROTOCOL_ERROR, "close frame with a payload of one byte")
    code = int.from_bytes(payload[:2])
    if not is_sendable(code):
        raise MalformedClose(PROTOCOL_ERROR, "close code that must not be sent")
    try:
        return Close(code, payload[2:].decode())
    except UnicodeDecodeError:
        raise MalformedClose(INVALID_PAYLOAD, "close reason that is not UTF-8") from None


def close_payload(close: Close) -> bytes:
    """Return the payload of the close frame for `close`. The caller has checked code and length."""
    return b"" if close.code is None else close.code.to_bytes(2) + close.reason.encode()
