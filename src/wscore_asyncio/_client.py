"""A client on asyncio: connecting, and the connection as a user's tasks see it."""

from __future__ import annotations

import asyncio
import ssl as ssl_module
from collections.abc import AsyncIterable, AsyncIterator
from types import TracebackType
from typing import Any, Final

from wscore import ClientConnection, ConnectionClosed, HandshakeFailed
from wscore.connecting import NORMAL_CLOSURE, Call, Facts, Pauses

from ._link import Link
from ._reconnecting import Connections
from ._tunnel import Tunnel

__all__ = ["WebSocket", "connect"]

Data = str | bytes | bytearray | memoryview

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
        sock, link = self._destination.sock, None
        try:
            now = asyncio.get_running_loop().time()
            core = self._core(now)
            link = Link(core)
            await self._reach(link, core.next_timeout())
            await link.opened()
        except BaseException:
            if link is not None:
                link.abort()
            if sock is not None and (link is None or not link.attached):
                sock.close()
            raise
        self._link = link
        self._ws = WebSocket(core, link)
        return self._ws

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close; cancelled meanwhile, cut the connection."""
        try:
            await self._ws.close()
        finally:
            self._link.abort()

    async def _reach(self, link: Link, deadline: float | None) -> None:
        loop, to = asyncio.get_running_loop(), self._destination
        tls = self._tls_options(to.tls, to.server_hostname)
        try:
            async with asyncio.timeout_at(deadline):
                if to.sock is not None:
                    await loop.create_connection(lambda: link, sock=to.sock, **tls)
                elif to.unix_path is not None:
                    await loop.create_unix_connection(lambda: link, to.unix_path, **tls)
                elif to.proxy is not None:
                    await self._reach_by_proxy(link)
                else:
                    await loop.create_connection(lambda: link, to.host, to.port, **tls)
        except HandshakeFailed:
            raise  # the proxy's
        except (OSError, UnicodeError) as error:  # a UnicodeError for a host that is no name
            raise to.failed(error) from error

    async def _reach_by_proxy(self, link: Link) -> None:
        loop, to = asyncio.get_running_loop(), self._destination
        tunnel = Tunnel(to.ask_proxy(self._config))
        try:
            await loop.create_connection(lambda: tunnel, to.host, to.port, **self._tls_options(to.proxy_tls, to.host))
            transport = await tunnel.through()
            if to.tls is not None:
                options = self._tls_options(to.tls, to.server_hostname)
                secured = await loop.start_tls(transport, link, options.pop("ssl"), **options)
                assert secured is not None
                transport = secured
            else:
                transport.set_protocol(link)
            link.connection_made(transport)
            transport.resume_reading()
        except BaseException:
            tunnel.abort()
            raise

    def _tls_options(self, context: ssl_module.SSLContext | None, hostname: str | None) -> dict[str, Any]:
        if context is None:
            return {}
        return {
            "ssl": context,
            "server_hostname": hostname,
            "ssl_handshake_timeout": self._config.handshake_timeout,
            "ssl_shutdown_timeout": self._config.close_timeout,
        }


class WebSocket(Facts):
    """An open connection; made by `connect`. Any number of tasks may use it."""

    __slots__ = ("_link", "_streaming", "_time")

    def __init__(self, core: ClientConnection, link: Link) -> None:
        super().__init__(core)
        self._link = link
        self._streaming: asyncio.Event | None = None  # set when the message that is being sent in fragments is over
        self._time = asyncio.get_running_loop().time

    async def send(self, message: Data | AsyncIterable[Data]) -> None:
        """Send a message: a `str` as text, bytes as binary, an async iterable of either as one message in fragments.

        Waits while the server reads too slowly. Raises ConnectionClosed, and InvalidMessage for anything else.
        Cancelled, the message is on its way whole, or not at all; one in fragments that had begun cannot be finished,
        and closes the connection (1011), as does an iterable that raises.
        """
        while self._streaming is not None:
            await self._streaming.wait()
        # What is neither is for the core to refuse.
        if isinstance(message, _WHOLE) or not isinstance(message, AsyncIterable):  # pyright: ignore[reportUnnecessaryIsInstance]
            self._core.send(message, now=self._time())
            self._link.pump()
            await self._link.room()
        else:
            await self._send_fragments(message)

    async def recv(self) -> str | bytes:
        """Wait for a message: text as `str`, binary as bytes. Raises ConnectionClosed once none can come.

        Cancelled, it loses none.
        """
        core, link = self._core, self._link
        while True:
            message = core.next_message(now=self._time())
            link.pump_changes()
            if message is not None:
                return message
            core.expect_message()
            await link.message.wait()

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
        payload = self._core.ping(payload, now=self._time())
        self._link.pump()
        return await self._link.pong(payload)

    async def close(self, code: int = NORMAL_CLOSURE, reason: str = "") -> None:
        """Close, and wait until the socket is closed, `close_timeout` at most. Messages not read yet are still there.

        Raises InvalidMessage for a code or a reason that no close frame can carry. Cancelled, the closing goes on.
        """
        self._core.close(code, reason, now=self._time())
        self._link.pump()
        await self._link.ended()

    async def _send_fragments(self, message: AsyncIterable[Data]) -> None:
        core, link = self._core, self._link
        self._streaming = asyncio.Event()
        last: str | bytes | None = None
        try:
            async for fragment in message:
                core.send_fragment(fragment, final=False, now=self._time())
                last = "" if isinstance(fragment, str) else b""
                link.pump()
                await link.room()
            if last is not None:
                core.send_fragment(last, final=True, now=self._time())
        finally:
            self._streaming.set()
            self._streaming = None
            core.abandon_message(now=self._time())  # nothing to do where it is whole
            link.pump()
