"""A transport over plain blocking sockets, a thread for each connection; docs/howto/write-a-transport.md explains."""

import logging
import select
import socket
import threading
import time
from typing import Any

from wscore import Application, Closing, Config, Peer, ServerConnection, caused_by_disconnect


class Connection:
    def __init__(self, sock: socket.socket, app: Application, config: Config) -> None:
        self.sock, self.app, self.output = sock, app, b""
        self.read_ended = self.write_ended = self.over = False
        peer = Peer.of(sock.getpeername(), sock.getsockname())
        self.core = ServerConnection(config, peer=peer, now=time.monotonic())

    def run(self) -> None:
        while self.core.scope is None and not self.over:
            self.turn()
        if self.core.scope is not None:
            self.run_application()
        while not self.over:
            self.turn()
        self.core.connection_lost(now=time.monotonic())
        self.sock.close()

    def run_application(self) -> None:
        try:
            self.app(self.core.scope, self.receive, self.send).__await__().send(None)
            raise RuntimeError("the application waits for something that is neither receive nor send")
        except StopIteration:
            self.core.application_returned(now=time.monotonic())
        except Exception as error:
            if not caused_by_disconnect(error):
                logging.exception("the application failed on %r", self.core)
            self.core.application_raised(now=time.monotonic())

    async def receive(self) -> Any:
        while (message := self.core.next_message(now=time.monotonic())) is None:
            self.core.expect_message()
            self.turn()
        return message

    async def send(self, message: Any) -> None:
        self.core.send(message, now=time.monotonic())
        while (self.output or self.core.output_size) and not self.over:
            self.turn()
        self.core.expect_delivery()

    def turn(self) -> None:
        """Wait until the socket can be read or written, or the deadline has come; tell the core what happened."""
        core, sock = self.core, self.sock
        self.output += core.data_to_send()
        try:
            if core.closing is Closing.AFTER_FLUSH and not self.output:
                if self.read_ended:
                    self.over = True
                    return
                if not self.write_ended:
                    self.write_ended = True
                    sock.shutdown(socket.SHUT_WR)
            deadline = core.next_timeout()
            wait = None if deadline is None else max(0.0, deadline - time.monotonic())
            reading, writing = [sock] if core.wants_read else [], [sock] if self.output else []
            readable, writable, _ = select.select(reading, writing, [], wait)
            if readable and (data := sock.recv(65536)):
                core.receive_data(data, now=time.monotonic())
            elif readable:
                self.read_ended = True
                core.receive_eof(now=time.monotonic())
            if writable:
                self.output = self.output[sock.send(self.output) :]
        except OSError as error:
            core.connection_lost(now=time.monotonic(), error=error)
        core.handle_timeout(now=time.monotonic())
        self.over = core.closing is Closing.NOW


def serve(app: Application, listener: socket.socket, config: Config | None = None) -> None:
    """Serve `app` on a listening socket, until that is closed."""
    while True:
        try:
            sock, _ = listener.accept()
        except OSError:
            return
        sock.setblocking(False)
        threading.Thread(target=Connection(sock, app, config or Config()).run, daemon=True).start()
