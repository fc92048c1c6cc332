"""The asyncio server: listeners, connections and graceful shutdown."""

from __future__ import annotations

import asyncio
import socket
import ssl as ssl_module
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from wscore import Admission, Application, Config, LifespanMode, admission
from wscore.transport.recording import ConnectionRecorder, server_maker
from wscore.transport.serving import BaseServer, ServerOptions
from wscore.transport.tls import TLS

from ._connection import Connection, ServerContext
from ._event_loop import Loop, get_selector_loop

__all__ = ["Server", "serve"]

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
    recorder: ConnectionRecorder | None = None,
) -> Server:
    """Serve `app`: `async with serve(app, "127.0.0.1", 8000) as server: await server.serve_forever()`.

    Entering the context binds, runs the application's lifespan startup, and accepts connections. Leaving it shuts down
    gracefully, as `Server.close` does. Cancelled while entering or leaving, the server aborts: it closes every socket
    and cancels every application. No signal handler is installed.

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

    Returns:
        The server, not started: enter it as an async context manager.

    Raises:
        TypeError: On the call: `app` is not an application.
        ValueError: On the call: `lifespan` is unknown, or both `uds` and `sock` are given.
        OSError: On entering: it cannot listen; the text names the address.
        StartupFailed: On entering: the lifespan startup failed; the text is the application's own message.
        RuntimeError: On entering: the event loop has no `add_reader`, as Windows' default one.
    """
    return Server(ServerOptions(app, host, port, uds, sock, ssl, config, lifespan, access_log, recorder))


class Server(BaseServer[Connection]):
    """A server, made by `serve`. An async context manager: entering starts it, leaving shuts it down gracefully."""

    def __init__(self, options: ServerOptions) -> None:
        super().__init__(options, Loop())
        self._ssl = options.ssl
        self._context = ServerContext(
            options.app,
            server_maker(options.recorder),
            self._config,
            self._lifespan.state,
            options.access_log,
            self._connections,
            self._forget,
        )
        self._living: asyncio.Task[None] | None = None  # the lifespan's
        self._retries: dict[socket.socket, asyncio.TimerHandle] = {}

    async def __aenter__(self) -> Self:
        """Bind, run the lifespan startup, and accept connections. Raises OSError and StartupFailed."""
        self._listeners = await self._options.listen(get_selector_loop().getaddrinfo)
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
        """Shut down gracefully, as `close`."""
        await self.close()

    async def serve_forever(self) -> None:
        """Wait until the server has been closed or aborted. Cancelling this does not stop the server."""
        await self._until_over()

    def stop_accepting(self) -> None:
        """Stop accepting; existing connections, handshakes included, continue until `close`.

        For a server whose sockets another process serves as well.
        """
        for retry in self._retries.values():
            retry.cancel()
        for sock in self.sockets:
            if sock.fileno() >= 0:
                asyncio.get_running_loop().remove_reader(sock)
        self._listeners.close()

    async def close(self) -> None:
        """Shut down gracefully, and wait until that is done. A second call waits for the first.

        The server stops accepting and closes every connection with `config.shutdown_code`; after
        `config.shutdown_grace` seconds it cancels the applications still running, after `config.close_timeout` more it
        cuts the remaining connections. The lifespan shutdown has the rest of that time, at least 1 s. Cancelled, it
        aborts.
        """
        if self._shutdown.begun:
            await self._until_over()
            return
        try:
            await self._shut_down()
        finally:
            self.abort()

    def abort(self) -> None:
        """Stop immediately: close every socket and cancel every application."""
        self._abort()

    # -- connections

    def _watch(self, listener: socket.socket) -> None:
        """Accept without `loop.sock_accept`, which may lose a socket it just accepted when it is cancelled."""
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
        try:
            channel = None if self._ssl is None else TLS(self._ssl, server_side=True)
            connection = Connection(self._context, sock, channel, reject=verdict is Admission.REJECT)
        except Exception:  # the loop reports it; a TLS context may be that of a client
            sock.close()
            raise
        self._accepted.add(sock)
        connection.start()

    # -- shutdown

    def _cut_off(self) -> None:
        self.stop_accepting()
        for connection in list(self._connections):
            connection.cut()

    def _end(self) -> None:
        if self._living is not None:
            self._living.cancel()

    def _spawn(self, run: Any) -> None:
        self._living = asyncio.create_task(run())
