"""Who makes a transport's connections: the core's classes, or a recorder whose connections write down what happens.

Rule of this file: the choice is made once, when a server or a client is made. A connection that is not recorded has
nothing to ask.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from .._core.client import ClientConnection
from .._core.server import ServerConnection

__all__ = ["ConnectionRecorder", "client_maker", "server_maker"]


class ConnectionRecorder(Protocol):
    """The part of `wscore.recording.Recorder` that a transport uses."""

    @property
    def server(self) -> Callable[..., ServerConnection]:
        """Make a server's connection; takes what `ServerConnection` takes."""
        ...

    @property
    def client(self) -> Callable[..., ClientConnection]:
        """Make a client's connection; takes what `ClientConnection` takes."""
        ...


def server_maker(recorder: ConnectionRecorder | None) -> Callable[..., ServerConnection]:
    """Return what makes a server's connections."""
    return ServerConnection if recorder is None else recorder.server


def client_maker(recorder: ConnectionRecorder | None) -> Callable[..., ClientConnection]:
    """Return what makes a client's connections."""
    return ClientConnection if recorder is None else recorder.client
