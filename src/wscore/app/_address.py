"""Where a peer is."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Address"]


class Address(NamedTuple):
    """Host and port of a peer, as its server saw them."""

    host: str
    port: int
