"""A client on trio: connecting, and the connection as a user's tasks see it."""

from __future__ import annotations

import math
import socket
import ssl as ssl_module
from collections.abc import AsyncIterable, AsyncIterator
from types import TracebackType
from typing import Any, Final

import trio

from wscore import ClientConnection, ConnectionClosed, HandshakeFailed
from wscore.connecting import NORMAL_CLOSURE, Call, Facts, Pauses

from ._link import Link
from ._reconnecting import Connections
from ._wire import Bare, Secure, Wire, socket_of

__all__ = ["WebSocket", "connect"]

Data = str | bytes | bytearray | memoryview

_TLS = trio.SSLStream[Any]  # over a socket, or over TLS to a proxy

_WHOLE: Final = (str, bytes, bytearray, memoryview)


class connect(Call):
    """Connect: `async with connect("ws://127.0.0.1:8000/chat") as ws: await ws.send("hello")`.

    `wscore.connecting.Call` says what it takes. Entered, it raises HandshakeRefused, HandshakeTimeout, ProxyRefused,
    HandshakeFailed, and InvalidMessage for what cannot stand in the request. Leaving the context closes with 1000.
    Cancelled on entering, it leaves no socket and no task.

    `async for ws in connect(...)` connects, and again each time that the loop comes round, after pauses that `backoff`
    says. It raises what is not `temporary`.
    """

    def __aiter__(self) -> Connections[WebSocket]:
        """Connect again and again. Raises ValueError with `sock`."""
        return Connections(self, Pauses(self._destination, self._backoff))

    async def __aenter__(self) -> WebSocket:
        """Connect, and wait for the handshake."""
        now, sock = trio.current_time(), self._destination.sock
        try:
            core = self._core(now)
            deadline = core.next_timeout()
            wire = await self._reach(math.inf if deadline is None else deadline)
        except BaseException:
            if sock is not None:
                sock.close()
            raise
        self._tasks = trio.open_nursery()
        self._nursery = await self._tasks.__aenter__()
        link = Link(core, wire, self._nursery.start_soon)
        self._nursery.start_soon(link.run)
        try:
            await link.opened()
        except BaseException:
            await self._end()
            raise
        self._ws = WebSocket(core, link)
        return self._ws

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close; cancelled meanwhile, cut the connection."""
        try:
            await self._ws.close()
        finally:
            await self._end()

    async def _end(self) -> None:
        """Close the socket, if it is not closed yet, and wait for the tasks. The nursery hears of no exception."""
        self._nursery.cancel_scope.cancel()
        await self._tasks.__aexit__(None, None, None)

    async def _reach(self, deadline: float) -> Wire:
        to = self._destination
        try:
            with trio.fail_at(deadline):
                sock = await self._connect()
                stream = sock if to.proxy is None else await self._through_proxy(sock)
                if to.tls is not None:
                    stream = await _secured(stream, to.tls, to.server_hostname)
                return Bare(_bare(stream)) if isinstance(stream, trio.SocketStream) else Secure(stream)
        except HandshakeFailed:
            raise  # the proxy's
        except trio.TooSlowError:
            raise to.failed(TimeoutError()) from None
        except (OSError, UnicodeError, trio.BrokenResourceError) as error:  # a UnicodeError for a host that is no name
            raise to.failed(error) from error

    async def _connect(self) -> trio.SocketStream:
        to = self._destination
        if to.sock is not None:
            return trio.SocketStream(trio.socket.from_stdlib_socket(to.sock))
        if to.unix_path is not None:
            return await trio.open_unix_socket(to.unix_path)
        return await trio.open_tcp_stream(to.host, to.port)

    async def _through_proxy(self, stream: trio.SocketStream) -> trio.SocketStream | _TLS:
        """Ask the proxy for a connection to the server, and give the stream that is one."""
        to = self._destination
        way = stream if to.proxy_tls is None else await _secured(stream, to.proxy_tls, to.host)
        handshake = to.ask_proxy(self._config)
        try:
            await way.send_all(handshake.request())
            while not handshake.feed(bytes(await way.receive_some())):
                pass
        except BaseException:
            stream.socket.close()
            raise
        return way


class WebSocket(Facts):
    """An open connection; made by `connect`. Any number of tasks may use it."""

    __slots__ = ("_link", "_streaming")

    def __init__(self, core: ClientConnection, link: Link) -> None:
        super().__init__(core)
        self._link = link
        self._streaming: trio.Event | None = None  # set when the message that is being sent in fragments is over

    async def send(self, message: Data | AsyncIterable[Data]) -> None:
        """Send a message: a `str` as text, bytes as binary, an async iterable of either as one message in fragments.

        Waits while the server reads too slowly. Raises ConnectionClosed, and InvalidMessage for anything else.
        Cancelled, the message is on its way whole, or not at all; one in fragments that had begun cannot be finished,
        and closes the connection (1011), as does an iterable that raises.
        """
        await self._link.checkpoint()
        while self._streaming is not None:
            await self._streaming.wait()
        # What is neither is for the core to refuse.
        if isinstance(message, _WHOLE) or not isinstance(message, AsyncIterable):  # pyright: ignore[reportUnnecessaryIsInstance]
            self._core.send(message, now=trio.current_time())
            self._link.pump()
            await self._link.room()
        else:
            await self._send_fragments(message)

    async def recv(self) -> str | bytes:
        """Wait for a message: text as `str`, binary as bytes. Raises ConnectionClosed once none can come.

        Cancelled, it loses none.
        """
        core, link = self._core, self._link
        await link.checkpoint()  # before a message is taken, so that cancelling loses none
        while True:
            message = core.next_message(now=trio.current_time())
            link.pump_changes()
            if message is not None:
                return message
            core.expect_message()
            await link.change()

    def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Give messages until the connection is closed; raise ConnectionClosed where that was not normal."""
        return self

    async def __anext__(self) -> str | bytes:
        """Give the next message."""
        try:
            return await self.recv()
        except ConnectionClosed as error:
            if error.normal:
                raise StopAsyncIteration from None
            raise

    async def ping(self, payload: bytes | None = None) -> float:
        """Send a ping, wait for its pong, and give the seconds between them.

        Raises ConnectionClosed, InvalidMessage for more than 125 bytes, LocalProtocolError for a payload that is in
        flight already. Cancelled, the connection goes on.
        """
        await self._link.checkpoint()
        payload = self._core.ping(payload, now=trio.current_time())
        self._link.pump()
        return await self._link.pong(payload)

    async def close(self, code: int = NORMAL_CLOSURE, reason: str = "") -> None:
        """Close, and wait until the socket is closed, `close_timeout` at most. Messages not read yet are still there.

        Raises InvalidMessage for a code or a reason that no close frame can carry. Cancelled, the closing goes on.
        """
        self._core.close(code, reason, now=trio.current_time())
        self._link.pump()
        await self._link.ended()

    async def _send_fragments(self, message: AsyncIterable[Data]) -> None:
        core, link = self._core, self._link
        self._streaming = trio.Event()
        last: str | bytes | None = None
        try:
            async for fragment in message:
                core.send_fragment(fragment, final=False, now=trio.current_time())
                last = "" if isinstance(fragment, str) else b""
                link.pump()
                await link.room()
            if last is not None:
                core.send_fragment(last, final=True, now=trio.current_time())
        finally:
            self._streaming.set()
            self._streaming = None
            core.abandon_message(now=trio.current_time())  # nothing to do where it is whole
            link.pump()


async def _secured(stream: trio.SocketStream | _TLS, context: ssl_module.SSLContext, hostname: str | None) -> _TLS:
    """Do the TLS handshake; the socket is closed where that fails."""
    tls: _TLS = trio.SSLStream(stream, context, server_hostname=hostname, https_compatible=True)
    try:
        await tls.do_handshake()
    except BaseException:
        socket_of(stream).close()
        raise
    return tls


def _bare(stream: trio.SocketStream) -> socket.socket:
    """Take the socket out of its stream, which has set it up."""
    sock = socket.socket(fileno=stream.socket.detach())
    sock.setblocking(False)
    return sock
