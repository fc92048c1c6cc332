"""A client on asyncio: connecting, and what a connection's tasks wait for."""

from __future__ import annotations

import asyncio
from types import TracebackType

from wscore import Channel, ClientConnection, HandshakeFailed
from wscore.transport.client import AsyncClientDriver
from wscore.transport.client import WebSocket as ClientWebSocket
from wscore.transport.connecting import ConnectOptions, RetryPolicy
from wscore.transport.sockets import configure_socket

from ._dialing import dial
from ._port import SocketDriver
from ._reconnecting import Reconnector

__all__ = ["WebSocket", "connect"]


class WebSocket(ClientWebSocket):
    __doc__ = ClientWebSocket.__doc__
    __slots__ = ()


class ClientSocketDriver(SocketDriver[ClientConnection], AsyncClientDriver, asyncio.Protocol):
    """A client's connection: what a task says goes out at once, or in one piece where a message woke it."""

    __slots__ = ("_change",)

    def __init__(self, core: ClientConnection, channel: Channel | None) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(core, loop.time, channel)
        self.prepare(loop)
        self._change: asyncio.Event | None = None  # made by who waits for what is seldom waited for

    def data_received(self, data: bytes) -> None:
        """Take bytes from the server."""
        self.receive_data(data)

    def tell(self) -> None:
        """As in `ClientDriver`."""
        if self._change is not None:
            self._change.set()
            self._change = None

    async def wait_for_change(self) -> None:
        """As in `ClientSocketDriver`."""
        if self._change is None:
            self._change = asyncio.Event()
        await self._change.wait()


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
        loop, to = asyncio.get_running_loop(), self._destination
        sock, link = to.sock, None
        try:
            core = self._core(loop.time())
            async with asyncio.timeout_at(core.next_timeout()):
                sock = sock or await dial(to)
            sock.setblocking(False)
            configure_socket(sock)
            link = ClientSocketDriver(core, to.tunnel(self._config))
            await loop.create_connection(lambda: link, sock=sock)
            await link.opened()
        except BaseException as error:
            if link is not None:
                link.abort()
            elif sock is not None:
                sock.close()
            if isinstance(error, OSError | UnicodeError) and not isinstance(error, HandshakeFailed):
                raise to.failed(error) from error  # a UnicodeError for a host that is no name
            raise
        self._link = link
        return WebSocket(link)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close; cancelled meanwhile, cut the connection."""
        try:
            await WebSocket(self._link).close()
        finally:
            self._link.abort()

    def begin_closing(self) -> None:
        """Send the close frame, if that can be done at once."""
        self._link.core.close(now=self._link.time())
        self._link.sync()

    def cut(self) -> None:
        """Close the socket at once, if it is not closed yet."""
        self._link.abort()
