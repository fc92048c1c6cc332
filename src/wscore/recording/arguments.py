"""What a connection is made with, besides its configuration and a client's URI: passed on as one value.

Nothing has a default here: `Recorder.server` and `Recorder.client` declare the defaults, which are those of the core.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypedDict

from .._core.asgi.messages import Peer

__all__ = ["ClientArguments", "ServerArguments"]


class ServerArguments(TypedDict):
    """The keyword arguments of `ServerConnection`."""

    peer: Peer
    now: float
    state: Mapping[str, Any] | None
    access_log: bool
    half_close: bool
    random: Callable[[int], bytes] | None
    root_path: str


class ClientArguments(TypedDict):
    """The keyword arguments of `ClientConnection`."""

    now: float
    random: Callable[[int], bytes]
    subprotocols: Sequence[str]
    headers: Mapping[str, str] | Iterable[tuple[str, str]]
    origin: str | None
    half_close: bool
