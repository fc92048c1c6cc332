"""A client's open connection as its users see it, on any event loop.

It is not part of the core, since it waits. How to wait is left to each transport's subclass of `AsyncClientDriver`.
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
    """A `ClientDriver` whose transport can wait. Every wait may end early: look again."""

    __slots__ = ()

    async def checkpoint_if_due(self) -> None:
        """Begin a step of a task's."""
        self._credit -= 1
        if self._credit < 0:
            await self.checkpoint()

    async def catch_up(self) -> None:
        """Have parsed what a connection that is gone left behind, turn by turn."""
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
        """Wait until the handshake is over. Raises HandshakeFailed and its subclasses, when the socket is closed."""
        while not self.handshake_over:
            await self.wait_for_change()

    async def ended(self) -> None:
        """Wait until the socket is closed."""
        while not self.gone:
            await self.wait_for_change()


class WebSocket:
    """An open connection; made by `connect`. Any number of tasks may use it."""

    __slots__ = ("_core", "_link", "_streaming")

    def __init__(self, link: AsyncClientDriver) -> None:
        self._core = link.core
        self._link = link
        self._streaming = False  # a message is being sent in fragments: others wait

    async def send(self, message: Data | AsyncIterable[Data]) -> None:
        """Send a message: a `str` as text, bytes as binary, an async iterable of either as one message in fragments.

        Waits while the server reads too slowly. Raises ConnectionClosed, and InvalidMessage for anything else.
        Cancelled while it waits for room, it has sent nothing. A message larger than `max_output_size` is waited for
        once more, until most of it is written: cancelled then, it is on its way whole. One in fragments that had begun
        cannot be finished, and closes the connection (1011), as does an iterable that raises.
        """
        link = self._link
        await link.checkpoint_if_due()
        if self._streaming or not link.writable:
            await self._turn_to_send()
        # What is neither is for the core to refuse.
        if isinstance(message, _WHOLE) or not isinstance(message, AsyncIterable):  # pyright: ignore[reportUnnecessaryIsInstance]
            if link.send_message(message):
                await self._delivery()
        else:
            await self._send_fragments(message)

    async def recv(self) -> str | bytes:
        """Wait for a message: text as `str`, binary as bytes. Raises ConnectionClosed once none can come.

        Cancelled, it loses none.
        """
        link = self._link
        await link.checkpoint_if_due()  # before a message is taken, so that cancelling loses none
        if link.gone:
            await link.catch_up()
        while (message := link.next_message()) is None:
            await link.wait_for_message()
            link.begin_turn()
        return message

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

        Waits for room first, as `send` does; cancelled meanwhile, it has sent nothing. Raises ConnectionClosed,
        InvalidMessage for more than 125 bytes, LocalProtocolError for a payload that is in flight already. Cancelled
        later, the connection goes on.
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
        """Close, and wait until the socket is closed, `close_timeout` at most. Messages not read yet are still there.

        Raises InvalidMessage for a code or a reason that no close frame can carry. Cancelled, the closing goes on.
        """
        link = self._link
        self._core.close(code, reason, now=link.time())
        link.sync()
        await link.ended()

    async def _turn_to_send(self) -> None:
        """Wait until no other message is being sent, and there is room; or until nothing can be sent any more."""
        while self._core.close_info is None:
            if self._streaming:
                await self._link.wait_for_change()
            elif self._link.writable:
                return
            else:
                await self._room()

    async def _room(self) -> None:
        """Wait until there is room, or nothing can be sent any more."""
        while not self._link.writable and self._core.close_info is None:
            await self._link.wait_for_room()

    async def _delivery(self) -> None:
        """Wait until most of what was sent is written. Raises ConnectionClosed where that can no longer be."""
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
                await link.checkpoint_if_due()  # an iterable may always have more
                core.send_fragment(fragment, final=False, now=link.time())
                last = "" if isinstance(fragment, str) else b""
                link.sync()
                link.flush()
                await self._delivery()
            if last is not None:
                core.send_fragment(last, final=True, now=link.time())
        finally:
            self._streaming = False
            core.abandon_message(now=link.time())  # nothing to do where it is whole
            link.sync()
            link.tell()

    # -- what it tells of itself

    @property
    def uri(self) -> URI:
        """What it is connected to."""
        return self._core.uri

    @property
    def subprotocol(self) -> str | None:
        """What the server chose from those offered."""
        return self._core.subprotocol

    @property
    def response(self) -> Response | None:
        """The handshake's answer."""
        return self._core.response

    @property
    def latency(self) -> float | None:
        """The round trip of the last ping that was answered, keepalive's among them, in seconds."""
        return self._core.stats.latency

    @property
    def close_code(self) -> int | None:
        """How the connection ended; None while it has not."""
        info = self._core.close_info
        return None if info is None else info.code

    @property
    def close_reason(self) -> str | None:
        """Why the connection ended; None while it has not."""
        info = self._core.close_info
        return None if info is None else info.reason

    def __repr__(self) -> str:
        """Show state and address, for logs."""
        return f"<WebSocket on {self._core!r}>"
