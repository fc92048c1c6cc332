"""The asyncio client: `connect`, and the driver of a client's connection."""

from __future__ import annotations

import asyncio
import socket
from types import TracebackType

from wscore import Channel, ClientConnection, HandshakeFailed
from wscore.transport.client import AsyncClientDriver
from wscore.transport.client import WebSocket as ClientWebSocket
from wscore.transport.connecting import ConnectOptions, RetryPolicy
from wscore.transport.sockets import configure_socket

from ._dialing import dial
from ._event_loop import get_selector_loop
from ._reconnecting import Reconnector
from ._socket_driver import SocketDriver

__all__ = ["WebSocket", "connect"]


class WebSocket(ClientWebSocket):
    __doc__ = ClientWebSocket.__doc__
    __slots__ = ()


class ClientSocketDriver(SocketDriver[ClientConnection], AsyncClientDriver):
    """A client's connection.

    Output is written immediately; what a task sends right after a message woke it goes out in a single write.
    """

    __slots__ = ("_change",)

    def __init__(self, core: ClientConnection, channel: Channel | None, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(core, loop.time, channel)
        self.prepare(loop, sock)
        self._change: asyncio.Event | None = None  # created lazily: rarely awaited

    def tell(self) -> None:
        """As in `ClientDriver`."""
        if self._change is not None:
            self._change.set()
            self._change = None

    async def wait_for_change(self) -> None:
        """As in `AsyncClientDriver`."""
        if self._change is None:
            self._change = asyncio.Event()
        await self._change.wait()


class connect(ConnectOptions):
    """Connect to a WebSocket server: `async with connect("ws://127.0.0.1:8000/chat") as ws: await ws.send("hello")`.

    Entering the context connects and returns a `WebSocket`. If that fails or is cancelled, no socket and no task is
    left behind. Leaving the context closes with 1000 and waits until the socket is closed, at most
    `config.close_timeout` seconds; cancelling that wait cuts the connection.

    `async for ws in connect(...)` reconnects: each iteration closes the previous connection, pauses as `backoff` says,
    and connects again. A HandshakeFailed that is `temporary` is logged and followed by another attempt; any other
    error is raised.

    Args:
        uri: A `ws://` or `wss://` URI. User information becomes an Authorization header (Basic, RFC 7617).
        subprotocols: Subprotocols to offer, preferred first.
        headers: Headers to add to the request: a mapping, or pairs of name and value.
        origin: The Origin header; None sends none.
        config: Limits and timeouts; None means `Config()`. `handshake_timeout` (seconds) covers everything until the
            connection is open: name resolution, TCP, proxy, TLS and the handshake.
        ssl: TLS context for `wss://`; None means `ssl.create_default_context()`.
        server_hostname: The name expected in the server's certificate; None means the URI's host.
        sock: A connected socket to use instead of the URI's host and port. The connection owns and closes it.
        unix_path: Path of a Unix socket to use instead of the URI's host and port.
        proxy: URL of an HTTP proxy (`http://` or `https://`). True: the proxy that the environment names, as the
            standard library reads it, plus `all_proxy`; none for loopback addresses, `sock` and `unix_path`. None or
            False: no proxy.
        proxy_ssl: TLS context for an `https://` proxy; None means `ssl.create_default_context()`.
        backoff: Pauses between the connections of `async for`; None means exponential backoff from 1 s to 60 s.
        recorder: Makes the connections, all or a share of them recorded into files: a `wscore.recording.Recorder`.

    Raises:
        InvalidURI: On the call: `uri` or the proxy's URL (the environment's included) is not usable.
        ValueError: On the call: the arguments contradict each other. On `async for` with `sock`: it connects once.
        InvalidMessage: On entering: a header, a subprotocol or the origin cannot be sent.
        HandshakeRefused: On entering: the server answered with something other than a 101.
        ProxyRefused: On entering: the proxy answered with something other than a 2xx.
        HandshakeTimeout: On entering: `handshake_timeout` is over.
        HandshakeFailed: On entering: any other failure, of name resolution, TCP, the proxy, TLS or the handshake. The
            three above are subclasses.
        RuntimeError: On entering: the event loop has no `add_reader`, as Windows' default one.
    """

    def __aiter__(self) -> Reconnector[WebSocket]:
        """Return an iterator that connects on each step. Raises ValueError with `sock`, which connects only once."""
        return Reconnector(self, RetryPolicy(self._destination, self._backoff))

    async def __aenter__(self) -> WebSocket:
        """Connect and wait for the handshake."""
        to = self._destination
        sock, link = to.sock, None
        try:
            core = self._core(get_selector_loop().time())
            async with asyncio.timeout_at(core.next_timeout()):
                sock = sock or await dial(to)
            sock.setblocking(False)
            configure_socket(sock)
            link = ClientSocketDriver(core, to.tunnel(self._config), sock)
            link.start()
            await link.opened()
        except BaseException as error:
            if link is not None:
                link.abort()
            elif sock is not None:
                sock.close()
            if isinstance(error, OSError | UnicodeError) and not isinstance(error, HandshakeFailed):
                raise to.failed(error) from error  # UnicodeError: the host is not a valid name
            raise
        self._link = link
        return WebSocket(link)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close with 1000; cut the connection if cancelled."""
        try:
            await WebSocket(self._link).close()
        finally:
            self._link.abort()

    def begin_closing(self) -> None:
        """Send the close frame without waiting."""
        self._link.core.close(now=self._link.time())
        self._link.sync()

    def cut(self) -> None:
        """Close the socket immediately. Idempotent."""
        self._link.abort()
