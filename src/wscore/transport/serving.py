"""The part of a server that both transports share, from listening to shutdown.

Not part of the core; `import wscore` does not load it. `Shutdown` decides the steps of a shutdown; a transport
implements waiting, and how a socket becomes a connection.
"""

from __future__ import annotations

import abc
import dataclasses
import socket
import ssl as ssl_module
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Generic, Protocol, TypeVar

from .._core.admission import is_resource_exhaustion
from .._core.asgi.interface import as_asgi3
from .._core.asgi.lifespan import LifespanMode
from .._core.asgi.messages import Application
from .._core.config import Config, ServerConfig
from .._core.shutdown import Shutdown, ShutdownAction
from .allocator import keep_freed_memory
from .event_loop import Event, EventLoop, Notifier
from .lifespan_task import LifespanTask
from .listening import Listeners
from .recording import ConnectionRecorder
from .server_log import error_log

__all__ = ["BaseServer", "Event", "EventLoop", "ServerOptions"]


_MODES: Final = ("auto", "on", "off")


@dataclasses.dataclass(slots=True)
class ServerOptions:
    """The arguments of `serve`, the same in both transports.

    Raises:
        TypeError: `app` is not an application.
        ValueError: `lifespan` is unknown, or both `uds` and `sock` are given.
    """

    app: Application
    host: str | None = "127.0.0.1"
    port: int = 0
    uds: str | None = None
    sock: socket.socket | Sequence[socket.socket] | None = None
    ssl: ssl_module.SSLContext | None = None
    config: Config | None = None
    lifespan: LifespanMode = "auto"
    access_log: bool = True
    recorder: ConnectionRecorder | None = None

    def __post_init__(self) -> None:
        """Check the arguments, and wrap an ASGI 2 application."""
        if self.lifespan not in _MODES:
            raise ValueError(f"lifespan={self.lifespan!r}: expected 'auto', 'on' or 'off'")
        if self.uds is not None and self.sock is not None:
            raise ValueError("either uds or sock, not both")
        self.app = as_asgi3(self.app)

    async def listen(self, getaddrinfo: Callable[..., Awaitable[Any]]) -> Listeners:
        """Bind the sockets, or take those given. Raises OSError."""
        if self.sock is not None:
            return Listeners([self.sock] if isinstance(self.sock, socket.socket) else self.sock)
        if self.uds is not None:
            return Listeners.unix(self.uds)
        flags = socket.AI_PASSIVE
        return Listeners.tcp(await getaddrinfo(self.host or None, self.port, type=socket.SOCK_STREAM, flags=flags))


class ServedConnection(Protocol):
    """The part of a connection that a shutdown uses."""

    def begin_shutdown(self, code: int) -> None:
        """Begin closing the connection."""
        ...

    def cancel(self) -> None:
        """Cancel the application if it is still running."""
        ...


_C = TypeVar("_C", bound=ServedConnection)


class BaseServer(abc.ABC, Generic[_C]):
    """A server on any event loop. A transport implements accepting, cancelling and cutting connections."""

    def __init__(self, options: ServerOptions, event_loop: EventLoop) -> None:
        self._options = options
        self._config = ServerConfig.of(options.config)
        self._event_loop = event_loop
        self._notifier = Notifier(event_loop)
        self._listeners = Listeners()
        self._lifespan = LifespanTask(options.app, options.lifespan, event_loop, self._notifier)
        self._shutdown = Shutdown(self._config)
        self._connections: set[_C] = set()
        self._accepted: set[socket.socket] = set()  # includes sockets that are not a connection yet

    @property
    def sockets(self) -> list[socket.socket]:
        """The listening sockets."""
        return self._listeners.sockets

    @property
    def port(self) -> int | None:
        """The TCP port of the first socket; None for a Unix socket, and once closed."""
        return self._listeners.port

    @abc.abstractmethod
    def stop_accepting(self) -> None:
        """Stop accepting; existing connections, handshakes included, continue until `close`."""

    @abc.abstractmethod
    def _cut_off(self) -> None:
        """Close every socket immediately, and cancel every application."""

    @abc.abstractmethod
    def _end(self) -> None:
        """Cancel the lifespan's task."""

    async def _start(self, spawn: Callable[[Callable[[], Awaitable[None]]], object]) -> None:
        """Run the lifespan startup, then listen. Raises StartupFailed and OSError."""
        await self._lifespan.start(spawn, self._config.lifespan_timeout)
        keep_freed_memory()
        self._listeners.listen(self._config.backlog)

    def _take_some(self, listener: socket.socket, most: int, take: Callable[[socket.socket], None]) -> float:
        """Accept waiting connections, at most `most`, so that a flood of them does not starve existing ones.

        Returns the seconds to pause: if the system is out of files or memory, retrying at once would spin.
        """
        for _ in range(most):
            try:
                sock, _ = listener.accept()
            except BlockingIOError:
                break
            except OSError as error:
                if is_resource_exhaustion(error):
                    error_log.error("cannot accept connections: %s", error.strerror)
                    return self._config.accept_retry
                continue  # the client is gone already
            sock.setblocking(False)
            take(sock)
        return 0.0

    def _forget(self, sock: socket.socket) -> None:
        """Call when an accepted socket is closed and its application has ended."""
        self._accepted.discard(sock)
        if not self._accepted:
            self._notifier.tell()

    # -- shutdown

    async def _shut_down(self) -> None:
        """Shut down gracefully, and return when that is done."""
        shutdown, now = self._shutdown, self._event_loop.now
        shutdown.begin(now())
        while not shutdown.over:
            if not self._accepted:
                shutdown.connections_gone(now())
            if self._lifespan.over:
                shutdown.lifespan_over()
            if not self._obey():
                await self._notifier.wait(shutdown.next_timeout())
                shutdown.handle_timeout(now())
        self._obey()

    def _abort(self) -> None:
        """Stop immediately, and wake the tasks that wait for the end."""
        self._shutdown.abort()
        self._obey()
        self._notifier.tell()

    async def _until_over(self) -> None:
        while not self._shutdown.over:
            await self._notifier.wait()

    def _obey(self) -> bool:
        """Carry out the shutdown's pending actions; return whether there were any."""
        actions = self._shutdown.actions()
        for action in actions:
            match action:
                case ShutdownAction.ASK:
                    self._ask()
                case ShutdownAction.CANCEL:
                    for connection in list(self._connections):
                        connection.cancel()
                case ShutdownAction.ABORT:
                    self._cut_off()
                case ShutdownAction.STOP_LIFESPAN:
                    self._lifespan.begin_shutdown()
                case ShutdownAction.GIVE_UP_LIFESPAN:
                    self._lifespan.give_up()
                case ShutdownAction.END:
                    self._end()
        return bool(actions)

    def _ask(self) -> None:
        self.stop_accepting()
        for connection in list(self._connections):
            connection.begin_shutdown(self._config.shutdown_code)
