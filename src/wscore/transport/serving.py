"""A server from its first socket to its last connection: what both transports' servers do alike, on any event loop.

Not part of the core, and not loaded by `import wscore`. When the end is over is `Shutdown`'s affair; a transport says
how its library waits, and how a socket becomes a connection.
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
from .lifespan_task import LifespanTask
from .listening import Listeners
from .server_log import error_log
from .waiting import Event, EventLoop, Notifier

__all__ = ["BaseServer", "Event", "EventLoop", "ServerOptions"]


_MODES: Final = ("auto", "on", "off")


@dataclasses.dataclass(slots=True)
class ServerOptions:
    """What both `serve`s take.

    A server listens on `host` and `port` (None: all interfaces; 0: a free port), or on the unix socket `uds`, or on
    `sock`, one or several that are bound already. `ssl` makes it wss. Raises ValueError for what contradicts itself,
    and TypeError for an application that cannot be one.
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

    def __post_init__(self) -> None:
        """Refuse what cannot be served."""
        if self.lifespan not in _MODES:
            raise ValueError(f"lifespan={self.lifespan!r}: expected 'auto', 'on' or 'off'")
        if self.uds is not None and self.sock is not None:
            raise ValueError("either uds or sock, not both")
        self.app = as_asgi3(self.app)

    async def listen(self, getaddrinfo: Callable[..., Awaitable[Any]]) -> Listeners:
        """Bind what is to be listened on. Raises OSError."""
        if self.sock is not None:
            return Listeners([self.sock] if isinstance(self.sock, socket.socket) else self.sock)
        if self.uds is not None:
            return Listeners.unix(self.uds)
        flags = socket.AI_PASSIVE
        return Listeners.tcp(await getaddrinfo(self.host or None, self.port, type=socket.SOCK_STREAM, flags=flags))


class ServedConnection(Protocol):
    """A connection, as its end sees it."""

    def begin_shutdown(self, code: int) -> None:
        """Ask the connection to end."""
        ...

    def cancel(self) -> None:
        """Cancel the application, if it still runs."""
        ...


_C = TypeVar("_C", bound=ServedConnection)


class BaseServer(abc.ABC, Generic[_C]):
    """A server on any event loop. A transport adds how it accepts, and how it ends what does not end itself."""

    def __init__(self, options: ServerOptions, waiting: EventLoop) -> None:
        self._options = options
        self._config = ServerConfig.of(options.config)
        self._waiting = waiting
        self._notifier = Notifier(waiting)
        self._listeners = Listeners()
        self._lifespan = LifespanTask(options.app, options.lifespan, waiting, self._notifier)
        self._shutdown = Shutdown(self._config)
        self._connections: set[_C] = set()
        self._accepted: set[socket.socket] = set()  # those on their way to a connection among them

    @property
    def sockets(self) -> list[socket.socket]:
        """What it listens on."""
        return self._listeners.sockets

    @property
    def port(self) -> int | None:
        """The TCP port; None on a unix socket."""
        return self._listeners.port

    @abc.abstractmethod
    def stop_accepting(self) -> None:
        """Accept no more connections. Those that are there go on, handshakes included, until `close`."""

    @abc.abstractmethod
    def _cut_off(self) -> None:
        """Close every socket at once, and cancel every application."""

    @abc.abstractmethod
    def _end(self) -> None:
        """Cancel the lifespan's task."""

    async def _start(self, spawn: Callable[[Callable[[], Awaitable[None]]], object]) -> None:
        """Let the application start, and then listen. Raises StartupFailed and OSError."""
        await self._lifespan.start(spawn, self._config.lifespan_timeout)
        keep_freed_memory()
        self._listeners.listen(self._config.backlog)

    def _take_some(self, listener: socket.socket, most: int, take: Callable[[socket.socket], None]) -> float:
        """Accept who waits, but `most` at a time: of very many some wait until those that are there had their turn.

        Give how many seconds to pause: retrying at once where the system is out of files or memory would spin.
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
                continue  # one that has gone again
            sock.setblocking(False)
            take(sock)
        return 0.0

    def _forget(self, sock: socket.socket) -> None:
        """Take the news that a socket that was accepted is closed, and its application has ended."""
        self._accepted.discard(sock)
        if not self._accepted:
            self._notifier.tell()

    # -- the end

    async def _shut_down(self) -> None:
        """Begin the end, and obey until it is over."""
        shutdown, now = self._shutdown, self._waiting.now
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
        """End at once, and wake who waits for the end."""
        self._shutdown.abort()
        self._obey()
        self._notifier.tell()

    async def _until_over(self) -> None:
        while not self._shutdown.over:
            await self._notifier.wait()

    def _obey(self) -> bool:
        """Do what the shutdown asks for; tell whether there was anything."""
        acts = self._shutdown.acts()
        for act in acts:
            match act:
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
        return bool(acts)

    def _ask(self) -> None:
        self.stop_accepting()
        for connection in list(self._connections):
            connection.begin_shutdown(self._config.shutdown_code)
