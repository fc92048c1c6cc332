"""The trio client: `connect`, and the driver of a client's connection."""

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

from ._reconnecting import Reconnector
from ._socket_driver import SocketDriver

__all__ = ["WebSocket", "connect"]


class WebSocket(ClientWebSocket):
    __doc__ = ClientWebSocket.__doc__
    __slots__ = ()


class ClientSocketDriver(SocketDriver[ClientConnection], AsyncClientDriver):
    """A client's connection; `run` is its task, which reads and keeps the time."""

    __slots__ = ("_until",)

    def __init__(
        self, core: ClientConnection, channel: Channel | None, sock: socket.socket, spawn: Callable[..., None]
    ) -> None:
        super().__init__(core, trio.current_time, channel)
        self.prepare(sock, spawn)
        self._until = trio.CancelScope()  # its deadline is the core's, or earlier

    async def run(self) -> None:
        """Read and handle deadlines until the socket is closed."""
        # Cancelling the task that entered `connect` must not cut the connection before its close frame is sent.
        with trio.CancelScope(shield=True):
            try:
                self.start()
                while not self.gone:
                    await self._read_until_deadline()
            finally:
                self.lost()

    async def _read_until_deadline(self) -> None:
        with trio.CancelScope(deadline=math.inf if self._armed is None else self._armed) as self._until:
            while not self.gone:  # one scope for many waits: `set_deadline` moves its deadline
                if self.core.wants_read:
                    await self.wait_for_bytes()
                    self.read_now()
                else:
                    await self.wait_for_change()
        if self._until.cancelled_caught:
            if self.core.wants_read:
                self.read_now()  # nobody may have read for a while; a pong that has arrived is in time
            self.timed_out()

    def set_deadline(self, at: float | None) -> None:
        """As in `Driver`."""
        if at is not None:
            self._until.deadline = at

    def wake(self) -> None:
        """As in `Driver`."""
        self.wake_waiting()

    def tell(self) -> None:
        """As in `ClientDriver`."""
        self.wake_waiting()

    async def wait_for_message(self) -> None:
        """As in `AsyncClientDriver`."""
        await self.wait_for_change()


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
    """

    def __aiter__(self) -> Reconnector[WebSocket]:
        """Return an iterator that connects on each step. Raises ValueError with `sock`, which connects only once."""
        return Reconnector(self, RetryPolicy(self._destination, self._backoff))

    async def __aenter__(self) -> WebSocket:
        """Connect and wait for the handshake."""
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
                # The connection keeps it, and its traceback refers to the connection: a cycle for the collector.
                raise to.failed(error) from error.with_traceback(None)
            raise
        return WebSocket(self._link)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close with 1000; cut the connection if cancelled."""
        try:
            await WebSocket(self._link).close()
        finally:
            await self._end()

    async def _end(self) -> None:
        """Close the socket and wait for the tasks. No exception is passed to the nursery, which would wrap it."""
        self._link.abort()
        await self._tasks.__aexit__(None, None, None)


async def _dial(to: Destination, deadline: float | None) -> socket.socket:
    """Return a connected socket, by `deadline` at the latest. Raises HandshakeFailed."""
    try:
        with trio.fail_at(math.inf if deadline is None else deadline):
            if to.unix_path is not None:
                stream = await trio.open_unix_socket(to.unix_path)
            else:
                stream = await trio.open_tcp_stream(to.host, to.port)
    except trio.TooSlowError:
        raise to.failed(TimeoutError()) from None
    except (OSError, UnicodeError) as error:  # UnicodeError: the host is not a valid name
        raise to.failed(error) from error
    return socket.socket(fileno=stream.socket.detach())
