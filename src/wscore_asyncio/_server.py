"""A server on asyncio: listeners, connections, and the graceful end."""

from __future__ import annotations

import asyncio
import socket
import ssl as ssl_module
from collections.abc import Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self

from wscore import Admission, Application, Config, LifespanMode, admission
from wscore.transport.serving import BaseServer, ServerOptions
from wscore.transport.sockets import peer_of
from wscore.transport.tls import TLS

from ._connection import Connection, ServerContext
from ._waiting import Loop

__all__ = ["Server", "serve"]

_READ_SIZE = 2**18
_ACCEPTED_A_TURN = 64


def serve(
    app: Application,
    host: str | None = "127.0.0.1",
    port: int = 0,
    *,
    uds: str | None = None,
    sock: socket.socket | Sequence[socket.socket] | None = None,
    ssl: ssl_module.SSLContext | None = None,
    config: Config | None = None,
    lifespan: LifespanMode = "auto",
    access_log: bool = True,
) -> Server:
    """Serve `app`: `async with serve(app, "127.0.0.1", 8000) as server: await server.serve_forever()`.

    It listens on `host` and `port` (None: all interfaces; 0: a free port), or on the unix socket `uds`, or on `sock`,
    one or several that are bound already. `ssl` makes it wss. Entering raises OSError where that cannot be listened on,
    and StartupFailed with the application's own words where its lifespan fails. No signal handler is touched.

    Raises TypeError for what is no application, and ValueError for options that contradict themselves.
    """
    return Server(ServerOptions(app, host, port, uds, sock, ssl, config, lifespan, access_log))


class Server(BaseServer[Connection]):
    """A running server; made by `serve`, and an async context manager that ends gracefully."""

    def __init__(self, options: ServerOptions) -> None:
        super().__init__(options, Loop())
        self._ssl = options.ssl
        self._service = ServerContext(
            options.app,
            self._config,
            self._lifespan.state,
            options.access_log,
            memoryview(bytearray(_READ_SIZE)),
            self._connections,
            self._forget,
        )
        self._living: asyncio.Task[None] | None = None  # the lifespan
        self._tasks: set[asyncio.Task[None]] = set()  # sockets on their way to a connection
        self._retries: dict[socket.socket, asyncio.TimerHandle] = {}

    async def __aenter__(self) -> Self:
        """Listen, start the application, and accept connections."""
        self._listeners = await self._options.listen(asyncio.get_running_loop().getaddrinfo)
        try:
            await self._start(self._spawn)
            for sock in self.sockets:
                self._watch(sock)
        except BaseException:
            self.abort()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End gracefully."""
        await self.close()

    async def serve_forever(self) -> None:
        """Wait until the server was closed."""
        await self._until_over()

    def stop_accepting(self) -> None:
        """Accept no more connections. Those that are there go on, handshakes included, until `close`."""
        for retry in self._retries.values():
            retry.cancel()
        for sock in self.sockets:
            if sock.fileno() >= 0:
                asyncio.get_running_loop().remove_reader(sock)
        self._listeners.close()

    async def close(self) -> None:
        """End gracefully: stop accepting, ask every connection to end, give the applications their grace, then abort.

        Cancelled in the middle, it aborts at once.
        """
        if self._shutdown.begun:
            await self._until_over()
            return
        try:
            await self._shut_down()
        finally:
            self.abort()

    def abort(self) -> None:
        """End at once: close every socket, cancel every application."""
        self._abort()

    # -- connections

    def _watch(self, listener: socket.socket) -> None:
        """Accept by hand: a cancelled `loop.sock_accept` may drop the socket that it had just accepted."""
        asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        if pause := self._take_some(listener, _ACCEPTED_A_TURN, self._take):
            loop = asyncio.get_running_loop()
            loop.remove_reader(listener)
            self._retries[listener] = loop.call_later(pause, self._watch, listener)

    def _take(self, sock: socket.socket) -> None:
        verdict = admission(self._config, len(self._accepted))
        if verdict is Admission.DROP:
            sock.close()
            return
        self._accepted.add(sock)
        loop = asyncio.get_running_loop()
        task = loop.create_task(self._start_connection(sock, loop.time(), reject=verdict is Admission.REJECT))
        self._tasks.add(task)
        task.add_done_callback(partial(self._connection_started, sock))

    def _connection_started(self, sock: socket.socket, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():  # perhaps before its first step, so it cannot see to that itself
            sock.close()
            self._forget(sock)

    async def _start_connection(self, sock: socket.socket, accepted_at: float, *, reject: bool) -> None:
        """Make a socket a connection."""
        channel = None if self._ssl is None else TLS(self._ssl, server_side=True)
        make = partial(Connection, self._service, sock, peer_of(sock), channel, accepted_at=accepted_at, reject=reject)
        await asyncio.get_running_loop().connect_accepted_socket(make, sock)

    # -- the end

    def _ask(self) -> None:
        self._stop_accepting()
        super()._ask()

    def _cut_off(self) -> None:
        self._stop_accepting()
        for connection in list(self._connections):
            connection.cut()

    def _end(self) -> None:
        if self._living is not None:
            self._living.cancel()

    def _stop_accepting(self) -> None:
        for task in self._tasks:
            task.cancel()
        self.stop_accepting()

    def _spawn(self, run: Any) -> None:
        self._living = asyncio.create_task(run())
