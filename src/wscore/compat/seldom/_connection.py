"""A client's connection over a socket and a selector: driven by one thread, usable from any."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import threading
import time
from typing import Any, Final

from wscore import ClientConnection, ClientDriver, HandshakeFailed
from wscore.transport.connecting import Destination

__all__ = ["Connection"]

_READ: Final = selectors.EVENT_READ
_WRITE: Final = selectors.EVENT_WRITE
_CHUNK: Final = 65536


class Connection(ClientDriver):
    """A driver and its socket. One thread calls `open`, then `turn` until it is `gone`, then `release`.

    Any thread may use `core` while it holds `lock`, and must then call `ring`. `lock` notifies of every change.

    Raises:
        HandshakeFailed: No certificate can be for this host.
    """

    def __init__(self, destination: Destination, core: ClientConnection) -> None:
        super().__init__(core, time.monotonic, destination.tunnel(core.config))
        self.writable = False  # there is no socket yet
        self.lock = threading.Condition()
        self._destination = destination
        self._sock: socket.socket | None = None
        self._rest = memoryview(b"")  # written, but not yet sent
        self._wants_read = True
        self._due: float | None = None
        self._watched = 0  # the events that the selector watches for
        self._bell, self._ear = socket.socketpair()
        self._bell.setblocking(False)
        self._ear.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._ear, _READ)

    def ring(self) -> None:
        """Wake the driving thread, so that it looks at the core again."""
        with contextlib.suppress(OSError):  # full of unread wake-ups, or closed
            self._bell.send(b"!")

    def open(self) -> None:
        """Connect, and wait for the handshake. Raises HandshakeFailed or a subclass."""
        try:
            if self._reach():
                with self.lock:
                    self.writable = True
                    self.start()
            while not self.handshake_over:
                self.turn()
        except (OSError, UnicodeError) as error:  # a UnicodeError for an invalid host name
            if isinstance(error, HandshakeFailed):
                raise
            raise self._destination.failed(error) from error

    def turn(self) -> None:
        """Wait until the socket is ready, a thread calls `ring` or the deadline expires, and run the driver."""
        with self.lock:
            self.sync()
            if not self.gone:
                ready = self._wait((_READ if self._wants_read else 0) | (_WRITE if self._rest else 0))
                if ready & _READ:
                    self._read()
                if ready & _WRITE and not self.gone:
                    self._write_rest()
                self._keep_time()  # after processing what has arrived by then

    def release(self) -> None:
        """Close the socket, whatever its state."""
        with self.lock:
            self.lost()
        self._selector.close()
        for sock in (self._sock, self._bell, self._ear):
            if sock is not None:
                sock.close()

    # -- connecting

    def _reach(self) -> bool:
        """Connect to the first address that accepts. OSError if none does, False if the core has given up."""
        uri = self._destination.uri
        failures: list[OSError] = []
        for family, kind, protocol, _, address in socket.getaddrinfo(uri.host, uri.port, type=socket.SOCK_STREAM):
            self._sock = socket.socket(family, kind, protocol)
            self._sock.setblocking(False)
            try:
                if self._connect(address):
                    return True
            except OSError as error:
                failures.append(error)
            self._watch(0)
            self._sock.close()
            if self.gone:
                return False
        raise failures[0]

    def _connect(self, address: tuple[Any, ...]) -> bool:
        """Connect the socket. Return False if the core has given up meanwhile."""
        sock = self._socket
        with contextlib.suppress(BlockingIOError):
            sock.connect(address)
        with self.lock:
            self.sync()
            while not self._wait(_WRITE):
                self._keep_time()
                self.sync()
                if self.gone:
                    return False
        number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            raise OSError(number, os.strerror(number))
        return True

    # -- what `turn` does, under the lock

    @property
    def _socket(self) -> socket.socket:
        assert self._sock is not None
        return self._sock

    def _watch(self, events: int) -> None:
        if events != self._watched:
            if self._watched:
                self._selector.unregister(self._socket)
            if events:
                self._selector.register(self._socket, events)
            self._watched = events

    def _wait(self, events: int) -> int:
        """Return for which of `events` the socket is ready; the lock is released while waiting."""
        self._watch(events)
        due = self._due
        ready = 0
        self.lock.release()
        try:
            wait = None if due is None else max(0.0, due - self.time())
            for key, mask in self._selector.select(wait):
                if key.fileobj is self._ear:
                    self._ear.recv(_CHUNK)
                else:
                    ready = mask
        finally:
            self.lock.acquire()
        return ready

    def _read(self) -> None:
        try:
            data = self._socket.recv(_CHUNK)
        except BlockingIOError:
            return  # select may report a socket that is not ready after all
        except OSError as error:
            self.lost(error)
            return
        if data:
            self.receive_data(data)
        else:
            self._wants_read = False
            self.receive_eof()

    def _write_rest(self) -> None:
        rest, self._rest = self._rest, memoryview(b"")
        self._send(rest)
        if not self._rest and not self.gone:
            self.output_drained()

    def _send(self, data: memoryview) -> None:
        try:
            data = data[self._socket.send(data) :]
        except BlockingIOError:
            pass
        except OSError as error:
            self.lost(error)
            return
        self._rest = data

    def _keep_time(self) -> None:
        if self._due is not None and self.time() >= self._due:
            self._due = None
            self.timed_out()

    # -- primitives

    def write(self, data: bytes) -> None:
        """As in `Driver`."""
        if self._rest:  # TLS may write while `writable` is false
            self._rest = memoryview(bytes(self._rest) + data)
        else:
            self._send(memoryview(data))
        self.writable = self.gone or not self._rest

    def unsent(self) -> int:
        """As in `Driver`."""
        return len(self._rest)

    def set_deadline(self, at: float | None) -> None:
        """As in `Driver`."""
        self._due = at

    def set_reading(self, on: bool) -> None:
        """As in `Driver`."""
        self._wants_read = on

    def shut_down_writing(self) -> None:
        """As in `Driver`."""
        with contextlib.suppress(OSError):  # reset meanwhile: the next read reports it
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """As in `Driver`: everything is written, and `release` closes the socket."""
        self.lost()

    def abort(self) -> None:
        """As in `Driver`."""
        self.lost()

    def wake(self) -> None:
        """As in `Driver`."""
        self.lock.notify_all()

    def wake_senders(self) -> None:
        """As in `Driver`."""
        self.lock.notify_all()

    def tell(self) -> None:
        """As in `ClientDriver`."""
        self.lock.notify_all()
