"""One connection on asyncio: a `BufferedProtocol` around the core.

Each callback feeds the core one input and then calls `_pump`, which makes the world agree with the core. Nothing is
decided here: what a connection is, what may be sent and how long anything takes are the core's affair.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import socket
from collections.abc import Callable
from typing import Any, Final, cast

from wscore import (
    Application,
    Closing,
    Config,
    Peer,
    Prepared,
    ServerConnection,
    application_failure,
    post_extension,
    tls_extension,
)
from wscore.sockets import unacknowledged

from ._pieces import Pieces
from ._wakeup import Wakeup

__all__ = ["Connection", "Service"]

access_log = logging.getLogger("wscore.access")
error_log = logging.getLogger("wscore.error")

_BUFFERS_A_TURN: Final = 16  # that an application fills and writes without giving way to others
_MESSAGES_A_TURN: Final = 64  # that it sends likewise, however small
_NO: Final = Closing.NO  # asked at every write: in Python 3.11 a member of an enum costs a call to find


@dataclasses.dataclass(frozen=True, slots=True)
class Service:
    """What all connections of a server share."""

    app: Application
    config: Config
    state: dict[str, Any]
    log_access: bool
    buffer: memoryview
    """Where every read ends up, until the core has taken it, which is before anybody else can read."""
    connections: set[Connection]
    ended: Callable[[socket.socket], None]
    """To be called when a connection of this socket is over."""


class Connection(asyncio.BufferedProtocol):
    """A connection and the task of its application.

    What an application does when it is woken by a message is written in one piece as soon as it waits again; what it
    does at other times gathers during a turn of the loop. `receive` with a message waiting and `send` with room do not
    touch the loop.
    """

    __slots__ = (
        "__weakref__",
        "_accepted_at",
        "_answering",
        "_buffer",
        "_buffers",
        "_cancelled",
        "_core",
        "_due",
        "_ending",
        "_eof",
        "_flush_planned",
        "_loop",
        "_lost",
        "_message",
        "_messages",
        "_pieces",
        "_reading",
        "_revision",
        "_room",
        "_service",
        "_sock",
        "_started",
        "_task",
        "_time",
        "_timer",
        "_tls",
        "_transport",
        "_turn_away",
        "_writable",
        "_write_ended",
    )

    def __init__(self, service: Service, sock: socket.socket, *, accepted_at: float, turn_away: bool) -> None:
        self._service = service
        self._buffer = service.buffer
        self._sock = sock
        self._accepted_at = accepted_at
        self._turn_away = turn_away
        self._loop = asyncio.get_running_loop()
        self._time = self._loop.time
        self._started = False
        self._cancelled = False  # the application was, by us
        self._task: asyncio.Task[None] | None = None
        self._message = Wakeup(self._loop)
        self._writable = True
        self._room: asyncio.Event | None = None  # made by who waits for room, which is seldom
        self._timer: asyncio.TimerHandle | None = None
        self._due: float  # when the timer is set to; its handle does not always know
        self._answering = False  # the application's step is part of `buffer_updated`
        self._flush_planned = False
        self._buffers = 0  # written since the application gave way to others
        self._messages = 0  # sent likewise
        self._pieces = Pieces()  # under TLS
        self._ending = False
        self._revision = -1  # the core's outputs have not been looked at
        self._reading = True
        self._eof = False
        self._write_ended = False
        self._lost = False

    # -- what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the connection; the time it has for its request runs since it was accepted, before any TLS."""
        self._transport = cast("asyncio.Transport", transport)
        service = self._service
        self._transport.set_write_buffer_limits(high=service.config.max_output_size)
        tls = transport.get_extra_info("ssl_object")
        self._tls = tls is not None
        peer = Peer.of(
            transport.get_extra_info("peername"),
            transport.get_extra_info("sockname"),
            None if tls is None else tls_extension(tls),
        )
        service.connections.add(self)
        self._core = ServerConnection(
            service.config, peer=peer, now=self._accepted_at, state=service.state, access_log=service.log_access
        )
        if self._turn_away:
            self._core.turn_away(now=self._time())
        self._pump()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Say where to read to."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take bytes from the peer; the application may answer at once, and what it says goes out in one write."""
        core = self._core
        core.receive_data(self._buffer[:nbytes], now=self._time())
        if core.has_message:
            self._answering = True
            try:
                self._message.wake()
            finally:
                self._answering = False
        if core.revision != self._revision:
            self._agree()
        if core.output_size or self._ending:
            self._flush()

    def eof_received(self) -> bool:
        """Take the end of the peer's stream; our side stays open, except under TLS, which cannot do that."""
        self._eof = True
        self._core.receive_eof(now=self._time())
        self._pump()
        return not self._tls

    def pause_writing(self) -> None:
        """Let senders wait."""
        self._writable = False

    def resume_writing(self) -> None:
        """Write what gathered meanwhile, and let senders go on."""
        self._writable = True
        self._flush()
        self._tell_of_room()
        self._pump()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the news that the socket is closed, by whomever."""
        del exc
        self._lost = True
        self._writable = True
        self._core.connection_lost(now=self._time())
        self._tell_of_room()
        self._pump()
        if self._timer is not None:
            self._timer.cancel()
        self._end_if_over()

    # -- what the server calls

    def begin_shutdown(self) -> None:
        """Ask the connection to end."""
        self._core.begin_shutdown(now=self._time())
        self._pump()

    def cancel(self) -> None:
        """Cancel the application, if it still runs."""
        if self._task is not None:
            self._cancelled = True
            self._task.cancel()

    def abort(self) -> None:
        """Close the socket at once, and cancel the application."""
        self._transport.abort()
        self.cancel()

    # -- the application

    async def _run(self) -> None:
        ended, task = self._core.application_raised, asyncio.current_task()
        try:
            await self._service.app(self._core.scope, self._receive, self._send)
            ended = self._core.application_returned
        except BaseException as error:
            if isinstance(error, GeneratorExit) and asyncio.current_task(self._loop) is not task:
                raise  # nobody runs it any more: its loop is gone
            failure = application_failure(error, asyncio.CancelledError if self._cancelled else None)
            if failure is not None:
                error_log.error("the application failed on %r", self._core, exc_info=failure)
        finally:
            self._task = None
            ended(now=self._time())
            self._pump()
            self._end_if_over()

    async def _receive(self) -> Any:
        core = self._core
        while (message := core.next_message(now=self._time())) is None:
            core.expect_message()
            await self._message.wait()
        if core.revision != self._revision and not self._answering:
            self._agree()
        return message

    async def _send(self, message: Any) -> None:
        core = self._core
        self._messages += 1
        if self._messages >= _MESSAGES_A_TURN:
            await self._give_way()
        while not self._writable and core.wants_room(message):  # nothing was taken yet, so cancelled, nothing is sent
            await self._change_of_room()
        core.send(message, now=self._time())
        if not self._answering:  # else `buffer_updated` sees to it
            self._pump()
        if core.output_full or not self._writable:
            self._flush()
            self._buffers += 1
            if self._buffers >= _BUFFERS_A_TURN or not self._writable or self._transport.is_closing():
                await self._give_way()
                while not self._writable:
                    await self._change_of_room()
                core.expect_delivery()

    def _post(self, message: Prepared) -> bool:
        """Write what is sent to many connections, at once: False where it would have to wait."""
        if not self._writable or self._lost or not self._core.post(message):
            return False
        if not self._flush_planned and not self._answering:
            self._write()
        return True

    async def _give_way(self) -> None:
        """Let the others have their turn."""
        self._buffers = self._messages = 0
        await asyncio.sleep(0)

    async def _change_of_room(self) -> None:
        """Wait until there may be room to write, or the connection has ended."""
        if self._room is None:
            self._room = asyncio.Event()
        await self._room.wait()

    def _tell_of_room(self) -> None:
        if self._room is not None:
            self._room.set()
            self._room = None

    # -- making the world agree with the core

    def _pump(self) -> None:
        """Pass on messages and bytes, which is all that there is to do for most inputs."""
        core = self._core
        if core.output_size and not self._flush_planned:
            self._plan_flush()
        if core.revision != self._revision:
            self._agree()
        if core.has_message:
            self._message.wake()

    def _plan_flush(self) -> None:
        if not self._lost:
            self._flush_planned = True
            self._loop.call_soon(self._flush)

    def _agree(self) -> None:
        """See to all the other outputs; they change seldom."""
        core = self._core
        self._revision = core.revision
        if core.scope is not None and not self._started:
            self._started = True
            core.scope["extensions"].update(post_extension(self._post, self._send))
            task = self._loop.create_task(self._run())
            if not task.done():  # an eager one may be, and has said so
                self._task = task
        if core.access_lines:
            self._write_access_log()
        if self._lost:
            return
        self._ending = core.closing is not _NO
        self._tell_of_room()  # who waits for it may have to hear of the end
        if not self._flush_planned and (self._ending or core.output_size):
            self._plan_flush()
        if core.wants_read is not self._reading and not self._eof:
            self._reading = core.wants_read
            if self._reading:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()
        self._keep_time()

    def _keep_time(self) -> None:
        """Set the timer to the core's next deadline, or leave it at an earlier one, which then sets it anew."""
        deadline = self._core.next_timeout()
        if deadline is not None and (self._timer is None or deadline < self._due):
            if self._timer is not None:
                self._timer.cancel()
            self._due = deadline
            self._timer = self._loop.call_at(deadline, self._time_out)

    def _flush(self) -> None:
        self._flush_planned = False
        core = self._core
        if self._lost:
            return
        if self._writable and (core.output_size or self._pieces):
            self._write()
        closing = core.closing
        if closing is _NO:
            return
        if closing is Closing.NOW:
            self._transport.abort()
        elif not core.output_size and not self._pieces:
            if self._eof or not self._transport.can_write_eof():
                self._transport.close()
            elif not self._write_ended:
                self._write_ended = True
                with contextlib.suppress(OSError):  # reset meanwhile: `connection_lost` is on its way
                    self._transport.write_eof()

    def _write(self) -> None:
        """Give the transport what there is; under TLS while it takes it."""
        if not self._tls:
            self._transport.write(self._core.data_to_send())
            return
        while self._writable and (piece := self._pieces.next(self._core)):
            self._transport.write(piece)

    def _time_out(self) -> None:
        self._timer = None
        # A loop whose clock is coarse calls a little early (uvloop counts milliseconds). It is time all the same: else
        # nothing would have changed, and nobody would call again.
        now = max(self._time(), self._due)
        unsent = self._transport.get_write_buffer_size() + len(self._pieces)
        self._core.report_unsent(unsent + unacknowledged(self._sock), now=now)
        self._core.handle_timeout(now=now)
        self._pump()
        if not self._lost:
            self._keep_time()  # the deadline may have moved on meanwhile, and then nothing else has changed

    def _write_access_log(self) -> None:
        lines, self._core.access_lines = self._core.access_lines, []
        for line in lines:
            access_log.info(line)

    def _end_if_over(self) -> None:
        if self._lost and self._task is None:
            self._service.connections.discard(self)
            self._service.ended(self._sock)
