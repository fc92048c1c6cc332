"""What a script asks of whoever runs it. A script is a coroutine that awaits nothing else: it has no socket, no clock.

`perform` gives a step to the runner and returns what came of it.
"""

from __future__ import annotations

import types
from collections.abc import Coroutine, Generator
from dataclasses import dataclass
from enum import Enum
from typing import Any

__all__ = [
    "Connect",
    "EndWriting",
    "Gone",
    "NoAnswer",
    "Note",
    "Pause",
    "Receive",
    "Reply",
    "Reset",
    "Script",
    "Send",
    "Step",
    "perform",
]


@dataclass(frozen=True, slots=True)
class Send:
    """Write bytes, whether or not the peer is still there; with `chop`, in pieces of that many bytes."""

    data: bytes
    says: str
    chop: int = 0


@dataclass(frozen=True, slots=True)
class Receive:
    """Wait for bytes, or the end of the connection; raises NoAnswer when nothing comes within the patience.

    `patience` is in seconds where this wait is to take longer than others.
    """

    waits_for: str
    patience: float | None = None


@dataclass(frozen=True, slots=True)
class EndWriting:
    """End our half of the TCP connection."""


@dataclass(frozen=True, slots=True)
class Reset:
    """Abort the TCP connection with a reset."""


@dataclass(frozen=True, slots=True)
class Connect:
    """Leave this connection for a new one to the server."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Let seconds pass: for what is about slowness itself."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Note:
    """Write a line into the conversation: what the script made of the bytes."""

    text: str


class Gone(Enum):
    """How a connection ended."""

    END = "the end of the stream"
    RESET = "a reset"


class NoAnswer(Exception):
    """Nothing came within the patience; `str()` says what was waited for."""


Step = Send | Receive | EndWriting | Reset | Connect | Pause | Note
Reply = bytes | Gone | None
Script = Coroutine[Step, Reply, None]


@types.coroutine
def perform(step: Step) -> Generator[Step, Any, Any]:
    """Give a step to the runner; returns bytes or Gone for Receive, None for all others."""
    return (yield step)
