"""Sends back every message: the smallest useful application, and the one that the Autobahn testsuite needs.

    wscore run echo:app --ws-max-size 33554432

Autobahn sends messages of 16 MiB; any higher limit works.
"""

from typing import Any


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Accept, and send back every message until the client leaves."""
    if scope["type"] != "websocket":
        return  # no lifespan here
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message.get("text"), "bytes": message.get("bytes")})
