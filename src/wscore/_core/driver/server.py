"""The driver of a server's connection and its application: see `driver.base`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ..access import AccessRecord
from ..asgi.failures import LogEntry, failure_log_entry, is_interrupt
from ..asgi.messages import Application, ReceivedMessage, Scope
from ..endpoint import read_on
from ..prepared_message import PreparedMessage, send_nowait_extension
from ..server import ServerConnection
from .base import Driver
from .channel import Channel

__all__ = ["ServerDriver"]


class ServerDriver(Driver[ServerConnection]):
    """A `Driver` for `ServerConnection`: starts the application, serves its calls, handles its end, and logs.

    Further inputs: `application_returned`, `application_raised`, `begin_shutdown`; `receive` and `send` are for the
    application. Further primitives: `start_application`, `over`, `log_access`, `log_notice`, `log_failure`, and three
    that wait and may return early: `wait_for_message`, `wait_for_room`, `yield_control`.
    """

    __slots__ = ()

    def __init__(self, core: ServerConnection, time: Callable[[], float], channel: Channel | None = None) -> None:
        super().__init__(core, time, channel)
        self._started = False
        self._application_over = True

    # -- primitives

    def start_application(self, scope: Scope) -> None:
        """Run `run_application` in a new task."""
        raise NotImplementedError

    def cancelled(self) -> type[BaseException] | None:
        """Return the library's cancellation exception if the running task was cancelled, else None."""
        return None

    wait_for_message: Callable[[], Awaitable[None]]
    """Wait for `wake`."""

    def wait_for_room(self) -> Awaitable[None]:
        """Wait for `wake_senders`."""
        raise NotImplementedError

    def over(self) -> None:
        """Handle the end of the connection: the socket is closed, and the application has ended."""

    def log_access(self, record: AccessRecord) -> None:
        """Write a record into the access log, if there is one."""

    def log_notice(self, text: str) -> None:
        """Log an event that is not an error of the application or the server."""

    def log_failure(self, text: str, error: BaseException | None) -> None:
        """Write a failure of the application to the error log, with the exception it raised."""
        raise NotImplementedError

    # -- inputs

    def begin_shutdown(self, code: int | None = None) -> None:
        """Ask the connection to end, because the server stops; `code` is for the close frame."""
        self.core.begin_shutdown(now=self.time(), code=code)
        self.sync()

    def application_returned(self) -> None:
        """Process the application's return."""
        self._log(failure_log_entry(None, answered=self._answered))
        self.core.application_returned(now=self.time())
        self._end_application()

    def application_raised(self, error: BaseException | None, cancelled: type[BaseException] | None = None) -> None:
        """Process the application's failure; whatever it is, it ends only this connection.

        Args:
            error: What the application raised; None if it was cancelled.
            cancelled: The library's cancellation exception, if this task was cancelled.

        Raises:
            BaseException: `error` again, if it is or contains a KeyboardInterrupt, which is meant for the program.
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
        """Call the application and process its end; the body of the task that `start_application` starts."""
        try:
            await app(scope, self.receive, self.send)
        except BaseException as error:
            self.application_raised(error, self.cancelled())
        else:
            self.application_returned()

    async def receive(self) -> ReceivedMessage:
        """Return the application's next message. If cancelled, no message is lost.

        Raises:
            LocalProtocolError: The disconnect was already received.
        """
        core, lane = self.core, self._lane
        self._credit -= 1
        if self._credit < 0 and core.has_message:
            await self.checkpoint()
        if self.gone:
            while self.drain_pending_work():
                await self.yield_control()
        while True:
            if not lane.open:
                if (message := core.next_message(now=self.time())) is not None:
                    break
                core.check_receive()  # no sync is needed: a call that returns None has changed nothing
            elif (message := lane.receive()) is not None:
                if lane.open:
                    return message
                read_on(core, now=self.time())
                break
            await self.wait_for_message()
            self._credit, self._looks = self._fresh_credit, 0
        if core.generation != self._generation and not self._answering:
            self.sync()
        return message

    async def send(self, message: Mapping[str, Any]) -> None:
        """Send the application's message, once there is room.

        If cancelled while waiting for room, nothing was sent. After a message larger than `max_output_size` this waits
        again, until most of it is written; if cancelled then, the whole message will still be sent.

        Raises:
            InvalidMessage, LocalProtocolError, ClientDisconnected: As `ServerConnection.send`.
        """
        lane = self._lane
        self._credit -= 1
        if self._credit < 0:
            await self.checkpoint()
        if lane.open and self.writable and lane.send(message):
            size = lane.output_size
            if not self._answering and not self._flush_planned:  # else `receive_data` does it, or has planned it
                self.plan_flush()
        else:
            core = self.core
            while not self.writable and core.needs_room(message):
                await self.wait_for_room()
                self._credit, self._looks = self._fresh_credit, 0
            core.send(message, now=self.time())
            size = lane.output_size
            if not self._answering:
                self.sync()
        if size >= self._limit:
            await self._deliver(size)

    async def _deliver(self, size: int) -> None:
        """Flush output at the limit; after a message that is large by itself, wait until most of it is written."""
        self.flush()
        if size >= 2 * self._limit:  # there was room, so less than the limit was buffered before this message
            while not self.writable:
                await self.wait_for_room()
            self.core.check_delivery()

    def send_nowait(self, message: PreparedMessage) -> bool:
        """Write a prepared message at once; False if it would have to wait, or the connection is not open."""
        if not self.writable or self.gone or not self.core.send_nowait(message):
            return False
        if not self._flush_planned and not self._answering:
            self.flush()
        return True

    # -- further outputs of the core

    def changed(self) -> None:
        """Start the application when there is a scope, and write the access log."""
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
        """Give the core the parameters negotiated by TLS."""
        tls = channel.tls_extension()
        if tls is not None:
            self.core.secured(tls)

    def channel_failed(self, error: OSError) -> None:
        """Log the failure, if the TLS handshake was not complete."""
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
