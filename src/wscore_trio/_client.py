"""A client on trio: connecting, and what a connection's tasks wait for."""

from __future__ import annotations

import math
import socket
from collections.abc import Callable
from types import TracebackType

import trio

from wscore import Channel, ClientConnection, HandshakeFailed
from wscore.transport.client import AsyncClientDriver
from wscore.transport.client import WebSocket as ClientWebSocket
from wscore.transport.connecting import ConnectOptions, Destination, RetryPolicy
from wscore.transport.sockets import configure_socket

from ._port import SocketDriver
from ._reconnecting import Reconnector

__all__ = ["WebSocket", "connect"]


class WebSocket(ClientWebSocket):
    __doc__ = ClientWebSocket.__doc__
    __slots__ = ()


class ClientSocketDriver(SocketDriver[ClientConnection], AsyncClientDriver):
    """A client's connection; `run` is its task."""

    __slots__ = ("_scope",)

    def __init__(
        self, core: ClientConnection, channel: Channel | None, sock: socket.socket, spawn: Callable[..., None]
    ) -> None:
        super().__init__(core, trio.current_time, channel)
        self.prepare(sock, spawn)
        # Cancelling whoever has entered `connect` must not cut the connection before its close frame is out.
        self._scope = trio.CancelScope(shield=True)

    async def run(self) -> None:
        """Read and keep the time until the socket is closed."""
        with self._scope:
            await self.watch()

    def cut(self) -> None:
        """Close the socket at once, if it is not closed yet."""
        self.lost()
        self._scope.cancel()

    def wake(self) -> None:
        """As in `Driver`."""
        self._waiting.unpark_all()

    def tell(self) -> None:
        """As in `ClientDriver`."""
        self._waiting.unpark_all()
        self._watcher.unpark_all()

    async def wait_for_message(self) -> None:
        """As in `ClientSocketDriver`."""
        await self.wait_for_room()

    async def wait_for_change(self) -> None:
        """As in `ClientSocketDriver`."""
        await self.wait_for_room()


class connect(ConnectOptions):
    """Connect: `async with connect("ws://127.0.0.1:8000/chat") as ws: await ws.send("hello")`.

    `wscore.transport.connecting.ConnectOptions` says what it takes. Entered, it raises HandshakeRefused,
    HandshakeTimeout, ProxyRefused, HandshakeFailed, and InvalidMessage for what cannot stand in the request. Leaving
    the context closes with 1000.
    Cancelled on entering, it leaves no socket and no task.

    `async for ws in connect(...)` connects, and again each time that the loop comes round, after pauses that `backoff`
    says. It raises what is not `temporary`.
    """

    def __aiter__(self) -> Reconnector[WebSocket]:
        """Connect again and again. Raises ValueError with `sock`."""
        return Reconnector(self, RetryPolicy(self._destination, self._backoff))

    async def __aenter__(self) -> WebSocket:
        """Connect, and wait for the handshake."""
        to = self._destination
        sock = to.sock
        try:
            core = self._core(trio.current_time())
            sock = sock or await _dial(to, core.next_timeout())
            sock.setblocking(False)
            configure_socket(sock)
            channel = to.tunnel(self._config)
        except BaseException:
            if sock is not None:
                sock.close()
            raise
        self._tasks = trio.open_nursery()
        nursery = await self._tasks.__aenter__()
        self._link = ClientSocketDriver(core, channel, sock, nursery.start_soon)
        nursery.start_soon(self._link.run)
        try:
            await self._link.opened()
        except BaseException as error:
            await self._end()
            if isinstance(error, OSError) and not isinstance(error, HandshakeFailed):
                raise to.failed(error) from error
            raise
        return WebSocket(self._link)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close; cancelled meanwhile, cut the connection."""
        try:
            await WebSocket(self._link).close()
        finally:
            await self._end()

    async def _end(self) -> None:
        """Close the socket, if it is not closed yet, and wait for the tasks. The nursery hears of no exception."""
        self._link.cut()
        await self._tasks.__aexit__(None, None, None)


async def _dial(to: Destination, deadline: float | None) -> socket.socket:
    """Give a socket that is connected, in time. Raises HandshakeFailed."""
    try:
        with trio.fail_at(math.inf if deadline is None else deadline):
            if to.unix_path is not None:
                stream = await trio.open_unix_socket(to.unix_path)
            else:
                stream = await trio.open_tcp_stream(to.host, to.port)
    except trio.TooSlowError:
        raise to.failed(TimeoutError()) from None
    except (OSError, UnicodeError) as error:  # a UnicodeError for a host that is no name
        raise to.failed(error) from error
    return socket.socket(fileno=stream.socket.detach())
