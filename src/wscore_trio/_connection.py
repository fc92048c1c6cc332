"""One connection on trio: the application's task and a watcher, around the core.

The application reads for itself: waiting in `receive`, it waits for the socket, so that a message costs one wake-up.
While it is away, the watcher has the socket, soon enough for pings, closes and losses; it keeps the time as well. What
is said is written at once by who says it, as far as the system takes it; the rest has a task of its own, so that
cancelling the application at any moment leaves no half of a frame on the wire. Under TLS the watcher always reads, and
that task always writes.

Nothing is decided here: what a connection is, what may be sent and how long anything takes are the core's affair.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any, Final, Literal

import trio

from wscore import Application, Closing, Config, Prepared, ServerConnection, application_failure, post_extension

from ._wire import LOST, Bare, Secure, Wire

__all__ = ["Connection"]

access_log = logging.getLogger("wscore.access")
error_log = logging.getLogger("wscore.error")

_MESSAGES_A_TURN: Final = 32  # messages that an application takes and sends without giving way to other tasks


class Connection:
    """A connection and its application; `run` serves it to its end."""

    __slots__ = (
        "_app",
        "_app_may_read",
        "_application",
        "_attending",
        "_check_at",
        "_closed",
        "_core",
        "_eof",
        "_flush_planned",
        "_over",
        "_patience",
        "_reader",
        "_revision",
        "_since_yield",
        "_start",
        "_started",
        "_waiting",
        "_watcher",
        "_wire",
        "_writing",
    )

    def __init__(
        self,
        wire: Wire,
        app: Application,
        config: Config,
        start: Callable[..., None],
        *,
        state: dict[str, Any],
        accepted_at: float,
        turn_away: bool,
        log_access: bool,
    ) -> None:
        self._wire = wire
        self._app = app
        self._start = start  # a task: one nursery for all connections costs less than one for each
        self._core = ServerConnection(config, peer=wire.peer(), now=accepted_at, state=state, access_log=log_access)
        if turn_away:
            self._core.turn_away(now=trio.current_time())
        self._application = trio.CancelScope()
        self._started = False
        self._closed = False
        self._over = False
        self._waiting = trio.lowlevel.ParkingLot()  # tasks of the application, for a message or for room
        self._watcher = trio.lowlevel.ParkingLot()
        self._patience = trio.CancelScope()  # around what the watcher waits for
        self._reader: Literal["application", "watcher"] | None = None  # who waits for bytes
        self._app_may_read = False  # where the watcher does not attend
        self._attending = True
        self._check_at: float | None = math.inf  # when to see whether the application is away; None while it reads
        self._writing = False  # the writing task has the socket
        self._flush_planned = False
        self._eof = False
        self._revision = -1  # the core's outputs have not been looked at
        self._since_yield = 0

    async def run(self) -> None:
        """Serve the connection until the socket is closed and the application has ended."""
        try:
            self._read_now()  # most requests are there when their connection is
            await self._watch()
        finally:
            # Nothing comes or goes any more, but the application may still have messages to take.
            self._lose()
            self._wire.close()
        while self._started and not self._over:
            await self._watcher.park()

    def begin_shutdown(self) -> None:
        """Ask the connection to end."""
        self._core.begin_shutdown(now=trio.current_time())
        self._pump()

    def cancel(self) -> None:
        """Cancel the application, if it still runs."""
        self._application.cancel()

    # -- the tasks

    async def _watch(self) -> None:
        """Keep the time, and read while the application does not: what has arrived comes before what is overdue."""
        core = self._core
        while not self._closed:
            with trio.CancelScope(deadline=self._deadline()) as self._patience:
                while not self._closed:  # one scope for many waits: `_hasten` moves its deadline
                    if self._attending and core.wants_read:
                        await self._read("watcher")
                    else:
                        await self._watcher.park()
                    if self._flush_planned:
                        self._flush()
            if self._patience.cancelled_caught:
                self._time_out()

    def _time_out(self) -> None:
        core, now = self._core, trio.current_time()
        deadline = core.next_timeout()
        if deadline is not None and now >= deadline:
            self._read_now()  # nobody may have looked for a while, and a pong that has come is in time
            core.report_unsent(self._wire.unsent(), now=now)
            core.handle_timeout(now=now)
        if self._check_at is not None and now >= self._check_at:
            self._check_at = None
            if self._reader is None:
                self._attend()
        self._pump()

    async def _write(self, data: bytes) -> None:
        """Write `data`, and what gathers meanwhile in one piece; under TLS, then close, if that is due."""
        core = self._core
        try:
            while data or core.output_size:
                data = data or core.data_to_send()
                self._wire.held = len(data)
                await self._wire.send_all(data)
                data = b""
                self._waiting.unpark_all()
            if isinstance(self._wire, Secure) and core.closing is not Closing.NO:
                await self._wire.end()
                return self._lose()
        except LOST:
            return self._lose()
        self._writing = False
        return self._flush()

    async def _run_application(self) -> None:
        core = self._core
        ended = core.application_raised
        try:
            with self._application:
                await self._app(core.scope, self._receive, self._send)
                ended = core.application_returned
        except BaseException as error:
            ending = trio.current_effective_deadline() == -math.inf  # the server is; else what says so only pretends
            failure = application_failure(error, trio.Cancelled if ending else None)
            if failure is not None:
                error_log.error("the application failed on %r", core, exc_info=failure)
        finally:
            self._over = True
            ended(now=trio.current_time())
            self._revision = -1  # whatever the core makes of it, the watcher has to read now
            self._pump()

    # -- the application's side

    async def _receive(self) -> Any:
        core = self._core
        if core.has_message:
            await self._checkpoint()  # before a message is taken, so that cancelling loses none
        while (message := core.next_message(now=trio.current_time())) is None:
            core.expect_message()
            self._pump()
            await self._wait_for_message()
            self._since_yield = 0
        if core.revision != self._revision:
            self._agree()
        return message

    async def _wait_for_message(self) -> None:
        """Read, where nobody else does; what was read is in the core before anything can be cancelled."""
        if not self._app_may_read or self._attending or self._reader is not None:
            await self._waiting.park()
            return
        try:
            await self._read("application")
        finally:
            if self._check_at is None:
                self._check_later()
            if self._waiting:
                self._waiting.unpark_all()  # one of the others may have to read

    async def _send(self, message: Any) -> None:
        await self._checkpoint()
        core = self._core
        while self._full and core.wants_room(message):  # nothing was taken yet, so cancelled, nothing is sent
            self._since_yield = 0
            await self._waiting.park()
        core.send(message, now=trio.current_time())
        if not self._writing and not self._flush_planned:
            if core.has_message and self._watcher:
                # There is more to answer: that may go out in one piece, here before waiting, or else by the watcher.
                self._flush_planned = True
                self._watcher.unpark()
            else:
                self._flush()
        if core.revision != self._revision:
            self._pump()
        if self._full:
            self._flush()
            while self._full:
                await self._waiting.park()
                self._since_yield = 0
                core.expect_delivery()

    @property
    def _full(self) -> bool:
        """Who sends should wait: what the writing task holds counts as output."""
        core = self._core
        return core.output_full or core.output_size + self._wire.held >= core.config.max_output_size

    def _post(self, message: Prepared) -> bool:
        """Write what is sent to many connections, at once: False where it would have to wait."""
        if self._full or not self._core.post(message):
            return False
        if not self._flush_planned:
            self._flush()
        return True

    async def _checkpoint(self) -> None:
        """Heed a cancellation at every call, and give way to others now and then: that is what costs."""
        self._since_yield += 1
        if self._since_yield > _MESSAGES_A_TURN:
            self._since_yield = 0
            await trio.lowlevel.checkpoint()
        else:
            await trio.lowlevel.checkpoint_if_cancelled()

    # -- reading and writing

    async def _read(self, reader: Literal["application", "watcher"]) -> None:
        """Wait for bytes once, and feed them to the core."""
        self._reader = reader
        try:
            data = await self._wire.receive()
        except LOST:
            return self._lose()
        finally:
            if self._reader == reader:  # else the other has begun before we went on
                self._reader = None
        return self._take(data)

    def _read_now(self) -> None:
        """Feed what has come already; under TLS nothing has, since the watcher reads all the time."""
        if isinstance(self._wire, Bare) and self._core.wants_read:
            try:
                self._take(self._wire.receive_now())
            except LOST:
                self._lose()

    def _take(self, data: bytes | None) -> None:
        core = self._core
        if data:
            core.receive_data(data, now=trio.current_time())
        elif data is not None:
            self._eof = True
            core.receive_eof(now=trio.current_time())
        self._pump()

    def _flush(self) -> None:
        """Write what the system takes at once, and leave the rest to a task; then end our side, if that is due."""
        self._flush_planned = False
        core, wire = self._core, self._wire
        if self._writing:
            return
        if core.output_size:
            data = core.data_to_send()
            try:
                sent = wire.send_now(data)
            except LOST:
                return self._lose()
            if sent < len(data):
                self._writing = True
                wire.held = len(data) - sent
                self._start(self._write, data[sent:])
                return
        if core.closing is Closing.AFTER_FLUSH:
            if isinstance(wire, Secure):
                self._writing = True
                self._start(self._write, b"")
            elif self._eof:
                self._lose()
            else:
                wire.end()

    # -- who reads

    def _interrupt(self) -> None:
        """Let the application, which is reading, look at the core again."""
        if isinstance(self._wire, Bare):
            self._wire.interrupt()

    def _attend(self) -> None:
        """Let the watcher read."""
        self._attending = True
        self._check_at = math.inf

    def _check_later(self) -> None:
        """Let the application read; if it is not there to do it, the watcher will, a while from now."""
        self._attending = False
        self._check_at = trio.current_time() + self._core.config.attention_interval
        self._hasten(self._check_at)

    # -- making the world agree with the core

    def _pump(self) -> None:
        """Pass on messages and bytes, which is all that there is to do for most inputs."""
        core = self._core
        if core.has_message:
            if self._reader == "application":
                self._interrupt()
            elif self._waiting:
                self._waiting.unpark_all()
                if self._app_may_read:
                    self._check_later()
        if core.output_size:
            self._flush()
        if core.revision != self._revision:
            self._agree()

    def _agree(self) -> None:
        """See to all the other outputs; they change seldom."""
        core = self._core
        self._revision = core.revision
        closing = core.closing
        self._app_may_read = (
            isinstance(self._wire, Bare) and core.wants_read and closing is Closing.NO and not self._over
        )
        if core.scope is not None and not self._started:
            self._started = True
            core.scope["extensions"].update(post_extension(self._post, self._send))
            self._start(self._run_application)
            if self._app_may_read:
                self._check_later()
        for line in core.access_lines:
            access_log.info(line)
        core.access_lines = []
        if self._over or closing is not Closing.NO:
            if self._reader == "application":
                self._interrupt()
            self._attend()
        if self._attending:
            self._watcher.unpark_all()
        if self._waiting:
            self._waiting.unpark_all()
        if closing is Closing.AFTER_FLUSH:
            self._flush()
        elif closing is Closing.NOW:
            self._closed = True
            if self._reader == "watcher":
                self._patience.cancel()
        self._hasten(self._deadline())

    def _hasten(self, deadline: float) -> None:
        if deadline < self._patience.deadline:  # noqa: PLR1730 - setting it costs, even to what it is
            self._patience.deadline = deadline

    def _deadline(self) -> float:
        return min(at for at in (self._core.next_timeout(), self._check_at, math.inf) if at is not None)

    def _lose(self) -> None:
        self._core.connection_lost(now=trio.current_time())
        self._wire.held = 0
        self._waiting.unpark_all()
        self._pump()
