"""What all connections of a server share."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import trio

from wscore import Application, ServerConfig, ServerConnection

from ._timekeeper import Timekeeper

if TYPE_CHECKING:
    from ._connection import Connection

__all__ = ["ServerContext"]


@dataclasses.dataclass(frozen=True, slots=True)
class ServerContext:
    """State shared by all connections of a server."""

    app: Application
    make: Callable[..., ServerConnection]
    """Makes a connection's core."""
    config: ServerConfig
    state: dict[str, Any]
    log_access: bool
    timekeeper: Timekeeper
    applications: trio.Nursery
    """Runs each connection's task, and with it the application. Its scope cancels all applications at once, as a
    shutdown does; a scope for each would take 600 bytes of every connection."""
    spawn: Callable[..., None]
    """Starts a further task of a connection, which is cancelled only together with all connections."""
    ended: Callable[[Connection, socket.socket], None]
    """Called when the connection on this socket is over."""
