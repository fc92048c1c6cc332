"""The exceptions of wscore, all of them raised at the application or at whoever embeds the core.

    RuntimeError
    ├── LocalProtocolError    the right message at the wrong time
    └── StartupFailed         the application's lifespan refused to start
    ValueError
    ├── InvalidMessage        a message that would be wrong at any time
    └── InvalidURI            no URI to connect to
    OSError
    ├── ClientDisconnected    the message was right, but nobody is there any more
    └── ConnectionError
        ├── ConnectionClosed      a client's connection has ended
        └── HandshakeFailed       a client's connection was never opened
            ├── HandshakeRefused  the server answered otherwise
            └── HandshakeTimeout  the server did not answer in time; a TimeoutError as well

What a *peer* does wrong is never an exception where it happens: it is a value in `close_info`. A peer's mistake
that surfaces as an exception has taken down servers; one that surfaces as a value cannot. A client's application is
told by the next thing it asks for.
"""

from __future__ import annotations

from typing import Any, Final

from .close import Close, CloseCode

__all__ = [
    "ClientDisconnected",
    "ConnectionClosed",
    "HandshakeFailed",
    "HandshakeRefused",
    "HandshakeTimeout",
    "InvalidMessage",
    "InvalidURI",
    "LocalProtocolError",
    "ProxyRefused",
    "StartupFailed",
    "caused_by_disconnect",
]


_NORMAL_CODES: Final = frozenset({CloseCode.NORMAL_CLOSURE, CloseCode.GOING_AWAY, CloseCode.NO_STATUS_RCVD})
_TEMPORARY: Final = frozenset({500, 502, 503, 504})  # what a server or a proxy answers while something is down


class LocalProtocolError(RuntimeError):
    """The application sent a message that its connection's state does not allow.

    The text names the message, the state and what was allowed. The connection is as it was before: the
    application may catch this and go on.
    """


class InvalidMessage(ValueError):
    """The application sent a message that is malformed: a wrong type, a forbidden header, both text and bytes.

    The connection is as it was before: the application may catch this and go on.
    """


class ClientDisconnected(OSError):
    """The application sent to a connection that has ended, and not by the application's own doing.

    An `OSError`, as ASGI 2.4 asks, so that frameworks catch it without importing wscore. A server does not log it.
    """

    def __init__(self, code: int, reason: str) -> None:
        """Keep the `code` and `reason` of the `websocket.disconnect` that the application gets or got."""
        super().__init__(f"the connection has ended: {code}" + (f" ({reason})" if reason else ""))
        self.code = int(code)
        self.reason = reason


class InvalidURI(ValueError):
    """What was given to connect to is no WebSocket URI; the text says what was expected, and holds no password."""


class ConnectionClosed(ConnectionError):
    """A client's connection has ended, and what was asked of it cannot be had any more."""

    def __init__(self, code: int, reason: str, sent: Close | None, received: Close | None, address: str = "") -> None:
        """Keep how it ended, `code` and `reason` as in `close_info`, with both close frames, for the URI `address`."""
        subject = f"the connection to {address}" if address else "the connection"
        super().__init__(f"{subject} has ended: {code}" + (f" ({reason})" if reason else ""))
        self.code = int(code)
        self.reason = reason
        self.sent = sent
        self.received = received

    @property
    def clean(self) -> bool:
        """Both ends sent a close frame (RFC 6455 7.1.4)."""
        return self.sent is not None and self.received is not None

    @property
    def normal(self) -> bool:
        """Who closed it had nothing to complain about: 1000, 1001, or a close without a code (1005)."""
        return self.code in _NORMAL_CODES


class HandshakeFailed(ConnectionError):
    """A client's connection was never opened; the text says to what URI, and why."""

    def __init__(self, address: str, why: str, *, temporary: bool = False) -> None:
        """Say `why` there is no connection to the URI `address`, and whether another attempt may do better."""
        super().__init__(f"no connection to {address}: {why}")
        self.temporary = temporary


class HandshakeRefused(HandshakeFailed):
    """The server answered the handshake with something other than a 101."""

    def __init__(
        self,
        address: str,
        why: str,
        *,
        status: int,
        headers: list[tuple[bytes, bytes]],
        body: bytes,
        location: str | None = None,
    ) -> None:
        """Keep the answer; `body` may be cut short, `location` is where a redirection (3xx) points, as a ws URI."""
        super().__init__(address, why, temporary=status in _TEMPORARY)
        self.status = status
        self.headers = headers
        self.body = body
        self.location = location


class ProxyRefused(HandshakeFailed):
    """The proxy did not let us through; `status` is what it answered."""

    def __init__(self, address: str, why: str, *, status: int) -> None:
        super().__init__(address, why, temporary=status in _TEMPORARY)
        self.status = status


class HandshakeTimeout(HandshakeFailed, TimeoutError):
    """The server did not answer the handshake in time."""

    def __init__(self, address: str, why: str) -> None:
        super().__init__(address, why, temporary=True)


class StartupFailed(RuntimeError):
    """The application's lifespan answered `lifespan.startup.failed`, or raised where an answer was required.

    The text is the application's own message.
    """


def caused_by_disconnect(error: BaseException) -> bool:
    """Tell whether `error` is the mere consequence of a client that left, and so not worth a log entry.

    True for `ClientDisconnected`, for what was raised while one was handled (`__cause__`, `__context__`), and for a
    group of nothing but such errors. ASGI 2.4: a server does not log its own disconnect exception as an error.
    """
    seen: set[int] = set()  # a chain can be made circular by hand
    waiting: list[BaseException | None] = [error]
    while waiting:
        current = waiting.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        if isinstance(current, ClientDisconnected):
            return True
        group: Any = current
        if isinstance(current, BaseExceptionGroup) and all(map(caused_by_disconnect, group.exceptions)):
            return True
        waiting += (group.__cause__, group.__context__)
    return False
