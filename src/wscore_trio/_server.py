"""A server on trio: listeners, connections, and the graceful end."""

from __future__ import annotations

import socket
import ssl as ssl_module
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final

import trio

from wscore import Admission, Application, Config, LifespanMode, StartupFailed, admission
from wscore.transport.server_log import error_log
from wscore.transport.serving import BaseServer, ServerOptions
from wscore.transport.tls import TLS

from ._connection import Connection
from ._waiting import Loop

__all__ = ["Server", "serve"]


_ACCEPTS_A_TURN: Final = 16  # connections taken without giving way to those that are there


async def serve(
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
    task_status: trio.TaskStatus[Server] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `app`: `server = await nursery.start(partial(serve, app, "127.0.0.1", 8000))`.

    It listens on `host` and `port` (None: all interfaces; 0: a free port), or on the unix socket `uds`, or on `sock`,
    one or several that are bound already. `ssl` makes it wss. It raises OSError where that cannot be listened on, and
    StartupFailed with the application's own words where its lifespan fails. `Server.close` ends it gracefully;
    cancelling aborts.

    Raises TypeError for what is no application, and ValueError for options that contradict themselves.
    """
    server = Server(ServerOptions(app, host, port, uds, sock, ssl, config, lifespan, access_log))
    await server._run(task_status)  # pyright: ignore[reportPrivateUsage]


class Server(BaseServer[Connection]):
    """A running server: what `nursery.start` gives."""

    def __init__(self, options: ServerOptions) -> None:
        super().__init__(options, Loop())
        self._app = options.app
        self._ssl = options.ssl
        self._log_access = options.access_log
        self._accepting = trio.CancelScope()
        self._close = trio.Event()
        self._everything = trio.CancelScope()
        self._all_connections = trio.CancelScope()

    def stop_accepting(self) -> None:
        """Accept no more connections. Those that are there go on, handshakes included, until `close`."""
        self._accepting.cancel()

    def close(self) -> None:
        """Begin the graceful end: stop accepting, ask every connection to end, give the applications their grace.

        `serve` returns when it is over.
        """
        self.stop_accepting()
        self._close.set()

    async def _run(self, started: trio.TaskStatus[Server]) -> None:
        self._listeners = await self._options.listen(trio.socket.getaddrinfo)
        failure: Exception | None = None  # kept from the nursery, which would wrap it
        try:
            with self._everything:
                async with trio.open_nursery() as nursery:
                    try:
                        await self._start(nursery.start_soon)
                    except (StartupFailed, OSError) as error:
                        failure = error
                        self._end()
                    else:
                        await self._accept_until_closed(nursery, started)
                        await self._shut_down()
        finally:
            self._listeners.close()
        if failure is not None:
            raise failure

    async def _accept_until_closed(self, nursery: trio.Nursery, started: trio.TaskStatus[Server]) -> None:
        # In a task of its own: what does not end when it is cancelled must not keep the lifespan from its shutdown.
        connections: trio.Nursery = await nursery.start(self._hold_connections)
        isolated: Any = _isolated  # whose arguments are those of the task
        with self._accepting:
            async with trio.open_nursery() as accepting:
                for sock in self.sockets:
                    accepting.start_soon(self._accept, sock, partial(connections.start_soon, isolated))
                started.started(self)
        self._listeners.close()
        await self._close.wait()

    async def _hold_connections(self, *, task_status: trio.TaskStatus[trio.Nursery]) -> None:
        with self._all_connections:
            async with trio.open_nursery() as connections:
                task_status.started(connections)
                await trio.sleep_forever()

    def _cut_off(self) -> None:
        self._all_connections.cancel()

    def _end(self) -> None:
        self._everything.cancel()

    # -- connections

    async def _accept(self, listener: socket.socket, start: Callable[..., None]) -> None:
        while True:
            await trio.lowlevel.wait_readable(listener)
            if pause := self._take_some(listener, _ACCEPTS_A_TURN, partial(self._take, start=start)):
                await trio.sleep(pause)

    def _take(self, sock: socket.socket, start: Callable[..., None]) -> None:
        verdict = admission(self._config, len(self._accepted))
        if verdict is Admission.DROP:
            sock.close()
            return
        self._accepted.add(sock)
        reject = verdict is Admission.REJECT
        start(self._serve, sock, start, trio.current_time(), reject)

    async def _serve(self, sock: socket.socket, start: Callable[..., None], accepted_at: float, reject: bool) -> None:
        connection = Connection(
            sock,
            self._app,
            self._config,
            None if self._ssl is None else TLS(self._ssl, server_side=True),
            start,
            state=self._lifespan.state,
            accepted_at=accepted_at,
            reject=reject,
            log_access=self._log_access,
        )
        self._connections.add(connection)
        try:
            if self._close.is_set():
                connection.begin_shutdown(self._config.shutdown_code)
            await connection.run()
        finally:
            self._connections.discard(connection)
            self._forget(sock)


async def _isolated(task: Callable[..., Awaitable[None]], *args: Any) -> None:
    """Run a task of one connection; whatever happens in it, the others hear nothing of it."""
    try:
        await task(*args)
    except Exception as error:
        error_log.error("a connection failed", exc_info=error)
