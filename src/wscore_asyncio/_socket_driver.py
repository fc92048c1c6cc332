"""The primitives of a driver on asyncio: a transport's buffer, a timer, and ways to wait."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

from wscore import ClientConnection, Driver, ServerConnection
from wscore.transport.sockets import unacknowledged_bytes

from ._wakeup import Wakeup

__all__ = ["SocketDriver"]

Core = TypeVar("Core", ServerConnection, ClientConnection)


class SocketDriver(Driver[Core], asyncio.BaseProtocol):
    """The primitives of a driver over an `asyncio.Transport`. Call `prepare` first."""

    __slots__ = ("_loop", "_room", "_timer", "_transport", "wait_for_message", "wake", "write")

    _loop: asyncio.AbstractEventLoop
    _transport: asyncio.Transport | None
    wait_for_message: Callable[[], Awaitable[None]]
    _room: asyncio.Event | None
    _timer: asyncio.TimerHandle | None

    def prepare(self, loop: asyncio.AbstractEventLoop) -> None:
        """Initialize this class's attributes."""
        self._loop = loop
        self._transport = None
        message = Wakeup(loop)
        self.wake, self.wait_for_message = message.wake, message.wait  # a wrapper would add a call per message
        self._room = None  # created lazily: rarely awaited
        self._timer = None

    # -- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Attach the transport and start the driver."""
        self._transport = cast("asyncio.Transport", transport)
        self.write = self._transport.write
        # With a low-water mark above 0, a `send` that waits would return with bytes still buffered: if closing took too
        # long, they would be lost without an error.
        self._transport.set_write_buffer_limits(high=self._limit, low=0)
        self.start()

    def eof_received(self) -> bool:
        """Report EOF to the core; True keeps our side open."""
        self.receive_eof()
        return True

    def pause_writing(self) -> None:
        """Record that the transport's buffer is above the high-water mark."""
        self.writable = False

    def resume_writing(self) -> None:
        """Resume senders: the transport's buffer is empty."""
        self.output_drained()

    def connection_lost(self, exc: Exception | None) -> None:
        """Report to the core that the socket is closed, whichever side closed it."""
        if exc is not None:
            self._read_rest()
        self.lost(exc)

    # -- primitives

    def broken(self) -> bool:
        """As in `Driver`: asyncio warns of writing to a transport whose socket has failed, and drops the bytes."""
        assert self._transport is not None
        return self._transport.is_closing()

    def unsent(self) -> int:
        """As in `Driver`."""
        assert self._transport is not None
        sock = self._transport.get_extra_info("socket")
        return self._transport.get_write_buffer_size() + (0 if sock is None else unacknowledged_bytes(sock))

    def set_deadline(self, at: float | None) -> None:
        """As in `Driver`."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if at is None else self._loop.call_at(at, self._time_out)

    def set_reading(self, on: bool) -> None:
        """As in `Driver`."""
        assert self._transport is not None
        if on:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def shut_down_writing(self) -> None:
        """As in `Driver`."""
        assert self._transport is not None
        with contextlib.suppress(OSError):  # reset meanwhile: `connection_lost` follows
            self._transport.write_eof()

    def close(self) -> None:
        """As in `Driver`."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """As in `Driver`."""
        if self._transport is not None:
            self._transport.abort()

    def wake_senders(self) -> None:
        """As in `Driver`."""
        if self._room is not None:
            self._room.set()
            self._room = None

    def _read_rest(self) -> None:
        """Read what arrived before a write failed: it may hold a close frame or a TLS alert."""
        assert self._transport is not None
        sock = self._transport.get_extra_info("socket")
        with contextlib.suppress(OSError):  # nothing more to read
            while not self.gone and not self._eof and self.core.wants_read and (data := os.read(sock.fileno(), 2**16)):
                self.receive_data(data)

    def _time_out(self) -> None:
        self._timer = None
        self.timed_out()

    # -- waiting

    async def yield_control(self) -> None:
        """As in `ServerDriver` and `AsyncClientDriver`."""
        await asyncio.sleep(0)

    async def wait_for_room(self) -> None:
        """As in `ServerDriver` and `AsyncClientDriver`."""
        if self._room is None:
            self._room = asyncio.Event()
        await self._room.wait()
