"""Admission of new connections. Over the limit: 503. Far over it: close silently."""

from __future__ import annotations

import errno
from enum import Enum
from typing import Final

from .config import ServerConfig

__all__ = ["Admission", "admission", "is_resource_exhaustion"]

_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Admission(Enum):
    """What to do with a new connection."""

    SERVE = "serve it"
    REJECT = "answer 503"
    DROP = "close it without a word"


def admission(config: ServerConfig, connections: int) -> Admission:
    """Decide what to do with a new connection.

    Args:
        config: Its `max_connections` is the limit; None means no limit.
        connections: The number of existing connections, including those being rejected.

    Returns:
        SERVE below the limit, REJECT for up to 100 connections above it, else DROP. A 503 holds a socket until the
        client has read it, so the number of those is limited too.
    """
    limit = config.max_connections
    if limit is None or connections < limit:
        return Admission.SERVE
    return Admission.REJECT if connections < limit + 100 else Admission.DROP


def is_resource_exhaustion(error: OSError) -> bool:
    """Return whether accept(2) failed because the system is out of file descriptors or memory.

    That deserves a log line and a pause. Any other failure concerns one client that went away, and the next accept may
    follow at once.
    """
    return error.errno in _EXHAUSTED
