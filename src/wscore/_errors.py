"""The exceptions of wscore, all of them raised at the application or at whoever embeds the core.

    RuntimeError
    ├── LocalProtocolError    the right message at the wrong time
    └── StartupFailed         the application's lifespan refused to start
    ValueError
    └── InvalidMessage        a message that would be wrong at any time
    OSError
    └── ClientDisconnected    the message was right, but nobody is there any more

What a *peer* does wrong is never an exception: it is a value in `ServerConnection.close_info`. A peer's mistake
that surfaces as an exception has taken down servers; one that surfaces as a value cannot.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "ClientDisconnected",
    "InvalidMessage",
    "LocalProtocolError",
    "StartupFailed",
    "caused_by_disconnect",
]


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
        self.code = code
        self.reason = reason


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
