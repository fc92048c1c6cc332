"""Applications under test: plain ASGI callables, the same for every transport."""

from __future__ import annotations

from typing import Any

from .harness import Gate, Notes


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Send back what comes, until the disconnect; accept the first subprotocol."""
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept", "subprotocol": next(iter(scope["subprotocols"]), None)})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message.get("text"), "bytes": message.get("bytes")})


class Noting:
    """Accept, and tell the test the scope of each connection and then each message.

    With `answer` send messages back; with `hold` ask for nothing after the accept until the gate opens.
    """

    def __init__(self, *, answer: bool = False, hold: Gate | None = None) -> None:
        self.scopes = Notes()
        self.messages = Notes()
        self._answer = answer
        self._hold = hold

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.put(scope)
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        if self._hold is not None:
            await self._hold.wait()
        while True:
            message = await receive()
            self.messages.put(message)
            if message["type"] == "websocket.disconnect":
                return
            if self._answer:
                await send({"type": "websocket.send", "text": message.get("text"), "bytes": message.get("bytes")})

    def disconnect(self) -> tuple[int, str]:
        """Wait for the disconnect, which must be the next message."""
        message = self.messages.next()
        assert message["type"] == "websocket.disconnect", message
        assert type(message["code"]) is int
        return message["code"], message["reason"]
