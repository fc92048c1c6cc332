"""`WebSocket`, a client's open connection, for any event loop.

Not part of the core, because it waits. Each transport's subclass of `AsyncClientDriver` implements the waiting.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from typing import Final

from .._core.close import CloseCode
from .._core.driver.client import ClientDriver
from .._core.errors import ConnectionClosed
from .._core.http.server_handshake import Response
from .._core.http.uri import URI

__all__ = ["AsyncClientDriver", "Data", "WebSocket"]

Data = str | bytes | bytearray | memoryview

_WHOLE: Final = (str, bytes, bytearray, memoryview)


class AsyncClientDriver(ClientDriver):
    """A `ClientDriver` that can wait. Every wait may end early, so callers check their condition again."""

    __slots__ = ()

    async def checkpoint_if_due(self) -> None:
        """Begin a step of a task: yield to the event loop if its turn is over."""
        self._credit -= 1
        if self._credit < 0:
            await self.checkpoint()

    async def catch_up(self) -> None:
        """Parse what was received before the connection was lost, yielding in between."""
        while self.drain_pending_work():
            await self.yield_control()

    wait_for_message: Callable[[], Awaitable[None]]
    """Wait for `wake`."""

    def wait_for_room(self) -> Awaitable[None]:
        """Wait for `wake_senders`."""
        raise NotImplementedError

    def wait_for_change(self) -> Awaitable[None]:
        """Wait for `tell`."""
        raise NotImplementedError

    async def opened(self) -> None:
        """Wait until the handshake is over.

        Raises:
            HandshakeFailed: Or a subclass, once the socket is closed: the server did not accept.
            OSError: TLS, or the way through a proxy, failed; TimeoutError if it took too long.
        """
        while not self.handshake_over:
            await self.wait_for_change()

    async def ended(self) -> None:
        """Wait until the socket is closed."""
        while not self.gone:
            await self.wait_for_change()


class WebSocket:
    """An open connection to a server, made by `connect`. Any number of tasks may use it concurrently.

    `async for message in ws` yields messages until the connection is closed; it raises ConnectionClosed unless that
    was a normal closure (1000, 1001 or no code).
    """

    __slots__ = ("_core", "_link", "_streaming")

    def __init__(self, link: AsyncClientDriver) -> None:
        self._core = link.core
        self._link = link
        self._streaming = False  # a message is being sent in fragments: other senders wait

    async def send(self, message: Data | AsyncIterable[Data]) -> None:
        """Send a message; wait while the output buffer is above its high-water mark (`config.max_output_size`).

        Cancelled while waiting for room, nothing has been sent. A message larger than `max_output_size` bytes also
        waits until most of it is written; cancelled then, all of it is sent nevertheless. A fragmented message that is
        cancelled after its first fragment, or whose iterable raises, cannot be completed: the connection is closed
        with 1011.

        Args:
            message: `str` is sent as text, bytes as binary. An async iterable of either is sent as one message, a
                fragment per item.

        Raises:
            ConnectionClosed: The connection has ended.
            InvalidMessage: `message` is none of these types, its fragments mix text and binary, or its text holds a
                lone surrogate.
        """
        link = self._link
        await link.checkpoint_if_due()
        if self._streaming or not link.writable:
            await self._turn_to_send()
        # Any other type is refused by the core.
        if isinstance(message, _WHOLE) or not isinstance(message, AsyncIterable):  # pyright: ignore[reportUnnecessaryIsInstance]
            if link.send_message(message):
                await self._delivery()
        else:
            await self._send_fragments(message)

    async def recv(self) -> str | bytes:
        """Wait for the next message. Cancelling loses no message.

        Returns:
            `str` for a text message, `bytes` for a binary one.

        Raises:
            ConnectionClosed: The connection has ended, and every message received before was returned.
        """
        link = self._link
        await link.checkpoint_if_due()  # before taking a message, so that cancelling loses none
        if link.gone:
            await link.catch_up()
        while (message := link.next_message()) is None:
            await link.wait_for_message()
            link.begin_turn()
        return message

    def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Iterate over messages until the connection is closed. Raises ConnectionClosed unless it closed normally."""
        return self

    async def __anext__(self) -> str | bytes:
        """Return the next message."""
        try:
            return await self.recv()
        except ConnectionClosed as error:
            if error.normal:
                raise StopAsyncIteration from None
            raise

    async def ping(self, payload: bytes | None = None) -> float:
        """Send a ping and wait for its pong (RFC 6455 5.5.2).

        Waits for room first, as `send` does; cancelled there, nothing has been sent. Cancelling the wait for the pong
        does not affect the connection.

        Args:
            payload: At most 125 bytes; None means a random payload.

        Returns:
            Seconds from the ping to its pong.

        Raises:
            ConnectionClosed: The connection has ended, or ended before the pong came.
            InvalidMessage: The payload is not bytes, or longer than 125 bytes.
            LocalProtocolError: A ping with this payload is in flight already.
        """
        link = self._link
        await link.checkpoint_if_due()
        await self._room()
        payload = self._core.ping(payload, now=link.time())
        link.pongs[payload] = None
        try:
            link.sync()
            while (seconds := link.pong(payload)) is None:
                await link.wait_for_change()
        finally:
            del link.pongs[payload]
        return seconds

    async def close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Close the connection and wait until the socket is closed, at most `config.close_timeout` seconds.

        Idempotent. Messages already received can still be read with `recv`. Cancelling stops only the wait.

        Args:
            code: Close code: 1000, or another that a close frame may carry (RFC 6455 7.4).
            reason: At most 123 bytes in UTF-8.

        Raises:
            InvalidMessage: No close frame can carry this code or reason.
        """
        link = self._link
        self._core.close(code, reason, now=link.time())
        link.sync()
        await link.ended()

    async def _turn_to_send(self) -> None:
        """Wait until there is room and no fragmented message is being sent, or until the connection has ended."""
        while self._core.close_info is None:
            if self._streaming:
                await self._link.wait_for_change()
            elif self._link.writable:
                return
            else:
                await self._room()

    async def _room(self) -> None:
        """Wait until there is room, or the connection has ended."""
        while not self._link.writable and self._core.close_info is None:
            await self._link.wait_for_room()

    async def _delivery(self) -> None:
        """Wait until most of the output is written. Raises ConnectionClosed if the rest cannot be written any more."""
        link = self._link
        while not link.writable:
            await link.wait_for_room()
        self._core.check_delivery()

    async def _send_fragments(self, message: AsyncIterable[Data]) -> None:
        core, link = self._core, self._link
        self._streaming = True
        last: str | bytes | None = None
        try:
            async for fragment in message:
                await link.checkpoint_if_due()  # the iterable may never wait
                core.send_fragment(fragment, final=False, now=link.time())
                last = "" if isinstance(fragment, str) else b""
                link.flush()
                await self._delivery()
            if last is not None:
                core.send_fragment(last, final=True, now=link.time())
        finally:
            self._streaming = False
            core.abandon_message(now=link.time())  # no effect on a complete message
            link.sync()
            link.tell()

    # -- attributes

    @property
    def uri(self) -> URI:
        """The URI that it is connected to."""
        return self._core.uri

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that the server chose; None if it chose none."""
        return self._core.subprotocol

    @property
    def response(self) -> Response | None:
        """The server's response to the handshake."""
        return self._core.response

    @property
    def latency(self) -> float | None:
        """Round-trip time in seconds of the last answered ping, keepalive pings included; None before the first."""
        return self._core.stats.latency

    @property
    def close_code(self) -> int | None:
        """The close code (RFC 6455 7.1.5); None while the connection is open."""
        info = self._core.close_info
        return None if info is None else info.code

    @property
    def close_reason(self) -> str | None:
        """The close reason (RFC 6455 7.1.6); None while the connection is open."""
        info = self._core.close_info
        return None if info is None else info.reason

    def __repr__(self) -> str:
        """Show the state and the address."""
        return f"<WebSocket on {self._core!r}>"
