"""The ASGI application that every ASGI server runs: it sends back what it receives, as it came."""

from __future__ import annotations

from typing import Any

__all__ = ["app"]


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Echo until the connection ends; there is nothing to start or stop, so no lifespan."""
    if scope["type"] != "websocket":
        raise NotImplementedError
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        text = message.get("text")
        if text is not None:
            await send({"type": "websocket.send", "text": text})
        else:
            await send({"type": "websocket.send", "bytes": message["bytes"]})
