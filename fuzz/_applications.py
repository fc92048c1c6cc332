"""What the server's application does in a simulated conversation, and the messages that both sides send."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from wscore import Disconnected, LocalProtocolError
from wscore.testing.network import Cancelled

if TYPE_CHECKING:
    from ._conversation import Play

__all__ = ["APPS", "CHANCES", "Application", "ApplicationError", "payload", "size_of"]

_ALPHABET: Final = "abc\u00df\u20ac\U0001f600 "
_NOISE: Final = random.Random(0).randbytes(1 << 16)
_TEXT: Final = "".join(random.Random(0).choice(_ALPHABET) for _ in range(1 << 14))


class ApplicationError(Exception):
    """The application's own, on purpose."""


class Application:
    """What an application has in hand."""

    def __init__(self, play: Play, receive: Any, send: Any) -> None:
        self.play = play
        self.count = play.plan.app_count
        self.pause = play.plan.app_pause
        self._receive = receive
        self._send = send

    async def accept(self) -> None:
        await self._send({"type": "websocket.accept"})

    async def receive(self) -> str | bytes | None:
        """Receive a message; None after the disconnect."""
        play = self.play
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            play.invariants.check_disconnect(message)
            play.disconnect = message
            return None
        data: str | bytes = message["bytes"] if message.get("text") is None else message["text"]
        play.invariants.check_order("server", play.from_client, play.to_server, data)
        play.to_server += 1
        play.server_took += size_of(data)
        return data

    async def send(self, data: str | bytes) -> None:
        play = self.play
        play.from_server.append(data)
        stats = play.connection.server.core.stats
        sent = stats.messages_sent
        try:
            await self._send({"type": "websocket.send", "text" if isinstance(data, str) else "bytes": data})
        finally:
            if stats.messages_sent == sent:
                play.from_server.pop()

    async def close(self, code: int) -> None:
        self.play.invariants.app_closes = code
        await self._send({"type": "websocket.close", "code": code})

    async def sleep(self, seconds: float) -> None:
        if seconds:
            await self.play.network.sleep(seconds)

    async def drain(self) -> None:
        """Receive until the disconnect."""
        while self.play.disconnect is None:
            await self.receive()


def size_of(message: str | bytes) -> int:
    """Return the size of a message in bytes."""
    return len(message) if isinstance(message, bytes) else len(message.encode())


def payload(size: int, binary: bool, at: int) -> str | bytes:
    """Make a message of about that size, that no other is alike."""
    if binary:
        return b"%d " % at + (
            _NOISE[at : at + size] if size <= 1 << 14 else (_NOISE * (1 + size // len(_NOISE)))[:size]
        )
    return f"{at} " + (
        _TEXT[at % 4096 : at % 4096 + size] if size <= 1 << 13 else (_TEXT * (1 + size // len(_TEXT)))[:size]
    )


async def _echoes(app: Application) -> None:
    await app.accept()
    while (data := await app.receive()) is not None:
        await app.sleep(app.pause)
        await app.send(data)


async def _sinks(app: Application) -> None:
    await app.accept()
    while await app.receive() is not None:
        await app.sleep(app.pause)


async def _pushes(app: Application) -> None:
    """Send from one task and receive in another."""
    await app.accept()
    network = app.play.network

    async def push() -> None:
        try:
            for number in range(app.count * 3):
                await app.send(payload(number * 7, number % 2 == 1, number))
                await network.sleep(0.01 + app.pause)
        except (Disconnected, LocalProtocolError, Cancelled):
            pass

    task = network.start(push)
    try:
        await app.drain()
    finally:
        task.cancel()


async def _floods(app: Application) -> None:
    await app.accept()
    for number in range(app.count * 4):
        await app.send(payload(6_000, number % 2 == 1, number))
    await app.drain()


async def _is_deaf(app: Application) -> None:
    await app.accept()
    await app.sleep(app.count * 10)
    await app.drain()


async def _fails(app: Application) -> None:
    await app.accept()
    for _ in range(app.count):
        await app.receive()
        if app.play.disconnect is not None:
            return
    raise ApplicationError


async def _returns(app: Application) -> None:
    await app.accept()
    for _ in range(app.count):
        if await app.receive() is None:
            return
        await app.sleep(app.pause)


async def _closes(app: Application) -> None:
    await app.accept()
    for _ in range(app.count):
        if (data := await app.receive()) is None:
            return
        await app.send(data)
    await app.close(4000 + app.count)
    await app.drain()


async def _refuses(app: Application) -> None:
    await app.sleep(app.pause)
    await app._send({"type": "websocket.close"})


async def _denies(app: Application) -> None:
    await app._send({"type": "websocket.http.response.start", "status": 401, "headers": []})
    for _ in range(app.count):
        await app._send({"type": "websocket.http.response.body", "body": b"no " * 1000, "more_body": True})
        await app.sleep(app.pause)
    await app._send({"type": "websocket.http.response.body", "body": b"."})


async def _never_answers(app: Application) -> None:
    await app.sleep(1000.0)


_APPS: Final[dict[str, tuple[int, Callable[[Application], Awaitable[None]]]]] = {
    "echoes": (6, _echoes),
    "sinks": (2, _sinks),
    "pushes": (3, _pushes),
    "floods": (2, _floods),
    "is deaf": (2, _is_deaf),
    "fails": (2, _fails),
    "returns": (2, _returns),
    "closes": (3, _closes),
    "refuses": (1, _refuses),
    "denies": (1, _denies),
    "never answers": (1, _never_answers),
}
"""How often, in proportion, and what."""

APPS: Final = {name: app for name, (_, app) in _APPS.items()}
CHANCES: Final = tuple(name for name, (often, _) in _APPS.items() for _ in range(often))
