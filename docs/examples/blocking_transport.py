"""A transport over plain blocking sockets, a thread for each connection; docs/howto/write-a-transport.md explains."""

import contextlib
import select
import socket
import threading
import time

from wscore import Application, Config, Scope, ServerConnection
from wscore.transport.server_log import LoggedServerDriver
from wscore.transport.sockets import configure_socket, peer_of


class Connection(LoggedServerDriver):
    def __init__(self, sock: socket.socket, app: Application, config: Config) -> None:
        sock.setblocking(False)
        configure_socket(sock)
        super().__init__(ServerConnection(config, peer=peer_of(sock), now=time.monotonic()), time.monotonic)
        self.sock, self.app = sock, app
        self.due: float | None = None
        self.reads, self.rest, self.scope = True, b"", None

    def run(self) -> None:
        self.start()
        while self.scope is None and not self.gone:
            self.turn()
        if self.scope is not None:
            self.call_application()
        while not self.gone:
            self.turn()
        self.sock.close()

    def call_application(self) -> None:
        call = self.run_application(self.app, self.scope)
        with contextlib.suppress(StopIteration):  # it has returned
            call.send(None)
            call.throw(RuntimeError("the application waits for something that is neither receive nor send"))

    def turn(self) -> None:
        """Wait until the socket can be read or written, or the deadline has come, and report it to the driver."""
        wait = None if self.due is None else max(0.0, self.due - time.monotonic())
        reading, writing = [self.sock] if self.reads else [], [self.sock] if self.rest else []
        readable, writable, _ = select.select(reading, writing, [], wait)
        try:
            if readable:
                if data := self.sock.recv(65536):
                    self.receive_data(data)
                else:
                    self.reads = False
                    self.receive_eof()
            if writable and self.rest:
                self.rest = self.rest[self.sock.send(self.rest) :]
                if not self.rest:
                    self.output_drained()
        except BlockingIOError:
            pass  # a spurious wake-up
        except OSError as error:
            self.lost(error)
        if self.due is not None and time.monotonic() >= self.due:
            self.timed_out()

    # What the application waits for. It waits for nothing else, so there is no one to wake.

    async def wait_for_message(self) -> None:
        self.turn()

    async def wait_for_room(self) -> None:
        self.turn()

    async def yield_control(self) -> None:
        """No other task runs in this thread."""

    def wake(self) -> None: ...

    def wake_senders(self) -> None: ...

    # The driver's primitives.

    def write(self, data: bytes) -> None:
        self.rest += data
        try:
            self.rest = self.rest[self.sock.send(self.rest) :]
        except BlockingIOError:
            pass
        except OSError as error:
            self.lost(error)
        self.writable = self.gone or not self.rest

    def unsent(self) -> int:
        return len(self.rest)

    def set_deadline(self, at: float | None) -> None:
        self.due = at

    def set_reading(self, on: bool) -> None:
        self.reads = on

    def shut_down_writing(self) -> None:
        with contextlib.suppress(OSError):  # reset meanwhile: the next read reports it
            self.sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.lost()

    def abort(self) -> None:
        self.lost()

    def start_application(self, scope: Scope) -> None:
        self.scope = scope


def serve(app: Application, listener: socket.socket, config: Config | None = None) -> None:
    """Serve `app` until another thread closes the listening socket, which is noticed within half a second.

    Open connections continue in daemon threads.
    """
    while listener.fileno() >= 0:
        with contextlib.suppress(OSError):  # no client, one that has left again, or a closed listener
            listener.settimeout(0.5)
            sock, _ = listener.accept()
            threading.Thread(target=Connection(sock, app, config or Config()).run, daemon=True).start()
