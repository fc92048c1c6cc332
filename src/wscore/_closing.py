"""What a connection asks of its transport at the end."""

from __future__ import annotations

from enum import Enum

__all__ = ["Closing"]


class Closing(Enum):
    """What a transport has to do about the end of the TCP connection."""

    NO = "go on"
    AFTER_FLUSH = (
        "write all output, then end the writing side (under TLS: close); close when the peer's side has ended too"
    )
    NOW = "close, and drop what is not written"
