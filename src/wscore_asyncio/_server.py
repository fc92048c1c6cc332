"""A server on asyncio: listeners, connections, and the graceful end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl as ssl_module
from collections.abc import Sequence
from functools import partial
from types import TracebackType
from typing import Self

from wscore import Admission, Application, Config, LifespanMode, admission, out_of_resources
from wscore.listening import Listeners
from wscore.memory import keep_freed_memory
from wscore.sockets import peer_of
from wscore.tls import TLS

from ._connection import Connection, Service
from ._lifespan import LifespanTask

__all__ = ["Server", "serve"]

error_log = logging.getLogger("wscore.error")

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
    """
    return Server(app, (host, port, uds, sock), ssl, config or Config(), lifespan, log_access=access_log)


class Server:
    """A running server; made by `serve`, and an async context manager that ends gracefully."""

    def __init__(
        self,
        app: Application,
        address: tuple[str | None, int, str | None, socket.socket | Sequence[socket.socket] | None],
        ssl: ssl_module.SSLContext | None,
        config: Config,
        lifespan: LifespanMode,
        *,
        log_access: bool,
    ) -> None:
        self._listeners = Listeners()
        self._address = address
        self._ssl = ssl
        self._config = config
        self._lifespan = LifespanTask(app, lifespan)
        self._connections: set[Connection] = set()
        self._service = Service(
            app,
            config,
            self._lifespan.state,
            log_access,
            memoryview(bytearray(_READ_SIZE)),
            self._connections,
            self._forget,
        )
        self._tasks: set[asyncio.Task[None]] = set()  # sockets on their way to a connection
        self._retries: dict[socket.socket, asyncio.TimerHandle] = {}
        self._accepted: set[socket.socket] = set()  # those in a TLS handshake among them
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = asyncio.Event()
        self._closing = False

    @property
    def sockets(self) -> list[socket.socket]:
        """What it listens on."""
        return self._listeners.sockets

    @property
    def port(self) -> int | None:
        """The TCP port; None on a unix socket."""
        return self._listeners.port

    async def __aenter__(self) -> Self:
        """Listen, start the application, and accept connections."""
        self._listeners = await _listen(*self._address)
        try:
            await self._lifespan.start(self._config.lifespan_timeout)
            keep_freed_memory()
            self._listeners.listen(self._config.backlog)
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
        await self._closed.wait()

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
        if self._closing:
            await self._closed.wait()
            return
        self._closing = True
        try:
            await self._end_connections()
        finally:
            self.abort()

    def abort(self) -> None:
        """End at once: close every socket, cancel every application."""
        self._closing = True
        self._welcome_no_more()
        for connection in list(self._connections):
            connection.cut()
        self._lifespan.cancel()
        self._closed.set()

    # -- connections

    def _watch(self, listener: socket.socket) -> None:
        """Accept by hand: a cancelled `loop.sock_accept` may drop the socket that it had just accepted."""
        asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        """Accept who waits; of very many some wait for the loop's next turn, so that it serves those it has."""
        loop = asyncio.get_running_loop()
        for _ in range(_ACCEPTED_A_TURN):
            try:
                sock, _ = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if out_of_resources(error):
                    error_log.error("cannot accept connections: %s", error.strerror)
                    loop.remove_reader(listener)
                    self._retries[listener] = loop.call_later(self._config.accept_retry, self._watch, listener)
                    return
                continue  # one that has gone again
            verdict = admission(self._config, len(self._accepted))
            if verdict is Admission.DROP:
                sock.close()
                continue
            sock.setblocking(False)
            self._accepted.add(sock)
            self._idle.clear()
            task = loop.create_task(self._welcome(sock, loop.time(), turn_away=verdict is Admission.TURN_AWAY))
            self._tasks.add(task)
            task.add_done_callback(partial(self._welcomed, sock))

    def _welcomed(self, sock: socket.socket, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():  # perhaps before its first step, so it cannot see to that itself
            sock.close()
            self._forget(sock)

    async def _welcome(self, sock: socket.socket, accepted_at: float, *, turn_away: bool) -> None:
        """Make a socket a connection."""
        channel = None if self._ssl is None else TLS(self._ssl, server_side=True)
        make = partial(
            Connection, self._service, sock, peer_of(sock), channel, accepted_at=accepted_at, turn_away=turn_away
        )
        await asyncio.get_running_loop().connect_accepted_socket(make, sock)

    def _forget(self, sock: socket.socket) -> None:
        self._accepted.discard(sock)
        if not self._accepted:
            self._idle.set()

    # -- the end

    async def _end_connections(self) -> None:
        loop = asyncio.get_running_loop()
        last = loop.time() + self._config.shutdown_grace + self._config.close_timeout
        self._welcome_no_more()
        for connection in list(self._connections):
            connection.begin_shutdown()
        await self._until_idle(loop.time() + self._config.shutdown_grace)
        for connection in list(self._connections):
            connection.cancel()
        await self._until_idle(last)
        await self._lifespan.stop(last)

    async def _until_idle(self, last: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(last):
                await self._idle.wait()

    def _welcome_no_more(self) -> None:
        for task in self._tasks:
            task.cancel()
        self.stop_accepting()


async def _listen(
    host: str | None, port: int, uds: str | None, sock: socket.socket | Sequence[socket.socket] | None
) -> Listeners:
    if sock is not None:
        return Listeners([sock] if isinstance(sock, socket.socket) else sock)
    if uds is not None:
        return Listeners.unix(uds)
    loop = asyncio.get_running_loop()
    infos = await loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return Listeners.tcp(infos)
