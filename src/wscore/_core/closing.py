"""What a connection requires of its transport at the end."""

from __future__ import annotations

from enum import Enum

__all__ = ["Closing"]


class Closing(Enum):
    """What a transport has to do about the TCP connection now; except for ABORT, pending output is written first."""

    NO = "go on: keep reading, and write what there is"
    SHUT_DOWN_WRITING = "end our half of the TCP connection, and keep reading until the peer ends its own"
    CLOSE = "close the TCP connection once everything is written"
    ABORT = "close the TCP connection at once, and drop what is not written"
