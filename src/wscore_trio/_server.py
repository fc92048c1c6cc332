"""A server on trio: listeners, connections, and the graceful end."""

from __future__ import annotations

import logging
import socket
import ssl as ssl_module
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final

import trio

from wscore import Admission, Application, Config, LifespanMode, admission, out_of_resources
from wscore.listening import Listeners
from wscore.memory import keep_freed_memory
from wscore.tls import TLS

from ._connection import Connection
from ._lifespan import LifespanTask

__all__ = ["Server", "serve"]

error_log = logging.getLogger("wscore.error")

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
    """
    server = Server(app, ssl, config or Config(), lifespan, log_access=access_log)
    await server._run((host, port, uds, sock), task_status)  # pyright: ignore[reportPrivateUsage]


class Server:
    """A running server: what `nursery.start` gives."""

    def __init__(
        self,
        app: Application,
        ssl: ssl_module.SSLContext | None,
        config: Config,
        lifespan: LifespanMode,
        *,
        log_access: bool,
    ) -> None:
        self._listeners = Listeners()
        self._app = app
        self._ssl = ssl
        self._config = config
        self._log_access = log_access
        self._lifespan = LifespanTask(app, lifespan)
        self._connections: set[Connection] = set()
        self._accepted = 0  # sockets that are ours, those in a TLS handshake among them
        self._idle = trio.Event()
        self._accepting = trio.CancelScope()
        self._close = trio.Event()

    @property
    def sockets(self) -> list[socket.socket]:
        """What it listens on."""
        return self._listeners.sockets

    @property
    def port(self) -> int | None:
        """The TCP port; None on a unix socket."""
        return self._listeners.port

    def stop_accepting(self) -> None:
        """Accept no more connections. Those that are there go on, handshakes included, until `close`."""
        self._accepting.cancel()

    def close(self) -> None:
        """Begin the graceful end: stop accepting, ask every connection to end, give the applications their grace.

        `serve` returns when it is over.
        """
        self.stop_accepting()
        self._close.set()

    async def _run(
        self,
        address: tuple[str | None, int, str | None, socket.socket | Sequence[socket.socket] | None],
        started: trio.TaskStatus[Server],
    ) -> None:
        self._listeners = await _listen(*address)
        try:
            async with trio.open_nursery() as lifespan:
                await self._lifespan.start(lifespan, self._config.lifespan_timeout)
                if not self._lifespan.failed:
                    await self._serve_until_closed(started)
                lifespan.cancel_scope.cancel()
        finally:
            self._listeners.close()
        self._lifespan.check()

    async def _serve_until_closed(self, started: trio.TaskStatus[Server]) -> None:
        keep_freed_memory()
        self._listeners.listen(self._config.backlog)
        isolated: Any = _isolated  # whose arguments are those of the task
        async with trio.open_nursery() as connections:
            with self._accepting:
                async with trio.open_nursery() as accepting:
                    for sock in self.sockets:
                        accepting.start_soon(self._accept, sock, partial(connections.start_soon, isolated))
                    started.started(self)
            self._listeners.close()
            await self._close.wait()
            last = trio.current_time() + self._config.shutdown_grace + self._config.close_timeout
            await self._end_connections(last)
            connections.cancel_scope.cancel()
        await self._lifespan.stop(last)

    # -- connections

    async def _accept(self, listener: socket.socket, start: Callable[..., None]) -> None:
        while True:
            await trio.lowlevel.wait_readable(listener)
            try:
                for _ in range(_ACCEPTS_A_TURN):
                    sock, _ = listener.accept()
                    self._take(sock, start)
            except BlockingIOError:
                pass
            except OSError as error:
                if out_of_resources(error):
                    error_log.error("cannot accept connections: %s", error.strerror)
                    await trio.sleep(self._config.accept_retry)

    def _take(self, sock: socket.socket, start: Callable[..., None]) -> None:
        verdict = admission(self._config, self._accepted)
        if verdict is Admission.DROP:
            sock.close()
            return
        sock.setblocking(False)
        self._accepted += 1
        turn_away = verdict is Admission.TURN_AWAY
        start(self._serve, sock, start, trio.current_time(), turn_away)

    async def _serve(
        self, sock: socket.socket, start: Callable[..., None], accepted_at: float, turn_away: bool
    ) -> None:
        connection = Connection(
            sock,
            self._app,
            self._config,
            None if self._ssl is None else TLS(self._ssl, server_side=True),
            start,
            state=self._lifespan.state,
            accepted_at=accepted_at,
            turn_away=turn_away,
            log_access=self._log_access,
        )
        self._connections.add(connection)
        try:
            if self._close.is_set():
                connection.begin_shutdown()
            await connection.run()
        finally:
            self._connections.discard(connection)
            self._accepted -= 1
            if not self._accepted:
                self._idle.set()

    async def _end_connections(self, last: float) -> None:
        for connection in list(self._connections):
            connection.begin_shutdown()
        with trio.move_on_after(self._config.shutdown_grace):
            await self._all_gone()
        for connection in list(self._connections):
            connection.cancel()
        with trio.move_on_at(last):
            await self._all_gone()

    async def _all_gone(self) -> None:
        while self._accepted:
            self._idle = trio.Event()
            await self._idle.wait()


async def _isolated(task: Callable[..., Awaitable[None]], *args: Any) -> None:
    """Run a task of one connection; whatever happens in it, the others hear nothing of it."""
    try:
        await task(*args)
    except Exception as error:
        error_log.error("a connection failed", exc_info=error)


async def _listen(
    host: str | None, port: int, uds: str | None, sock: socket.socket | Sequence[socket.socket] | None
) -> Listeners:
    if sock is not None:
        return Listeners([sock] if isinstance(sock, socket.socket) else sock)
    if uds is not None:
        return Listeners.unix(uds)
    infos = await trio.socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return Listeners.tcp(infos)
