"""A client's connection on asyncio: a `Protocol` around the core.

As in `_protocol`, each callback feeds the core one input and then makes the world agree with the core, and nothing is
decided here. The user's tasks take their messages from the core themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final, cast

from wscore import ClientConnection, Closing
from wscore.sockets import set_up, unacknowledged

from ._pieces import Pieces
from ._wakeup import Wakeup

__all__ = ["Link"]

_MESSAGES_A_TURN: Final = 64  # that a task sends without giving way to others, however small
_NO: Final = Closing.NO  # asked at every write: in Python 3.11 a member of an enum costs a call to find


class Link(asyncio.Protocol):
    """The socket of a connection, and its core.

    What a task says goes out at once; what it says when woken by a message, in one piece as soon as it waits again.
    """

    __slots__ = (
        "_answering",
        "_changed",
        "_core",
        "_due",
        "_ending",
        "_eof",
        "_loop",
        "_messages",
        "_pieces",
        "_reading",
        "_revision",
        "_time",
        "_timer",
        "_tls",
        "_transport",
        "_writable",
        "_write_ended",
        "lost",
        "message",
        "pongs",
    )

    def __init__(self, core: ClientConnection) -> None:
        self._core = core
        self._loop = asyncio.get_running_loop()
        self._time = self._loop.time
        self._transport: asyncio.Transport | None = None
        self._tls = False
        self._changed: asyncio.Event | None = None  # made by who waits for what is seldom waited for
        self._writable = True
        self._timer: asyncio.TimerHandle | None = None
        self._due: float  # when the timer is set to; its handle does not always know
        self._answering = False  # a task's step is part of `data_received`
        self._ending = False
        self._messages = 0  # sent since a task gave way to others
        self._pieces = Pieces()  # under TLS
        self._revision = -1  # the core's outputs have not been looked at
        self._reading = True
        self._eof = False
        self._write_ended = False
        self.lost = False
        self.message = Wakeup(self._loop)
        self.pongs: dict[bytes, float | None] = {}
        """Pings that a task waits for; how many seconds they took, once answered."""

    # -- what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the request."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=self._core.config.max_output_size)
        set_up(transport.get_extra_info("socket"))
        self._tls = transport.get_extra_info("ssl_object") is not None
        self.pump()

    def data_received(self, data: bytes) -> None:
        """Take bytes from the server; a task may answer at once, and what it says goes out in one write."""
        core = self._core
        core.receive_data(data, now=self._time())
        if core.has_message:
            self._answering = True
            try:
                self.message.wake()
            finally:
                self._answering = False
        self.pump()

    def eof_received(self) -> bool:
        """Take the end of the server's stream; our side stays open, except under TLS, which cannot do that."""
        self._eof = True
        self._core.receive_eof(now=self._time())
        self.pump()
        return not self._tls

    def pause_writing(self) -> None:
        """Let senders wait."""
        self._writable = False

    def resume_writing(self) -> None:
        """Write what gathered meanwhile, and let senders go on."""
        self._writable = True
        self._flush()
        self.pump()
        self._tell()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the news that the socket is closed, by whomever."""
        del exc
        self.lost = True
        self._writable = True
        self._core.connection_lost(now=self._time())
        self.pump()
        self._tell()
        if self._timer is not None:
            self._timer.cancel()

    # -- what tasks call

    @property
    def attached(self) -> bool:
        """The socket is this connection's to close."""
        return self._transport is not None

    async def opened(self) -> None:
        """Wait until the handshake is over. Raises HandshakeFailed and its subclasses, when the socket is closed."""
        while not self._core.opened and not self.lost:
            await self._change()
        self._core.expect_open()

    async def pong(self, payload: bytes) -> float:
        """Wait for a pong, and give the seconds that it took. Raises ConnectionClosed."""
        self.pongs[payload] = None
        try:
            while (seconds := self.pongs[payload]) is None:
                self._core.expect_pong()
                await self._change()
            return seconds
        finally:
            del self.pongs[payload]

    @property
    def full(self) -> bool:
        """Who sends should wait."""
        return not self._writable and self._core.close_info is None

    async def room(self) -> None:
        """Wait until there is room to write, or the end; and give way to others now and then."""
        self._messages += 1
        if self._messages >= _MESSAGES_A_TURN:
            await self._give_way()
        while self.full:
            await self._change()

    async def sent(self) -> None:
        """Wait while a message that was too large waits. Raises ConnectionClosed where it cannot go out any more."""
        core = self._core
        if not core.output_full and self._writable:
            return
        self._flush()
        await self._give_way()  # once per buffer
        while not self._writable:
            await self._change()
        core.expect_delivery()

    async def ended(self) -> None:
        """Wait until the socket is closed."""
        while not self.lost:
            await self._change()

    def abort(self) -> None:
        """Close the socket at once, if it is not closed yet."""
        if self._transport is not None:
            self._transport.abort()

    def pump_changes(self) -> None:
        """Make the world agree with the core, after what seldom changes anything."""
        if self._core.revision != self._revision:
            self.pump()

    def pump(self) -> None:
        """Make the world agree with the core."""
        if self._answering:  # `data_received` sees to it
            return
        core = self._core
        if core.output_size or self._ending:
            self._flush()
        if core.revision != self._revision:
            self._agree()
        if core.has_message:
            self.message.wake()

    # -- making the world agree with the core

    async def _give_way(self) -> None:
        self._messages = 0
        await asyncio.sleep(0)

    async def _change(self) -> None:
        if self._changed is None:
            self._changed = asyncio.Event()
        await self._changed.wait()

    def _tell(self) -> None:
        if self._changed is not None:
            self._changed.set()
            self._changed = None

    def _agree(self) -> None:
        """See to all the outputs but messages and bytes; they change seldom."""
        core = self._core
        self._revision = core.revision
        for payload, seconds in core.pongs_received():
            if payload in self.pongs:
                self.pongs[payload] = seconds
        self._tell()
        if self.lost or self._transport is None:
            return
        self._ending = core.closing is not _NO
        if self._ending:
            self._flush()
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
        core, transport = self._core, self._transport
        if self.lost or transport is None:
            return
        if self._writable and (core.output_size or self._pieces):
            if not self._tls:
                transport.write(core.data_to_send())
            while self._tls and self._writable and (piece := self._pieces.next(core)):
                transport.write(piece)
        closing = core.closing
        if closing is _NO:
            return
        if closing is Closing.NOW:
            transport.abort()
        elif not core.output_size and not self._pieces:
            if self._eof or not transport.can_write_eof():
                transport.close()
            elif not self._write_ended:
                self._write_ended = True
                with contextlib.suppress(OSError):  # reset meanwhile: `connection_lost` is on its way
                    transport.write_eof()

    def _time_out(self) -> None:
        self._timer = None
        # A loop whose clock is coarse calls a little early (uvloop counts milliseconds). It is time all the same: else
        # nothing would have changed, and nobody would call again.
        now, transport = max(self._time(), self._due), self._transport
        if transport is not None:
            unsent = transport.get_write_buffer_size() + len(self._pieces)
            self._core.report_unsent(unsent + unacknowledged(transport.get_extra_info("socket")), now=now)
        self._core.handle_timeout(now=now)
        self.pump()
        if not self.lost:
            self._keep_time()  # the deadline may have moved on meanwhile, and then nothing else has changed
