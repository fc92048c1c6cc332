"""A server's connection with its application, all but the waiting: see `_driver`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ._asgi import ReceivedMessage, Scope
from ._channel import Channel
from ._driver import Driver
from ._errors import caused_by_disconnect
from ._prepared import Prepared, post_extension
from ._server import ServerConnection

__all__ = ["ServerDriver"]

_CONTENT: Final = frozenset({"websocket.send", "websocket.http.response.body"})


class ServerDriver(Driver[ServerConnection]):
    """A `Driver` for `ServerConnection`: starts the application, takes its steps and its end, and says what to log.

    Further inputs: `application_ended`, `begin_shutdown`. Further primitives: `start_application`, `receive` and `send`,
    which wait, `over`, `log_access`, `log_notice`, `log_failure`.
    """

    __slots__ = ("_application_over", "_started")

    def __init__(self, core: ServerConnection, time: Callable[[], float], channel: Channel | None = None) -> None:
        super().__init__(core, time, channel)
        self._started = False
        self._application_over = True

    # -- primitives

    def start_application(self, scope: Scope) -> None:
        """Call the application with `scope`, `receive` and `send`, in a task of its own; then `application_ended`."""
        raise NotImplementedError

    async def receive(self) -> ReceivedMessage:
        """Give the application its next message: `next_message`, and where that is None wait for `wake`."""
        raise NotImplementedError

    async def send(self, message: Mapping[str, Any]) -> None:
        """Send the application's message: wait while it `must_wait`, then `send_message`."""
        raise NotImplementedError

    def over(self) -> None:
        """Take note that the connection is over: the socket is closed, and the application has ended."""
        raise NotImplementedError

    def log_access(self, line: str) -> None:
        """Write a line into the access log."""
        raise NotImplementedError

    def log_notice(self, text: str) -> None:
        """Write into the error log what is nobody's mistake."""
        raise NotImplementedError

    def log_failure(self, text: str, error: BaseException) -> None:
        """Write what the application raised into the error log."""
        raise NotImplementedError

    # -- inputs

    def begin_shutdown(self) -> None:
        """Ask the connection to end, because the server stops."""
        self.core.begin_shutdown(now=self.time())
        self.settle()

    def application_ended(self, error: BaseException | None, *, cancelled: bool = False) -> None:
        """Take the application's end: what it raised, or None; `cancelled` where the server wanted it to end."""
        self._application_over = True
        core, now = self.core, self.time()
        if error is None and not cancelled:
            core.application_returned(now=now)
        else:
            if error is not None and not cancelled:
                self._log(error)
            core.application_raised(now=now)
        self.settle()
        self._check_over()

    def lost(self, error: Exception | None = None) -> None:
        """As in `Driver`."""
        if not self.gone:
            super().lost(error)
            self._check_over()

    # -- the application's steps, without their waiting

    def next_message(self) -> ReceivedMessage | None:
        """Give the application's next message; None: wait for one. Raises LocalProtocolError where none can come."""
        core = self.core
        message = core.next_message(now=self.time())
        if message is None:
            core.expect_message()
        if core.revision != self._revision:
            self.settle()
        return message

    def must_wait(self, message: Mapping[str, Any]) -> bool:
        """Tell whether `message` has to wait for room. Only content has to, and only while it can be sent at all."""
        if self.has_room or self.core.close_info is not None:
            return False
        return isinstance(message, Mapping) and message.get("type") in _CONTENT  # pyright: ignore[reportUnnecessaryIsInstance]

    def send_message(self, message: Mapping[str, Any]) -> bool:
        """Take the application's message. True: it was so large that who sends it has to wait for room behind it.

        Raises as `ServerConnection.send`.
        """
        core = self.core
        before = core.output_size
        core.send(message, now=self.time())
        size = core.output_size
        self.settle()
        if size < self._limit:
            return False
        self.flush()
        return size - before > self._limit and not self.writable

    def post(self, message: Prepared) -> bool:
        """Write what is sent to many connections, at once: False where it would have to wait."""
        if not self.writable or self.gone or not self.core.post(message):
            return False
        if not self._flush_planned and not self._answering:
            self.flush()
        return True

    # -- what the core wants besides

    def changed(self) -> None:
        """Start the application, and write the access log."""
        core = self.core
        if core.scope is not None and not self._started:
            self._started = True
            self._application_over = False
            core.scope["extensions"].update(post_extension(self.post, self.send))
            self.start_application(core.scope)
        if core.access_lines:
            lines, core.access_lines = core.access_lines, []
            for line in lines:
                self.log_access(line)

    def secured(self, channel: Channel) -> None:
        """Let the core know what TLS has agreed."""
        tls = channel.tls_extension()
        if tls is not None:
            self.core.secured(tls)

    def channel_failed(self, error: OSError) -> None:
        """Say so, where the peer never came to speak."""
        if not self._secured:
            self.log_notice(f"TLS handshake failed: {error}")
        super().channel_failed(error)

    def _log(self, error: BaseException) -> None:
        if isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        if not caused_by_disconnect(error):
            self.log_failure(f"the application failed on {self.core!r}", error)

    def _check_over(self) -> None:
        if self.gone and self._application_over:
            self.over()
