"""A conversation with the chat, over real sockets: every step is checked, and printed as it happens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any, Final, TypeVar

import wscore_asyncio
from wscore import Config, ConnectionClosed, HandshakeFailed, HandshakeRefused

__all__ = ["ConversationFailed", "hold_conversation"]

Show = Callable[[str], None]
_T = TypeVar("_T")

TIMEOUT: Final = 5.0  # seconds, for each wait


class ConversationFailed(Exception):
    """Somebody received something else than expected, or nothing in time; the text says who and what."""


def hold_conversation(address: tuple[str, int], show: Show) -> None:
    """Let ada and bob talk in the chat at `address`; every step is given to `show`. Raises ConversationFailed."""
    asyncio.run(_hold(f"ws://{address[0]}:{address[1]}", show))


async def _hold(url: str, show: Show) -> None:
    async with AsyncExitStack() as connections:
        ada, bob, eve = (_Person(name, url, show, connections) for name in ("ada", "bob", "eve"))
        await ada.joins("/lobby", compressed=True)
        await ada.receives("* ada joined, 1 here")
        await bob.joins("/lobby")
        await bob.receives("* bob joined, 2 here")
        await ada.receives("* bob joined, 2 here")

        await ada.sends("hello, bob! ☕")
        await bob.receives("ada: hello, bob! ☕")
        await ada.receives("ada: hello, bob! ☕")
        await bob.sends(b"\x00\x01\xfe\xff")
        await ada.receives(b"\x00\x01\xfe\xff")

        await bob.pings(b"still there?")

        await bob.closes(3001, "dinner")
        await ada.receives("* bob left (3001 dinner)")

        await ada.sends("/quit")
        await ada.is_closed(4000, "goodbye, ada")
        await eve.is_denied("/lobby", status=403)


class _Person:
    """One client. What is not expected raises ConversationFailed."""

    def __init__(self, name: str, url: str, show: Show, connections: AsyncExitStack) -> None:
        self.name = name
        self._url = url
        self._show = show
        self._connections = connections
        self._ws: wscore_asyncio.WebSocket | None = None

    async def joins(self, path: str, *, compressed: bool = False) -> None:
        """Shake hands for `path`, offering permessage-deflate if `compressed`."""
        target = f"{path}?name={self.name}"
        self._print("->", "handshake", f"GET {target}")
        config = Config(compression=compressed, close_timeout=TIMEOUT)
        self._ws = await self._connect(target, config)
        response = self._ws.response
        assert response is not None  # of every connection that is open
        extensions = [value for name, value in response.headers if name == b"sec-websocket-extensions"]
        names = [value.partition(b";")[0].decode() for value in extensions]
        self._print("<-", "handshake", ", ".join(["101 Switching Protocols", *names]))

    async def is_denied(self, path: str, *, status: int) -> None:
        """Ask to join without a name, and be refused with the HTTP `status`."""
        self._print("->", "handshake", f"GET {path}")
        try:
            await self._connect(path, Config())
        except ConversationFailed as failed:
            refused = failed.__cause__
            if not isinstance(refused, HandshakeRefused) or refused.status != status:
                raise
        else:
            raise ConversationFailed(f"{self.name}: expected HTTP {status}, got a connection")
        self._print("<-", "handshake", f"HTTP {status}: the application denied it")

    async def sends(self, message: str | bytes) -> None:
        """Send a message."""
        self._print("->", *_described(message))
        await self._wait(self._open.send(message))

    async def pings(self, payload: bytes) -> None:
        """Send a ping, and wait for its pong."""
        self._print("->", "ping", repr(payload.decode()))
        await self._wait(self._open.ping(payload))
        self._print("<-", "pong", repr(payload.decode()))

    async def receives(self, expected: str | bytes) -> None:
        """Wait for the next message, which must be this one."""
        message = await self._wait(self._open.recv())
        if message != expected:
            raise ConversationFailed(f"{self.name}: expected {expected!r}, got {message!r}")
        self._print("<-", *_described(message))

    async def closes(self, code: int, reason: str) -> None:
        """Close, and wait for the answer, which repeats code and reason."""
        self._print("->", "close", f"{code} {reason!r}")
        await self._wait(self._open.close(code, reason))
        self._closed(code, reason)

    async def is_closed(self, code: int, reason: str) -> None:
        """Wait for messages, and be closed instead."""
        try:
            message = await self._wait(self._open.recv())
        except ConversationFailed as failed:
            if not isinstance(failed.__cause__, ConnectionClosed):
                raise
        else:
            raise ConversationFailed(f"{self.name}: expected a close with {code}, got {message!r}")
        self._closed(code, reason)

    @property
    def _open(self) -> wscore_asyncio.WebSocket:
        assert self._ws is not None  # who talks has joined
        return self._ws

    async def _connect(self, target: str, config: Config) -> wscore_asyncio.WebSocket:
        connecting = wscore_asyncio.connect(f"{self._url}{target}", config=config, proxy=None)
        return await self._wait(self._connections.enter_async_context(connecting))

    def _closed(self, code: int, reason: str) -> None:
        found = f"{self._open.close_code} {self._open.close_reason!r}"
        if found != f"{code} {reason!r}":
            raise ConversationFailed(f"{self.name}: expected a close with {code} {reason!r}, got {found}")
        self._print("<-", "close", f"{code} {reason!r}")

    async def _wait(self, step: Coroutine[Any, Any, _T]) -> _T:
        try:
            async with asyncio.timeout(TIMEOUT):
                return await step
        except TimeoutError:
            raise ConversationFailed(f"{self.name}: nothing came for {TIMEOUT:.0f} s") from None
        except (HandshakeFailed, ConnectionClosed) as error:
            raise ConversationFailed(f"{self.name}: {error}") from error

    def _print(self, arrow: str, kind: str, content: str) -> None:
        self._show(f"  {self.name} {arrow} {kind:<9}  {content}")


def _described(message: str | bytes) -> tuple[str, str]:
    return ("text", repr(message)) if isinstance(message, str) else ("binary", message.hex(" "))
