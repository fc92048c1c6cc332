"""What trio gives a driver: a socket, a task that reads and keeps the time, and ways to wait.

The socket is read and written without a stream around it, since a stream's checkpoints cost as much as the system
calls. What is said is written at once by who says it, as far as the system takes it; the rest has a task of its own, so
that cancelling whoever speaks leaves no half of a frame on the wire.
"""

from __future__ import annotations

import contextlib
import math
import socket
from collections.abc import Callable
from typing import Final, TypeVar

import trio

from wscore import ClientConnection, Driver, ServerConnection
from wscore.sockets import unacknowledged

__all__ = ["Port"]

Core = TypeVar("Core", ServerConnection, ClientConnection)

_READ_SIZE: Final = 2**16
_MESSAGES_A_LOOK: Final = 16


class Port(Driver[Core]):
    """The primitives of a driver over a non-blocking socket; `prepare` comes first, and `watch` is its task."""

    __slots__ = (
        "_attending",
        "_broken",
        "_check_at",
        "_patience",
        "_socket",
        "_spawn",
        "_unwritten",
        "_waiting",
        "_watcher",
    )

    _socket: socket.socket
    _spawn: Callable[..., None]
    """Starts a task: one nursery for all connections costs less than one for each."""
    _waiting: trio.lowlevel.ParkingLot
    """Tasks that wait for a message, for room, for anything."""
    _watcher: trio.lowlevel.ParkingLot
    _patience: trio.CancelScope
    """Around what the watcher waits for."""
    _attending: bool
    """The watcher reads."""
    _check_at: float
    """When to call `check`."""
    _unwritten: memoryview
    """What the writing task holds."""
    _broken: bool
    """Writing has failed; what has come is still read."""

    def prepare(self, sock: socket.socket, spawn: Callable[..., None]) -> None:
        """Set up what stands beside the driver's own."""
        self._fresh_credit = self._credit = 0
        self._socket = sock
        self._spawn = spawn
        self._waiting = trio.lowlevel.ParkingLot()
        self._watcher = trio.lowlevel.ParkingLot()
        self._patience = trio.CancelScope()
        self._attending = True
        self._check_at = math.inf
        self._unwritten = memoryview(b"")
        self._broken = False

    # -- the tasks

    async def watch(self) -> None:
        """Read, where nobody else does, and keep the time, until the socket is closed."""
        try:
            self.start()
            if self.core.wants_read:
                self.read_now()  # what a peer says first has mostly come with its connection
            while not self.gone:
                with trio.CancelScope(deadline=self._next_look()) as self._patience:
                    while not self.gone:  # one scope for many waits: `set_deadline` moves its deadline
                        if self._attending and self.core.wants_read:
                            await self.wait_for_bytes()
                            self.read_now()
                        else:
                            await self._watcher.park()
                        if self._flush_planned:
                            self.flush()
                if self._patience.cancelled_caught:
                    self._look()
        finally:
            self.lost()

    async def _write_rest(self) -> None:
        while self._unwritten and not self.gone:  # which it may be since before this task began
            with contextlib.suppress(trio.ClosedResourceError):  # somebody was interrupted, or the socket is closed
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
        """Having failed to write, take what had come before: a close frame perhaps, or an alert of TLS."""
        with contextlib.suppress(OSError):  # there is no more
            while not self.gone and not self._eof and self.core.wants_read and (data := self._socket.recv(_READ_SIZE)):
                self.receive_data(data)
        self.lost(error)

    # -- reading

    async def wait_for_bytes(self) -> None:
        """Wait until `read_now` may find some; for one task at a time. `interrupt` ends it early."""
        try:
            await trio.lowlevel.wait_readable(self._socket)
        except trio.ClosedResourceError:
            return

    def read_now(self) -> None:
        """Take what has come already."""
        if self.gone:
            return
        try:
            data = self._socket.recv(_READ_SIZE)
        except BlockingIOError:
            return  # somebody else has taken it, or the system was wrong (select(2)): who waited looks again
        except OSError as error:
            self.lost(error)
            return
        if data:
            self.receive_data(data)
        else:
            self.receive_eof()

    def interrupt(self) -> None:
        """Let who waits in `wait_for_bytes` look again."""
        trio.lowlevel.notify_closing(self._socket)  # which is for sockets about to be closed, but wakes as well without

    # -- the time

    def check(self) -> None:
        """Do what `_check_at` was set for."""

    def _look(self) -> None:
        now = self.time()
        if self._armed is not None and now >= self._armed:
            if self.core.wants_read:
                self.read_now()  # nobody may have looked for a while, and a pong that has come is in time
            self.timed_out()
        if now >= self._check_at:
            self._check_at = math.inf
            self.check()

    def _next_look(self) -> float:
        return self._check_at if self._armed is None else min(self._armed, self._check_at)

    def look_by(self, at: float) -> None:
        """Look at the time again at `at`, or sooner."""
        if at < self._patience.deadline:  # noqa: PLR1730 - setting it costs, even to what it is
            self._patience.deadline = at

    # -- primitives

    def write(self, data: bytes) -> None:
        """As in `Driver`."""
        if self._unwritten:  # TLS has a word of its own to say
            self._unwritten = memoryview(bytes(self._unwritten) + data)
            return
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._broken = True
            self._spawn(self._fail, error)  # not now: this may be in the middle of what came before
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
        return len(self._unwritten) + unacknowledged(self._socket)

    def set_deadline(self, at: float | None) -> None:
        """As in `Driver`."""
        if at is not None:
            self.look_by(at)

    def set_reading(self, on: bool) -> None:
        """As in `Driver`: who reads asks before each time."""
        if on:
            self._watcher.unpark_all()

    def shut_down_writing(self) -> None:
        """As in `Driver`."""
        with contextlib.suppress(OSError):  # reset meanwhile: the next read will say so
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """As in `Driver`: everything is written."""
        self.lost()

    def abort(self) -> None:
        """As in `Driver`."""
        self.lost()

    def make_room(self) -> None:
        """As in `Driver`."""
        self._waiting.unpark_all()

    def lost(self, error: Exception | None = None) -> None:
        """As in `Driver`; close the socket, and let who waits for it hear of that."""
        super().lost(error)
        if self._socket.fileno() >= 0:
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()
        self._watcher.unpark_all()

    # -- waiting

    async def checkpoint(self) -> None:
        """As in `Driver`; without credit, so that every step comes here, and heeds a cancellation."""
        if not self._credit % _MESSAGES_A_LOOK and self.turn_is_over():
            await trio.lowlevel.checkpoint()
            self.begin_turn()
        else:
            await trio.lowlevel.checkpoint_if_cancelled()

    async def give_way(self) -> None:
        """As in `ServerDriver` and `Link`."""
        await trio.lowlevel.checkpoint()

    async def wait_for_room(self) -> None:
        """Wait for `make_room`, or for anything."""
        await self._waiting.park()
