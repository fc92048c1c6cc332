"""All cases, in the order in which reports show them; each file is one subject."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final, Literal

from ..case import Case
from . import (
    bits,
    client_handshake,
    close,
    control,
    deflate_messages,
    deflate_offers,
    fragments,
    handshake,
    lengths,
    security,
    sizes,
    utf8,
)

__all__ = ["CASES", "chosen"]

CASES: Final[Sequence[Case]] = [
    *handshake.CASES,
    *client_handshake.CASES,
    *lengths.CASES,
    *bits.CASES,
    *fragments.CASES,
    *control.CASES,
    *close.CASES,
    *utf8.CASES,
    *sizes.CASES,
    *deflate_offers.CASES,
    *deflate_messages.CASES,
    *security.CASES,
]


def chosen(end: Literal["server", "client"], patterns: Sequence[str] = ()) -> list[Case]:
    """Return the cases for an end, those alone whose id a pattern matches if there are any."""
    return [
        case
        for case in CASES
        if case.concerns(end) and (not patterns or any(fnmatchcase(case.id, pattern) for pattern in patterns))
    ]
