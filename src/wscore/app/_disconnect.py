"""What an application catches when a connection has ended, or a message is not what it expected.

    Exception
    └── WebSocketDisconnect          the connection has ended: `except` this one
        └── WebSocketDisconnected    a use of a connection that is not open (also a RuntimeError)
    TypeError, KeyError
    └── WrongFrameType               a text message where a binary one was expected, or vice versa

`WebSocketDisconnect` covers all three ways to learn of the end: a message, a failed send, or the use of a connection
that had already ended.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from wscore import CloseCode

__all__ = ["WebSocketDisconnect", "WebSocketDisconnected", "WrongFrameType", "derived"]


T = TypeVar("T")


class derived(Generic[T]):
    """An attribute computed from others, unless a subclass or an instance sets it.

    A property would not allow that, and code does it: Starlette's WebSocketDenialResponse is both an HTTP response and
    a disconnect, and its `status_code` is the response's.
    """

    def __init__(self, get: Callable[[Any], T]) -> None:
        self._get = get
        self.__doc__ = get.__doc__

    def __get__(self, instance: Any, owner: type | None = None) -> T:
        return self._get(instance) if instance is not None else self  # type: ignore[return-value]  # as property does


class WebSocketDisconnect(Exception):
    """The connection has ended. `code` and `reason` are those of its end (RFC 6455 7.1.5, 7.1.6)."""

    def __init__(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str | None = None) -> None:
        self.code = code
        self.reason = reason or ""

    @derived
    def status_code(self) -> int:
        """The code, under apistar's name."""
        return self.code

    @derived
    def detail(self) -> str:
        """The reason, never empty."""
        return self.reason or "WebSocket has been disconnected"


class WebSocketDisconnected(WebSocketDisconnect, RuntimeError):
    """A connection was used before it was open, or after it had ended.

    `code` and `reason` are those of its end if known; otherwise `code` is 1006.
    """

    def __init__(self, message: str = "", code: int = CloseCode.ABNORMAL_CLOSURE, reason: str | None = None) -> None:
        super().__init__(code, reason)
        self.args = (message,)  # str() is the message, as for any RuntimeError


class WrongFrameType(TypeError, KeyError):
    """A text message came where a binary one was expected, or vice versa. The message is lost.

    Also a KeyError, which Starlette raises here on servers that omit the other key.
    """

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""  # KeyError would show the text as a quoted key
