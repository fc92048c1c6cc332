"""A client's connection on trio: a task that reads and keeps the time, around the core.

What a user's task says is written at once, as far as the system takes it; the rest has a task of its own, so that
cancelling at any moment leaves no half of a frame on the wire. Nothing is decided here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import trio

from wscore import ClientConnection, Closing

from ._wire import LOST, Secure, Wire

__all__ = ["Link"]

_MESSAGES_A_TURN: Final = 32  # messages that a task takes and sends without giving way to others


class Link:
    """The socket of a connection, and its core; `run` is its task."""

    __slots__ = (
        "_closed",
        "_core",
        "_eof",
        "_patience",
        "_revision",
        "_since_yield",
        "_start",
        "_waiting",
        "_watcher",
        "_wire",
        "_writing",
        "lost",
        "pongs",
    )

    def __init__(self, core: ClientConnection, wire: Wire, start: Callable[..., None]) -> None:
        self._core = core
        self._wire = wire
        self._start = start  # a task
        self._waiting = trio.lowlevel.ParkingLot()  # the user's tasks, for whatever it is
        self._watcher = trio.lowlevel.ParkingLot()
        self._patience = trio.CancelScope()  # around what the watcher waits for
        self._closed = False
        self._eof = False
        self._revision = -1  # the core's outputs have not been looked at
        self._since_yield = 0
        self._writing = False  # the writing task has the socket
        self.lost = False
        self.pongs: dict[bytes, float | None] = {}
        """Pings that a task waits for; how many seconds they took, once answered."""

    async def run(self) -> None:
        """Send the request, read and keep the time until the connection is over; then close the socket."""
        try:
            self.pump()
            await self._watch()
        finally:
            self._lose()
            self._wire.close()
            self.lost = True
            self._waiting.unpark_all()

    # -- what tasks call

    async def opened(self) -> None:
        """Wait until the handshake is over. Raises HandshakeFailed and its subclasses, when the socket is closed."""
        while not self._core.opened and not self.lost:
            await self._waiting.park()
        self._core.expect_open()

    async def change(self) -> None:
        """Wait until something has happened: a message, a pong, the end."""
        self._since_yield = 0
        await self._waiting.park()

    async def pong(self, payload: bytes) -> float:
        """Wait for a pong, and give the seconds that it took. Raises ConnectionClosed."""
        self.pongs[payload] = None
        try:
            while (seconds := self.pongs[payload]) is None:
                self._core.expect_pong()
                await self._waiting.park()
            return seconds
        finally:
            del self.pongs[payload]

    @property
    def full(self) -> bool:
        """Who sends should wait."""
        return self._full and self._core.close_info is None

    async def room(self) -> None:
        """Wait until there is room to write, or the end."""
        while self.full:
            await self.change()

    async def sent(self) -> None:
        """Wait while a message that was too large waits. Raises ConnectionClosed where it cannot go out any more."""
        while self._full:
            await self.change()
            self._core.expect_delivery()

    @property
    def _full(self) -> bool:
        """There is no room: what the writing task holds counts as output."""
        core = self._core
        return core.output_full or core.output_size + self._wire.held >= core.config.max_output_size

    async def ended(self) -> None:
        """Wait until the socket is closed."""
        if self.lost:
            await trio.lowlevel.checkpoint()
        while not self.lost:
            await self._waiting.park()

    async def checkpoint(self) -> None:
        """Heed a cancellation at every call, and give way to others now and then: that is what costs."""
        self._since_yield += 1
        if self._since_yield > _MESSAGES_A_TURN:
            self._since_yield = 0
            await trio.lowlevel.checkpoint()
        else:
            await trio.lowlevel.checkpoint_if_cancelled()

    def pump(self) -> None:
        """Make the world agree with the core."""
        core = self._core
        if core.output_size:
            self._flush()
        if core.revision != self._revision:
            self._agree()
        if self._waiting and core.has_message:
            self._waiting.unpark_all()

    def pump_changes(self) -> None:
        """Make the world agree with the core, after what seldom changes anything."""
        if self._core.revision != self._revision:
            self.pump()

    # -- the tasks

    async def _watch(self) -> None:
        core = self._core
        while not self._closed:
            with trio.CancelScope(deadline=self._deadline()) as self._patience:
                while not self._closed:  # one scope for many waits: `_agree` moves its deadline
                    if core.wants_read:
                        await self._read()
                    else:
                        await self._watcher.park()
            if self._patience.cancelled_caught:  # what has arrived was read before
                core.report_unsent(self._wire.unsent(), now=trio.current_time())
                core.handle_timeout(now=trio.current_time())
                self.pump()

    async def _read(self) -> None:
        """Wait for bytes once, and feed them to the core."""
        try:
            data = await self._wire.receive()
        except LOST:
            return self._lose()
        if data:
            self._core.receive_data(data, now=trio.current_time())
        elif data is not None:
            self._eof = True
            self._core.receive_eof(now=trio.current_time())
        return self.pump()

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

    # -- making the world agree with the core

    def _flush(self) -> None:
        """Write what the system takes at once, and leave the rest to a task; then end our side, if that is due."""
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
                self._begin_writing(data[sent:])
                return
        if core.closing is Closing.AFTER_FLUSH:
            if isinstance(wire, Secure):
                self._begin_writing(b"")
            elif self._eof:
                self._lose()
            else:
                wire.end()

    def _begin_writing(self, data: bytes) -> None:
        self._writing = True
        self._wire.held = len(data)
        self._start(self._write, data)

    def _agree(self) -> None:
        """See to all the outputs but messages and bytes; they change seldom."""
        core = self._core
        self._revision = core.revision
        for payload, seconds in core.pongs_received():
            if payload in self.pongs:
                self.pongs[payload] = seconds
        self._waiting.unpark_all()
        self._watcher.unpark_all()
        closing: Any = core.closing
        if closing is Closing.AFTER_FLUSH:
            self._flush()
        elif closing is Closing.NOW:
            self._closed = True
            self._patience.cancel()
        if (deadline := self._deadline()) < self._patience.deadline:
            self._patience.deadline = deadline

    def _deadline(self) -> float:
        deadline = self._core.next_timeout()
        return math.inf if deadline is None else deadline

    def _lose(self) -> None:
        self._core.connection_lost(now=trio.current_time())
        self._wire.held = 0
        self._waiting.unpark_all()
        self.pump()
