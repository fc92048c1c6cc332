"""A peer's address."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Address"]


class Address(NamedTuple):
    """Host and port of a peer, as the server reports them."""

    host: str
    port: int
