"""The primitives of a driver on trio: reading and writing a socket, and ways to wait.

The socket is used without a trio stream, because a stream's checkpoints cost as much as the system calls. The sending
task writes as much as the kernel accepts immediately; a separate task writes the rest, so that cancelling the sender
leaves no partial frame on the wire.

Which task reads, and who keeps the time, is different at the two ends: see `_hand_over` and `_client`.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from typing import Final, TypeVar

import trio

from wscore import ClientConnection, Driver, ServerConnection
from wscore.transport.sockets import unacknowledged_bytes

__all__ = ["SocketDriver"]

Core = TypeVar("Core", ServerConnection, ClientConnection)

_READ_SIZE: Final = 2**16
_MESSAGES_A_LOOK: Final = 16
_NOTHING: Final = memoryview(b"")


class SocketDriver(Driver[Core]):
    """The primitives of a driver over a non-blocking socket."""

    __slots__ = ("_broken", "_socket", "_spawn", "_unwritten", "_waiting")

    def prepare(self, sock: socket.socket, spawn: Callable[..., None]) -> None:
        """Initialize this class's attributes; to be called first."""
        self._fresh_credit = self._credit = 0
        self._socket = sock
        self._spawn = spawn  # starts a task in a nursery of all connections, cheaper than one for each connection
        # Tasks that wait for a message, for room, or for any other change; None until the first does.
        self._waiting: trio.lowlevel.ParkingLot | None = None
        self._unwritten = _NOTHING  # bytes that the kernel has not accepted; the writing task sends them
        self._broken = False  # a write has failed; bytes already received are still read

    # -- writing

    async def _write_rest(self) -> None:
        while self._unwritten and not self.gone:  # the socket may be gone since before this task began
            with contextlib.suppress(trio.ClosedResourceError):  # woken by `interrupt`, or the socket is closed
                await trio.lowlevel.wait_writable(self._socket)
            if self.gone:
                break
            try:
                self._unwritten = self._unwritten[self._socket.send(self._unwritten) :]
            except BlockingIOError:
                continue
            except OSError as error:
                self._broken = True
                await self._fail(error)
                return
        self._unwritten = _NOTHING  # an empty rest would keep all that was written
        self.output_drained()

    async def _fail(self, error: OSError) -> None:
        """After a failed write, read what arrived before: it may hold a close frame or a TLS alert."""
        with contextlib.suppress(OSError):  # nothing more to read
            while not self.gone and not self._eof and self.core.wants_read and (data := self._socket.recv(_READ_SIZE)):
                self.receive_data(data)
        self.lost(error)

    # -- reading

    async def wait_for_bytes(self) -> None:
        """Wait until the socket is readable, or until `interrupt`. For one task at a time."""
        try:
            await trio.lowlevel.wait_readable(self._socket)
        except trio.ClosedResourceError:
            return

    def read_now(self) -> None:
        """Read once without waiting, and pass the bytes, EOF or the error to the core."""
        if self.gone:
            return
        try:
            data = self._socket.recv(_READ_SIZE)
        except BlockingIOError:
            return  # read by another task meanwhile, or a spurious wake-up (select(2)): the caller retries
        except OSError as error:
            self.lost(error)
            return
        if data:
            self.receive_data(data)
        else:
            self.receive_eof()

    def interrupt(self) -> None:
        """Wake the tasks that wait for the socket."""
        trio.lowlevel.notify_closing(self._socket)  # meant for closing sockets, but all it does is wake the waiters

    # -- primitives

    def write(self, data: bytes) -> None:
        """As in `Driver`."""
        if self._unwritten:  # although `writable` is False: TLS writes on its own account, such as an alert
            self._unwritten = memoryview(bytes(self._unwritten) + data)
            return
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._broken = True
            self._spawn(self._fail, error)  # in a task: the caller may be in the middle of handling received data
            return
        if sent < len(data):
            self.writable = False
            self._unwritten = memoryview(data)[sent:]
            self._spawn(self._write_rest)

    def broken(self) -> bool:
        """As in `Driver`."""
        return self._broken

    def unsent(self) -> int:
        """As in `Driver`."""
        return len(self._unwritten) + unacknowledged_bytes(self._socket)

    def set_reading(self, on: bool) -> None:
        """As in `Driver`. Readers look at `wants_read` before each read, and wait for changes meanwhile."""

    def shut_down_writing(self) -> None:
        """As in `Driver`."""
        with contextlib.suppress(OSError):  # reset meanwhile: the next read reports it
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """As in `Driver`. Everything has been written by now."""
        self.lost()

    def abort(self) -> None:
        """As in `Driver`."""
        self.lost()

    def lost(self, error: Exception | None = None) -> None:
        """As in `Driver`. Close the socket and wake every task that waits for it."""
        super().lost(error)
        if self._socket.fileno() >= 0:
            self.interrupt()
            self._socket.close()

    # -- waiting

    async def checkpoint(self) -> None:
        """As in `Driver`. Runs on every step, because the credit is 0: each step is a cancellation point."""
        if not self._credit % _MESSAGES_A_LOOK and self.turn_is_over():
            await trio.lowlevel.checkpoint()
            self.begin_turn()
        else:
            await trio.lowlevel.checkpoint_if_cancelled()

    async def yield_control(self) -> None:
        """As in `ServerDriver` and `AsyncClientDriver`."""
        await trio.lowlevel.checkpoint()

    async def wait_for_change(self) -> None:
        """Wait for `wake_waiting`."""
        if self._waiting is None:
            self._waiting = trio.lowlevel.ParkingLot()
        await self._waiting.park()

    def wake_waiting(self) -> None:
        """Wake all tasks that wait for a message, for room, or for any other change."""
        if self._waiting:
            self._waiting.unpark_all()

    wait_for_room = wait_for_change
    wake_senders = wake_waiting
