"""The primitives of a driver on asyncio: a non-blocking socket, a timer, and ways to wait.

The socket is used without an asyncio transport: the event loop says when it is readable or writable, and everything
else is done here. A transport takes a task, a future and three callbacks to make, and more memory than all that wscore
keeps of an idle connection but its scope. The price is that an event loop without `add_reader` cannot be used.

- Bytes are written at once. What the system does not take is written when the socket is writable again.
- `lost` is called from the event loop only, never from within a primitive: the caller may be in the middle of
  anything. The socket itself is closed at once.
- The event loop stops watching the socket before it is closed: the system gives its number to the next one. It is
  given that number and not the socket, since a selector of Python 3.11 and 3.12 describes what it does not know yet in
  an exception that nobody sees, and a socket's description takes four system calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar
from weakref import WeakKeyDictionary

from wscore import ClientConnection, Closing, Driver, ServerConnection
from wscore.transport.sockets import unacknowledged_bytes

from ._wakeup import Wakeup

__all__ = ["SocketDriver"]

Core = TypeVar("Core", ServerConnection, ClientConnection)

_READ_SIZE: Final = 2**18
_NOTHING: Final = memoryview(b"")

_buffers: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, memoryview]] = WeakKeyDictionary()
"""One for all connections of an event loop: the core consumes the bytes of a read before the next read can begin."""


def _buffer_of(loop: asyncio.AbstractEventLoop) -> memoryview:
    try:
        return _buffers[loop]
    except KeyError:
        buffer = _buffers[loop] = memoryview(bytearray(_READ_SIZE))
        return buffer


class SocketDriver(Driver[Core]):
    """The primitives of a driver over a non-blocking socket. Call `prepare` first."""

    __slots__ = ("_broken", "_buffer", "_loop", "_room", "_socket", "_timer", "_unwritten", "wait_for_message", "wake")

    _loop: asyncio.AbstractEventLoop
    _socket: socket.socket
    _buffer: memoryview
    """Receives every read."""
    _unwritten: bytearray | memoryview
    """Bytes that the system has not accepted."""
    _broken: bool
    """A write has failed, or the socket is closed: no more is written, and `lost` follows."""
    wait_for_message: Callable[[], Awaitable[None]]
    _room: asyncio.Event | None
    _timer: asyncio.TimerHandle | None

    def prepare(self, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
        """Initialize this class's attributes."""
        self._loop = loop
        self._socket = sock
        self._buffer = _buffer_of(loop)
        self._unwritten = _NOTHING
        self._broken = False
        message = Wakeup(loop)
        self.wake, self.wait_for_message = message.wake, message.wait  # a wrapper would add a call per message
        self._room = None  # created lazily: rarely awaited
        self._timer = None

    def start(self) -> None:
        """As in `Driver`. Read from now on."""
        self._loop.add_reader(self._socket.fileno(), self._read)
        super().start()

    # -- called by the event loop

    def _read(self) -> None:
        try:
            size = self._socket.recv_into(self._buffer)
        except BlockingIOError:
            return  # a spurious wake-up (select(2))
        except OSError as error:
            self.lost(error)
            return
        try:
            if size:
                self.receive_data(self._buffer[:size])
            else:
                self._loop.remove_reader(self._socket.fileno())  # it stays readable
                self.receive_eof()
        except Exception:  # the event loop reports it; whatever is the matter, the connection cannot go on
            self.abort()
            raise

    def _write_rest(self) -> None:
        try:
            sent = self._socket.send(self._unwritten)
        except BlockingIOError:
            return
        except OSError as error:
            self._fail(error)
            return
        self._unwritten = memoryview(self._unwritten)[sent:]
        if not self._unwritten:
            self._loop.remove_writer(self._socket.fileno())
            self._told = Closing.NO  # if TCP was to end behind these bytes, it is time now
            self.output_drained()

    def _fail(self, error: OSError) -> None:
        self._broken = True
        self._loop.call_soon(self._lose, error)

    def _lose(self, error: OSError) -> None:
        """After a failed write, read what arrived before: it may hold a close frame or a TLS alert."""
        with contextlib.suppress(OSError):  # nothing more to read
            while (
                not self.gone
                and not self._eof
                and self.core.wants_read
                and (size := self._socket.recv_into(self._buffer))
            ):
                self.receive_data(self._buffer[:size])
        self.lost(error)

    def _time_out(self) -> None:
        self._timer = None
        self.timed_out()

    def lost(self, error: Exception | None = None) -> None:
        """As in `Driver`. Close the socket."""
        self._close_socket()
        super().lost(error)

    # -- primitives

    def write(self, data: bytes) -> None:
        """As in `Driver`."""
        if self._unwritten:
            if not isinstance(self._unwritten, bytearray):
                self._unwritten = bytearray(self._unwritten)
            self._unwritten += data
        else:
            try:
                sent = self._socket.send(data)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                self._fail(error)
                return
            if sent == len(data):
                return
            self._unwritten = memoryview(data)[sent:]
            self._loop.add_writer(self._socket.fileno(), self._write_rest)
        if len(self._unwritten) > self._limit:
            self.writable = False

    def broken(self) -> bool:
        """As in `Driver`."""
        return self._broken

    def unsent(self) -> int:
        """As in `Driver`."""
        return len(self._unwritten) + unacknowledged_bytes(self._socket)

    def set_deadline(self, at: float | None) -> None:
        """As in `Driver`."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if at is None else self._loop.call_at(at, self._time_out)

    def set_reading(self, on: bool) -> None:
        """As in `Driver`."""
        if self._broken:
            return
        if on:
            self._loop.add_reader(self._socket.fileno(), self._read)
        else:
            self._loop.remove_reader(self._socket.fileno())

    def shut_down_writing(self) -> None:
        """As in `Driver`."""
        if not self._unwritten:  # else `_write_rest` has it called again
            with contextlib.suppress(OSError):  # reset meanwhile: the next read reports it
                self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """As in `Driver`."""
        if not self._unwritten:  # else `_write_rest` has it called again
            self.abort()

    def abort(self) -> None:
        """As in `Driver`."""
        if self._socket.fileno() >= 0:
            self._close_socket()
            self._loop.call_soon(self.lost)

    def wake_senders(self) -> None:
        """As in `Driver`."""
        if self._room is not None:
            self._room.set()
            self._room = None

    def _close_socket(self) -> None:
        """Idempotent."""
        fileno = self._socket.fileno()
        if fileno < 0:
            return
        self._broken = True
        self._loop.remove_reader(fileno)
        if self._unwritten:
            self._unwritten = _NOTHING
            self._loop.remove_writer(fileno)
        self._socket.close()

    # -- waiting

    async def yield_control(self) -> None:
        """As in `ServerDriver` and `AsyncClientDriver`."""
        await asyncio.sleep(0)

    async def wait_for_room(self) -> None:
        """As in `ServerDriver` and `AsyncClientDriver`."""
        if self._room is None:
            self._room = asyncio.Event()
        await self._room.wait()
