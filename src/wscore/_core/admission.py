"""Whether one more connection is served: a server that is full says so, and one that is flooded says nothing."""

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
    """Judge one more connection beside the `connections` that are there, those being turned away among them.

    An answer of 503 holds a socket until the client has read it, so their number is limited too.
    """
    limit = config.max_connections
    if limit is None or connections < limit:
        return Admission.SERVE
    return Admission.REJECT if connections < limit + 100 else Admission.DROP


def is_resource_exhaustion(error: OSError) -> bool:
    """Tell whether accept(2) failed because the system is out of files or memory: worth a log line and a pause.

    Any other failure is that of one client that went away, and the next accept may follow at once.
    """
    return error.errno in _EXHAUSTED
