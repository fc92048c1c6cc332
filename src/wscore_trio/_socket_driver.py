"""The primitives of a driver on trio: a socket, a watcher task that reads and handles deadlines, and ways to wait.

The socket is used without a trio stream, because a stream's checkpoints cost as much as the system calls. The sending
task writes as much as the kernel accepts immediately; a separate task writes the rest, so that cancelling the sender
leaves no partial frame on the wire.

Who reads: the watcher task (`watch`) while `_reading_for_application` is set. A client's watcher always reads. On a
server the application's task reads its own socket while it waits for a message; see `_connection`.
"""

from __future__ import annotations

import contextlib
import math
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


class SocketDriver(Driver[Core]):
    """The primitives of a driver over a non-blocking socket. Call `prepare` first; `watch` is the watcher task."""

    __slots__ = (
        "_broken",
        "_poll_at",
        "_reading_for_application",
        "_socket",
        "_spawn",
        "_unwritten",
        "_wait_scope",
        "_waiting",
        "_watcher",
    )

    _socket: socket.socket
    _spawn: Callable[..., None]
    """Starts a task in a nursery shared by all connections, which costs less than one nursery per connection."""
    _waiting: trio.lowlevel.ParkingLot
    """Tasks that wait for a message, for room, or for any other change."""
    _watcher: trio.lowlevel.ParkingLot
    _wait_scope: trio.CancelScope
    """Surrounds the watcher's waits; its deadline is the next time to look at the clock."""
    _reading_for_application: bool
    """The watcher reads, in place of the application's task."""
    _poll_at: float
    """When to call `check`."""
    _unwritten: memoryview
    """Bytes that the kernel has not accepted; the writing task sends them."""
    _broken: bool
    """A write has failed; bytes already received are still read."""

    def prepare(self, sock: socket.socket, spawn: Callable[..., None]) -> None:
        """Initialize this class's attributes."""
        self._fresh_credit = self._credit = 0
        self._socket = sock
        self._spawn = spawn
        self._waiting = trio.lowlevel.ParkingLot()
        self._watcher = trio.lowlevel.ParkingLot()
        self._wait_scope = trio.CancelScope()
        self._reading_for_application = True
        self._poll_at = math.inf
        self._unwritten = memoryview(b"")
        self._broken = False

    # -- the tasks

    async def watch(self) -> None:
        """Read while `_reading_for_application` is set, and handle deadlines, until the socket is closed."""
        try:
            self.start()
            if self.core.wants_read:
                self.read_now()  # the peer's first bytes have usually arrived already
            while not self.gone:
                with trio.CancelScope(deadline=self._next_poll()) as self._wait_scope:
                    while not self.gone:  # one scope for many waits: `poll_by` moves its deadline
                        if self._reading_for_application and self.core.wants_read:
                            await self.wait_for_bytes()
                            self.read_now()
                        else:
                            await self._watcher.park()
                        if self._flush_planned:
                            self.flush()
                if self._wait_scope.cancelled_caught:
                    self._poll()
        finally:
            self.lost()

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
        """Wake the task in `wait_for_bytes`."""
        trio.lowlevel.notify_closing(self._socket)  # meant for closing sockets, but all it does is wake the waiters

    # -- deadlines

    def check(self) -> None:
        """Called when `_poll_at` is reached."""

    def _poll(self) -> None:
        now = self.time()
        if self._armed is not None and now >= self._armed:
            if self.core.wants_read:
                self.read_now()  # nobody may have read for a while; a pong that has arrived is in time
            self.timed_out()
        if now >= self._poll_at:
            self._poll_at = math.inf
            self.check()

    def _next_poll(self) -> float:
        return self._poll_at if self._armed is None else min(self._armed, self._poll_at)

    def poll_by(self, at: float) -> None:
        """Let the watcher look at the clock at the time `at` or earlier."""
        if at < self._wait_scope.deadline:  # noqa: PLR1730 - assigning is expensive, even the same value
            self._wait_scope.deadline = at

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

    def set_deadline(self, at: float | None) -> None:
        """As in `Driver`."""
        if at is not None:
            self.poll_by(at)

    def set_reading(self, on: bool) -> None:
        """As in `Driver`. The readers check `wants_read` before each read, so off needs no action."""
        if on:
            self._watcher.unpark_all()

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

    def wake_senders(self) -> None:
        """As in `Driver`."""
        self._waiting.unpark_all()

    def lost(self, error: Exception | None = None) -> None:
        """As in `Driver`. Close the socket and wake every task that waits for it."""
        super().lost(error)
        if self._socket.fileno() >= 0:
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()
        self._watcher.unpark_all()

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

    async def wait_for_room(self) -> None:
        """Wait for `wake_senders`, or for any other change."""
        await self._waiting.park()
