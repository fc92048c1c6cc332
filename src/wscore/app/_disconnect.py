"""What an application catches when a connection is over, or is not what it expected.

    Exception
    └── WebSocketDisconnect          the connection has ended: `except` this one
        └── WebSocketDisconnected    and was used nevertheless (also a RuntimeError)
    TypeError, KeyError
    └── WrongFrameType               a text message where a binary one was asked for, or the other way round

Whoever catches `WebSocketDisconnect` need not know by which way the end was learnt: by a message, by a failed send, or
by using a connection that had ended before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from wscore import CloseCode

__all__ = ["WebSocketDisconnect", "WebSocketDisconnected", "WrongFrameType", "derived"]


T = TypeVar("T")


class derived(Generic[T]):
    """An attribute that follows from others, unless a subclass or an instance has one of its own.

    A property could not be assigned to, and some do that: Starlette's WebSocketDenialResponse is an HTTP response and a
    disconnect in one, and its `status_code` is the response's.
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
        """The code, under the name that apistar has for it."""
        return self.code

    @derived
    def detail(self) -> str:
        """The reason in words, never empty."""
        return self.reason or "WebSocket has been disconnected"


class WebSocketDisconnected(WebSocketDisconnect, RuntimeError):
    """A connection was used that is not open: not yet, or no more.

    `code` and `reason` say how it ended, where that is known; otherwise `code` is 1006.
    """

    def __init__(self, message: str = "", code: int = CloseCode.ABNORMAL_CLOSURE, reason: str | None = None) -> None:
        super().__init__(code, reason)
        self.args = (message,)  # so that its text is the message, as with any RuntimeError


class WrongFrameType(TypeError, KeyError):
    """A text message came where a binary one was asked for, or the other way round. The message is lost.

    Also a KeyError, which is what Starlette raises here on servers that leave the other key out.
    """

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""  # KeyError would show the text as a quoted key
