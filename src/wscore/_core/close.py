"""Close codes: which are allowed in a close frame, and how to read and write its payload (RFC 6455 5.5.1, 7.4)."""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

__all__ = [
    "MAX_REASON_BYTES",
    "NO_CODE",
    "Close",
    "CloseCode",
    "MalformedClose",
    "close_payload",
    "is_sendable",
    "read_close_payload",
]


class CloseCode(IntEnum):
    """The registered close codes (RFC 6455 7.4.1 and IANA's registry)."""

    NORMAL_CLOSURE = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    NO_STATUS_RCVD = 1005
    """Never on the wire: the peer's close frame was empty."""
    ABNORMAL_CLOSURE = 1006
    """Never on the wire: the connection ended without a close frame."""
    INVALID_DATA = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    MANDATORY_EXTENSION = 1010
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    BAD_GATEWAY = 1014
    TLS_HANDSHAKE = 1015
    """Never on the wire: the TLS handshake failed."""

    __repr__ = int.__repr__  # in logs and errors it is its number


MAX_REASON_BYTES: Final = 123  # a control frame carries 125 bytes (RFC 6455 5.5), two of them the code

# 1012-1014 are IANA's additions to RFC 6455's list. wsproto lacks 1014 and refuses peers that use it.
_NOT_ON_THE_WIRE: Final = {CloseCode.NO_STATUS_RCVD, CloseCode.ABNORMAL_CLOSURE, CloseCode.TLS_HANDSHAKE}
_SENDABLE: Final = frozenset(map(int, set(CloseCode) - _NOT_ON_THE_WIRE))


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
    return code in _SENDABLE or 3000 <= code <= 4999


def read_close_payload(payload: bytes) -> Close:
    """Read the payload of a peer's close frame.

    Raises:
        MalformedClose: With code 1002 for a one-byte payload or a code that must not be sent, 1007 for a reason that is
            not UTF-8 (RFC 6455 5.5.1, 7.4, 8.1).
    """
    if not payload:
        return NO_CODE
    if len(payload) == 1:
        raise MalformedClose(CloseCode.PROTOCOL_ERROR, "close frame with a payload of one byte")
    code = int.from_bytes(payload[:2])
    if not is_sendable(code):
        raise MalformedClose(CloseCode.PROTOCOL_ERROR, "close code that must not be sent")
    try:
        return Close(code, payload[2:].decode())
    except UnicodeDecodeError:
        raise MalformedClose(CloseCode.INVALID_DATA, "close reason that is not UTF-8") from None


def close_payload(close: Close) -> bytes:
    """Return the payload of the close frame for `close`. The caller has checked code and length."""
    return b"" if close.code is None else close.code.to_bytes(2) + close.reason.encode()
