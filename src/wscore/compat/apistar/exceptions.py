"""What apistar's `WebSocket` raises.

    Exception
    └── WebSocketException
        ├── WebSocketDisconnect      the connection has ended (also wscore.app.WebSocketDisconnect)
        ├── WebSocketProtocolError   a call out of order
        └── WebSocketNotConnected    a use before connect() or after close()
            └── WebSocketGone        a use after the peer has ended it (also a WebSocketDisconnect)

A handler may raise any of them to end its connection: a disconnect ends it quietly, with 1000; any other is an error,
with `status_code` as the close code and `detail` as the reason.
"""

from __future__ import annotations

from typing import ClassVar

from ...app import WebSocketDisconnect as _WebSocketDisconnect
from ...app._disconnect import derived
from . import status

__all__ = [
    "WebSocketDisconnect",
    "WebSocketException",
    "WebSocketGone",
    "WebSocketNotConnected",
    "WebSocketProtocolError",
]


class WebSocketException(Exception):
    """The end of a connection, or a reason to end it; `code` and `reason` are the other dialects' names."""

    default_status_code: ClassVar[int] = 1011
    default_detail: ClassVar[str] = "WebSocket error"

    def __init__(self, detail: str | None = None, status_code: int | None = None) -> None:
        self.code = self.default_status_code if status_code is None else status_code
        self.reason = detail or ""

    @derived
    def status_code(self) -> int:
        """The close code."""
        return self.code

    @derived
    def detail(self) -> str:
        """The reason, never empty."""
        return self.reason or self.default_detail

    def __str__(self) -> str:
        return self.detail


class WebSocketDisconnect(WebSocketException, _WebSocketDisconnect):
    """The connection has ended; `status_code` is its close code."""

    default_status_code = status.WS_1000_OK
    default_detail = "WebSocket has been disconnected"


class WebSocketProtocolError(WebSocketException):
    """A call that the state of the connection does not allow."""

    default_status_code = status.WS_1002_PROT_ERROR
    default_detail = "WebSocket protocol error"


class WebSocketNotConnected(WebSocketException):
    """The connection was used before `connect()` or after `close()`."""

    default_status_code = status.WS_1000_OK
    default_detail = "WebSocket is not connected or open"


class WebSocketGone(WebSocketNotConnected, WebSocketDisconnect):
    """The connection was used after the peer had ended it: catching either base class works."""
