"""The ASGI application that is attacked: an echo, one that only receives, and one that only sends."""

from __future__ import annotations

from typing import Any

from bench.servers.echo_app import app as echo

__all__ = ["app"]


async def app(scope: Any, receive: Any, send: Any) -> None:
    """`/take` receives only, `/pour` sends one character again and again once it is told to, all else is an echo."""
    path = scope.get("path")
    if path == "/take":
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
    elif path == "/pour":
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        while True:
            await send({"type": "websocket.send", "text": "x"})
    else:
        await echo(scope, receive, send)
