"""A transport without a driver: whatever it owes its connection's core is done by hand, on blocking sockets.

Each thing stands in a line of its own, so that a test can take it out; nothing here is how to do it.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from time import monotonic
from typing import Any

from wscore import Application, Closing, Config, ServerConnection


class Connection:
    def __init__(self, sock: socket.socket, app: Application, config: Config) -> None:
        sock.setblocking(False)
        self.sock, self.app = sock, app
        self.core = ServerConnection(config, now=monotonic())
        self.limit = config.max_output_size
        self.rest = b""  # taken from the core, and not by the system
        self.reads = True
        self.deadline = self.core.next_timeout()
        self.half_closed = self.gone = False

    def run(self) -> None:
        while self.core.scope is None and not self.gone:
            self.turn()
        if self.core.scope is not None:
            self.run_application()
        while not self.gone:
            self.turn()
        self.sock.close()

    def run_application(self) -> None:
        try:
            self.app(self.core.scope, self.receive, self.send).__await__().send(None)  # type: ignore[attr-defined]
        except StopIteration:
            self.core.application_returned(now=monotonic())
        except BaseException:
            self.core.application_raised(now=monotonic())
        self.look()

    async def receive(self) -> Any:
        while True:
            message = self.core.next_message(now=monotonic())
            self.adjust()
            if message is not None:
                return message
            self.core.check_receive()
            self.write()
            while not self.core.has_message:
                self.turn()

    async def send(self, message: Any) -> None:
        while self.full and self.core.needs_room(message):
            self.wait_for_room()
        self.core.send(message, now=monotonic())
        while self.full:
            self.wait_for_room()
        self.core.check_delivery()

    def wait_for_room(self) -> None:
        self.look()
        if self.full:
            self.turn()

    @property
    def full(self) -> bool:
        return not self.gone and (len(self.rest) >= self.limit or self.core.output_full)

    def turn(self) -> None:
        """Wait for whatever happens first."""
        if self.gone:
            threading.Event().wait()  # for ever
        wait = None if self.deadline is None else max(0.0, self.deadline - monotonic())
        readable, writable, _ = select.select(
            [self.sock] if self.reads else [], [self.sock] if self.rest else [], [], wait
        )
        if readable:
            self.read()
        if writable:
            self.look()
        if self.deadline is not None and monotonic() >= self.deadline and not self.gone:
            self.deadline = None
            self.core.handle_timeout(now=monotonic())
            self.look()

    def read(self) -> None:
        try:
            data = self.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError as error:
            self.lost(error)
            return
        if data:
            self.core.receive_data(data, now=monotonic())
        else:
            self.core.receive_eof(now=monotonic())
        self.look()

    def lost(self, error: OSError | None = None) -> None:
        self.gone, self.rest = True, b""
        self.core.connection_lost(now=monotonic(), error=error)

    def look(self) -> None:
        self.write()
        self.adjust()

    def write(self) -> None:
        if not self.rest:
            self.rest = self.core.data_to_send()
        try:
            self.rest = self.rest[self.sock.send(self.rest) :] if self.rest else b""
        except BlockingIOError:
            pass
        except OSError as error:
            self.lost(error)

    def adjust(self) -> None:
        self.reads = self.core.wants_read
        self.deadline = self.core.next_timeout()
        closing = self.core.closing
        if self.gone:
            return
        if closing is Closing.ABORT or (closing is Closing.CLOSE and not self.rest):
            self.lost()
        elif closing is Closing.SHUT_DOWN_WRITING and not self.rest and not self.half_closed:
            self.half_closed = True
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_WR)


def serve(app: Application, listener: socket.socket, config: Config) -> None:
    while True:
        try:
            sock, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=Connection(sock, app, config).run, daemon=True).start()
