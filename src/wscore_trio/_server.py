"""The trio server: listeners, connections and graceful shutdown."""

from __future__ import annotations

import socket
import ssl as ssl_module
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final

import trio

from wscore import Admission, Application, Config, LifespanMode, StartupFailed, admission
from wscore.transport.recording import ConnectionRecorder, server_maker
from wscore.transport.server_log import error_log
from wscore.transport.serving import BaseServer, ServerOptions
from wscore.transport.tls import TLS

from ._connection import Connection
from ._event_loop import Loop
from ._server_context import ServerContext
from ._timekeeper import Timekeeper

__all__ = ["Server", "serve"]


_TASK_NAME: Final = "wscore_trio connection"  # trio would make a string for each task
_ACCEPTS_A_TURN: Final = 16  # connections accepted before existing ones get their turn


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
    recorder: ConnectionRecorder | None = None,
    task_status: trio.TaskStatus[Server] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `app`: `server = await nursery.start(partial(serve, app, "127.0.0.1", 8000))`.

    Binds, runs the application's lifespan startup, accepts connections, and returns once the server has shut down.
    `Server.close` begins a graceful shutdown. Cancelling aborts: every socket is closed and every application is
    cancelled. No signal handler is installed.

    Args:
        app: An ASGI 3 application, or an ASGI 2 one, which is wrapped.
        host: Name or address to listen on; None means all interfaces.
        port: TCP port; 0 picks a free one, see `Server.port`.
        uds: Path of a Unix socket to listen on instead of `host` and `port`. A socket that a killed server left there
            is replaced.
        sock: One or several bound sockets to listen on instead of `host` and `port`. The server owns and closes them.
        ssl: TLS context of a server; None serves without TLS.
        config: Limits and timeouts; None means `Config()`.
        lifespan: "auto": an application that raises or returns without answering `lifespan.startup` is served without
            a lifespan. "on": one that raises has failed to start. "off": the application's lifespan is not run.
        access_log: Log each handshake's answer and each connection's end to the logger `wscore.access`, level INFO.
            Failures go to `wscore.error` in any case.
        recorder: Makes the connections, all or a share of them recorded into files: a `wscore.recording.Recorder`.
        task_status: Set by `nursery.start`, which returns the `Server` once connections are accepted.

    Raises:
        TypeError: `app` is not an application.
        ValueError: `lifespan` is unknown, or both `uds` and `sock` are given.
        OSError: It cannot listen; the text names the address.
        StartupFailed: The lifespan startup failed; the text is the application's own message.
    """
    server = Server(ServerOptions(app, host, port, uds, sock, ssl, config, lifespan, access_log, recorder))
    await server._run(task_status)  # pyright: ignore[reportPrivateUsage]


class Server(BaseServer[Connection]):
    """A running server, returned by `nursery.start(partial(serve, ...))`."""

    def __init__(self, options: ServerOptions) -> None:
        super().__init__(options, Loop())
        self._accepting = trio.CancelScope()
        self._close = trio.Event()
        self._everything = trio.CancelScope()
        self._all_connections = trio.CancelScope()

    def stop_accepting(self) -> None:
        """Stop accepting; existing connections, handshakes included, continue until `close`.

        For a server whose sockets another process serves as well.
        """
        self._accepting.cancel()

    def close(self) -> None:
        """Begin a graceful shutdown, without waiting: `serve` returns when it is done. Idempotent.

        The server stops accepting and closes every connection with `config.shutdown_code`; after
        `config.shutdown_grace` seconds it cancels the applications still running, after `config.close_timeout` more it
        cuts the remaining connections. The lifespan shutdown has the rest of that time, at least 1 s.
        """
        self.stop_accepting()
        self._close.set()

    async def _run(self, started: trio.TaskStatus[Server]) -> None:
        self._listeners = await self._options.listen(trio.socket.getaddrinfo)
        failure: Exception | None = None  # not raised through the nursery, which would wrap it
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
        # In a separate task: an application that ignores its cancellation must not delay the lifespan shutdown.
        context = await nursery.start(self._hold_connections)
        try:
            with self._accepting:
                async with trio.open_nursery() as accepting:
                    for sock in self.sockets:
                        accepting.start_soon(self._accept, sock, partial(self._take, context))
                    started.started(self)
        finally:
            self._listeners.close()
        await self._close.wait()

    async def _hold_connections(self, *, task_status: trio.TaskStatus[ServerContext]) -> None:
        isolated: Any = _isolated  # Any: its further arguments are the task's
        timekeeper = Timekeeper()
        with self._all_connections:
            async with trio.open_nursery() as connections:
                connections.start_soon(self._keep_time, timekeeper)
                async with trio.open_nursery() as applications:
                    task_status.started(
                        ServerContext(
                            self._options.app,
                            server_maker(self._options.recorder),
                            self._config,
                            self._lifespan.state,
                            self._options.access_log,
                            timekeeper,
                            applications,
                            partial(connections.start_soon, isolated),
                            self._ended,
                        )
                    )
                    await trio.sleep_forever()

    async def _keep_time(self, timekeeper: Timekeeper) -> None:
        try:
            await timekeeper.run()
        finally:  # an application that resists its cancellation keeps its task, but no socket
            for connection in list(self._connections):
                timekeeper.take(connection, Connection.abort)

    def _cut_off(self) -> None:
        self._all_connections.cancel()

    def _end(self) -> None:
        self._everything.cancel()

    # -- connections

    async def _accept(self, listener: socket.socket, take: Callable[[socket.socket], None]) -> None:
        while True:
            await trio.lowlevel.wait_readable(listener)
            await trio.lowlevel.checkpoint_if_cancelled()  # else it could accept for a nursery that is closed already
            if pause := self._take_some(listener, _ACCEPTS_A_TURN, take):
                await trio.sleep(pause)

    def _take(self, context: ServerContext, sock: socket.socket) -> None:
        verdict = admission(self._config, len(self._accepted))
        if verdict is Admission.DROP:
            sock.close()
            return
        self._accepted.add(sock)
        tls = None if self._options.ssl is None else TLS(self._options.ssl, server_side=True)
        reject = verdict is Admission.REJECT
        connection = Connection(context, sock, tls, accepted_at=trio.current_time(), reject=reject)
        self._connections.add(connection)
        if self._close.is_set():
            connection.begin_shutdown(self._config.shutdown_code)
        context.applications.start_soon(connection.run, name=_TASK_NAME)

    def _ended(self, connection: Connection, sock: socket.socket) -> None:
        self._connections.discard(connection)
        self._forget(sock)


async def _isolated(task: Callable[..., Awaitable[None]], *args: Any) -> None:
    """Run a task of one connection, and log its failure instead of cancelling all other connections."""
    try:
        await task(*args)
    except Exception as error:
        error_log.error("a connection failed", exc_info=error)
