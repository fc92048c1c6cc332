"""A server's connection with its application, all but the waiting: see `_driver`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ..access import AccessRecord
from ..asgi.failures import LogEntry, failure_log_entry, is_interrupt
from ..asgi.messages import Application, ReceivedMessage, Scope
from ..close import CloseCode
from ..prepared_message import PreparedMessage, send_nowait_extension
from ..server import ServerConnection
from .base import Driver
from .channel import Channel

__all__ = ["ServerDriver"]


class ServerDriver(Driver[ServerConnection]):
    """A `Driver` for `ServerConnection`: starts the application, takes its steps and its end, and says what to log.

    Further inputs: `application_returned`, `application_raised`, `begin_shutdown`; `receive` and `send` are for the
    application. Further primitives: `start_application`, `over`, `log_access`, `log_notice`, `log_failure`, and three
    that wait: `wait_for_message`, `wait_for_room`, `yield_control`, each of which may end early.
    """

    __slots__ = ()

    def __init__(self, core: ServerConnection, time: Callable[[], float], channel: Channel | None = None) -> None:
        super().__init__(core, time, channel)
        self._started = False
        self._application_over = True

    # -- primitives

    def start_application(self, scope: Scope) -> None:
        """Let a task of its own do `run_application`."""
        raise NotImplementedError

    def cancelled(self) -> type[BaseException] | None:
        """Give the library's exception for a cancelled task, where somebody has asked the running one to end."""
        return None

    wait_for_message: Callable[[], Awaitable[None]]
    """Wait for `wake`."""

    def wait_for_room(self) -> Awaitable[None]:
        """Wait for `wake_senders`."""
        raise NotImplementedError

    def over(self) -> None:
        """Take note that the connection is over: the socket is closed, and the application has ended."""

    def log_access(self, record: AccessRecord) -> None:
        """Write a record into the access log, if there is one."""

    def log_notice(self, text: str) -> None:
        """Write into the log what is nobody's mistake."""

    def log_failure(self, text: str, error: BaseException | None) -> None:
        """Write what went wrong with the application into the error log, with what it raised."""
        raise NotImplementedError

    # -- inputs

    def begin_shutdown(self, code: int = CloseCode.SERVICE_RESTART) -> None:
        """Ask the connection to end, because the server stops; `code` is for the close frame."""
        self.core.begin_shutdown(now=self.time(), code=code)
        self.sync()

    def application_returned(self) -> None:
        """Take the application's return."""
        self._log(failure_log_entry(None, answered=self._answered))
        self.core.application_returned(now=self.time())
        self._end_application()

    def application_raised(self, error: BaseException | None, cancelled: type[BaseException] | None = None) -> None:
        """Take the application's failure, or with None its cancellation; whatever it is, it ends one connection.

        `cancelled` is the library's exception for a task that was cancelled, where this one was. Raises `error` again
        where there is a KeyboardInterrupt in it, which is for the program.
        """
        if error is not None:
            self._log(failure_log_entry(error, answered=self._answered, cancelled=cancelled))
        self.core.application_raised(now=self.time())
        self._end_application()
        if error is not None and is_interrupt(error):
            raise error

    def lost(self, error: Exception | None = None) -> None:
        """As in `Driver`."""
        if not self.gone:
            super().lost(error)
            self._check_over()

    # -- the application's side

    async def run_application(self, app: Application, scope: Scope) -> None:
        """Call the application, and take its end: what the task that `start_application` starts has to do."""
        try:
            await app(scope, self.receive, self.send)
        except BaseException as error:
            self.application_raised(error, self.cancelled())
        else:
            self.application_returned()

    async def receive(self) -> ReceivedMessage:
        """Give the application its next message; cancelled, none is lost.

        Raises LocalProtocolError where none can come.
        """
        core = self.core
        self._credit -= 1
        if self._credit < 0 and core.has_message:
            await self.checkpoint()
        if self.gone:
            while self.drain_pending_work():
                await self.yield_control()
        while (message := core.next_message(now=self.time())) is None:
            core.check_receive()  # asking in vain has changed nothing that would have to be looked at
            await self.wait_for_message()
            self._credit, self._looks = self._fresh_credit, 0
        if core.generation != self._generation and not self._answering:
            self.sync()
        return message

    async def send(self, message: Mapping[str, Any]) -> None:
        """Send the application's message, once there is room. Raises as `ServerConnection.send`.

        Cancelled while it waits for room, it has sent nothing. A message larger than `max_output_size` is waited for
        once more, until most of it is written: cancelled then, it is on its way whole.
        """
        core = self.core
        self._credit -= 1
        if self._credit < 0:
            await self.checkpoint()
        while not self.writable and core.needs_room(message):
            await self.wait_for_room()
            self._credit, self._looks = self._fresh_credit, 0
        core.send(message, now=self.time())
        size = core.output_size
        if not self._answering:  # else `receive_data` sees to it
            self.sync()
        if size >= self._limit:
            await self._deliver(size)

    async def _deliver(self, size: int) -> None:
        """Write what has become much; behind a message that is much alone, wait until most of it is written."""
        self.flush()
        if size >= 2 * self._limit:  # there was room for it, so less than the limit was there before
            while not self.writable:
                await self.wait_for_room()
            self.core.check_delivery()

    def send_nowait(self, message: PreparedMessage) -> bool:
        """Write what is sent to many connections, at once: False where it would have to wait."""
        if not self.writable or self.gone or not self.core.send_nowait(message):
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
            core.scope["extensions"].update(send_nowait_extension(self.send_nowait, self.send))
            self.start_application(core.scope)
        if core.access_records:
            records, core.access_records = core.access_records, []
            for record in records:
                self.log_access(record)

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

    @property
    def _answered(self) -> bool:
        return self.core.response is not None or self.core.close_info is not None

    def _log(self, report: LogEntry | None) -> None:
        if report is not None:
            self.log_failure(f"{report.text} ({self.core!r})", report.error)

    def _end_application(self) -> None:
        self._application_over = True
        self.sync()
        self._check_over()

    def _check_over(self) -> None:
        if self.gone and self._application_over:
            self.core.forget_scope()
            self.over()
