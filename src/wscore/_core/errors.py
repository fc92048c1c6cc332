"""The exceptions of wscore, all of them raised to the application or to an embedder of the core.

    RuntimeError
    ├── LocalProtocolError    the right message at the wrong time
    └── StartupFailed         the application's lifespan refused to start
    ValueError
    ├── InvalidConfig         a limit that cannot work (in `config`)
    ├── InvalidMessage        a message that is wrong at any time
    └── InvalidURI            not a URI to connect to
    ConnectionError, an OSError
    ├── Disconnected              the connection has ended: `code` and `reason` say how
    │   ├── ClientDisconnected    to a server's application: its client is gone
    │   └── ConnectionClosed      to a client's program
    └── HandshakeFailed           a client's connection was never opened
        ├── HandshakeRefused      the server did not answer with a 101
        ├── ProxyRefused          the proxy refused the connection
        └── HandshakeTimeout      the server did not answer in time; also a TimeoutError

`wscore.app` has one word of its own for a connection that has ended, Starlette's `WebSocketDisconnect`.

A *peer's* mistake is never an exception where it happens: it is a value in `close_info`. Peers' mistakes that surfaced
as exceptions have taken down servers; a value cannot. In a client, the application's next call raises.
"""

from __future__ import annotations

from typing import Any, Final

from .close import Close, CloseCode

__all__ = [
    "ClientDisconnected",
    "ConnectionClosed",
    "Disconnected",
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
_TEMPORARY: Final = frozenset({500, 502, 503, 504})  # answers of a server or a proxy while something is down


class LocalProtocolError(RuntimeError):
    """The application sent a message that its connection's state does not allow.

    The text names the message, the state and what was allowed. The connection is unchanged: the application may catch
    this and go on.
    """


class InvalidMessage(ValueError):
    """The application sent a malformed message, such as a wrong type, a forbidden header, or both text and bytes.

    The connection is unchanged: the application may catch this and go on.
    """


class Disconnected(ConnectionError):
    """The connection has ended, and what was asked for needs one. Base of what each end raises."""

    def __init__(self, subject: str, code: int, reason: str) -> None:
        """Keep how it ended; `subject` names the connection in the text."""
        super().__init__(f"{subject} has ended: {code}" + (f" ({reason})" if reason else ""))
        self.code = int(code)
        self.reason = reason


class ClientDisconnected(Disconnected):
    """The application sent to a connection that was ended by anyone but the application.

    An `OSError`, as ASGI 2.4 requires, so frameworks catch it without importing wscore. A server does not log it.
    """

    def __init__(self, code: int, reason: str) -> None:
        """Keep the `code` and `reason` of the application's `websocket.disconnect`, received already or not."""
        super().__init__("the connection", code, reason)


class InvalidURI(ValueError):
    """The text is not a WebSocket URI; the error says what was expected, and contains no password."""


class ConnectionClosed(Disconnected):
    """A client's connection has ended, so the request cannot be fulfilled."""

    def __init__(self, code: int, reason: str, sent: Close | None, received: Close | None, address: str = "") -> None:
        """Keep how it ended.

        Args:
            code: As in `close_info`.
            reason: As in `close_info`.
            sent: The close frame that we sent, if any.
            received: The close frame that the server sent, if any.
            address: The URI, for the text.
        """
        super().__init__(f"the connection to {address}" if address else "the connection", code, reason)
        self.sent = sent
        self.received = received

    @property
    def clean(self) -> bool:
        """Whether both ends sent a close frame (RFC 6455 7.1.4)."""
        return self.sent is not None and self.received is not None

    @property
    def normal(self) -> bool:
        """Whether the close code signals no error: 1000, 1001, or a close without a code (1005)."""
        return self.code in _NORMAL_CODES


class HandshakeFailed(ConnectionError):
    """A client's connection was never opened; the text names the URI and the reason."""

    def __init__(self, address: str, why: str, *, temporary: bool = False) -> None:
        """Keep why there is no connection.

        Args:
            address: The URI, for the text.
            why: The reason, for the text.
            temporary: Whether another attempt may succeed.
        """
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
        """Keep the answer.

        Args:
            address: The URI, for the text.
            why: The reason, for the text.
            status: The response's status.
            headers: The response's headers.
            body: The response's body, which may be cut short.
            location: The target of a redirection (3xx), as a ws URI.
        """
        super().__init__(address, why, temporary=status in _TEMPORARY)
        self.status = status
        self.headers = headers
        self.body = body
        self.location = location


class ProxyRefused(HandshakeFailed):
    """The proxy refused the connection; `status` is that of its answer."""

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
    """Return whether `error` is merely the consequence of a client that left, and so not worth a log entry.

    Returns:
        True for `ClientDisconnected`, for exceptions raised while one was handled (`__cause__`, `__context__`), and for
        a group of only such errors. ASGI 2.4: a server does not log its own disconnect exception as an error.
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
