"""A client's connection over a socket and a selector, which one thread turns and any may use."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import threading
import time
from typing import Any, Final

from wscore import ClientConnection, Closing
from wscore.connecting import Destination

from ._tls import TLS

__all__ = ["Connection"]

_READ: Final = selectors.EVENT_READ
_WRITE: Final = selectors.EVENT_WRITE
_CHUNK: Final = 65536


class Connection:
    """A core and its socket. `open` and then `turn`, until `over`, are for one thread; `close` ends it.

    Any thread may use `core` while it holds `lock`, and then calls `wake`. Whatever has changed `lock` notifies.
    """

    def __init__(self, destination: Destination, core: ClientConnection) -> None:
        self.core = core
        self.lock = threading.Condition()
        self.over = False
        """The socket has nothing more to give or to take."""
        self._destination = destination
        self._sock: socket.socket | None = None
        self._tls: TLS | None = None
        self._unsent = memoryview(b"")
        self._read_ended = self._write_ended = False
        self._events = 0  # what the selector watches the socket for
        self._bell, self._ear = socket.socketpair()
        self._bell.setblocking(False)
        self._ear.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._ear, _READ)

    def wake(self) -> None:
        """Let the thread that turns it look at the core again."""
        with contextlib.suppress(OSError):  # full of calls not heard yet, or closed
            self._bell.send(b"!")

    def open(self) -> None:
        """Connect, and wait for the handshake. Raises HandshakeFailed and its subclasses."""
        self._destination.check_names()
        try:
            if self._reach() and self._destination.tls is not None:
                self._tls = TLS(self._destination.tls, self._destination.server_hostname)
            while not self.core.opened and not self.over:
                self.turn()
        except (OSError, UnicodeError) as error:  # a UnicodeError for a host that is no name
            raise self._destination.failed(error) from error
        self.core.expect_open()

    def turn(self) -> None:
        """Wait until the socket is ready, a thread has called, or the time has come; let the core know.

        Raises OSError for what TLS has against a server before it trusts it.
        """
        with self.lock:
            try:
                self._take_output()
                self._end()
                if not self.over:
                    reading = _READ if self.core.wants_read and not self._read_ended else 0
                    self._pass_on(self._wait(reading | (_WRITE if self._unsent else 0)))
            except BlockingIOError:
                pass  # it was not ready after all, as a system may find
            except OSError as error:
                if self._tls is not None and not self._tls.ready:
                    raise
                self.core.connection_lost(now=time.monotonic(), error=error)
            self.core.handle_timeout(now=time.monotonic())  # behind what had come by then
            self.lock.notify_all()

    def close(self) -> None:
        """Close the socket, whatever its state."""
        with self.lock:
            self.core.connection_lost(now=time.monotonic())
            self.over = True
            self.lock.notify_all()
        self._selector.close()
        for sock in (self._sock, self._bell, self._ear):
            if sock is not None:
                sock.close()

    # -- connecting

    def _reach(self) -> bool:
        """Connect to the first address that takes it. OSError where none does, False where the core has given up."""
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
            if self.over:
                return False
        raise failures[0]

    def _connect(self, address: tuple[Any, ...]) -> bool:
        """Connect the socket; False where the core has given up meanwhile."""
        sock = self._socket
        with contextlib.suppress(BlockingIOError):
            sock.connect(address)
        with self.lock:
            while not self._wait(_WRITE):
                self.core.handle_timeout(now=time.monotonic())
                self._end()
                if self.over:
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
        if events != self._events:
            if self._events:
                self._selector.unregister(self._socket)
            if events:
                self._selector.register(self._socket, events)
            self._events = events

    def _wait(self, events: int) -> int:
        """Give for which of `events` the socket is ready; the lock is another's meanwhile."""
        self._watch(events)
        deadline = self.core.next_timeout()
        ready = 0
        self.lock.release()
        try:
            wait = None if deadline is None else max(0.0, deadline - time.monotonic())
            for key, mask in self._selector.select(wait):
                if key.fileobj is self._ear:
                    self._ear.recv(_CHUNK)
                else:
                    ready = mask
        finally:
            self.lock.acquire()
        return ready

    def _take_output(self) -> None:
        if self._unsent:
            return
        if self._tls is None:
            self._unsent = memoryview(self.core.data_to_send())
            return
        if self._tls.ready and self.core.output_size:
            self._tls.send(self.core.data_to_send())
        self._unsent = memoryview(self._tls.outgoing())

    def _pass_on(self, ready: int) -> None:
        sock, now = self._socket, time.monotonic()
        if ready & _READ:
            said = sock.recv(_CHUNK)
            ended = not said
            if self._tls is not None:
                said, ended = self._tls.receive(said)
            self.core.receive_data(said, now=now)
            if ended:
                self._read_ended = True
                self.core.receive_eof(now=now)
        if ready & _WRITE:
            self._unsent = self._unsent[sock.send(self._unsent) :]

    def _end(self) -> None:
        """Heed `closing`."""
        closing = self.core.closing
        if closing is Closing.NOW:
            self.over = True
        elif closing is Closing.AFTER_FLUSH and not self._unsent and not self.core.output_size:
            if self._tls is not None:  # which cannot be ended on one side alone
                self._tls.end()
                self._socket.send(self._tls.outgoing())
                self.over = True
            elif self._read_ended:
                self.over = True
            elif not self._write_ended:
                self._write_ended = True
                self._socket.shutdown(socket.SHUT_WR)
