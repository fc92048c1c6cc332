"""An ASGI application with wscore.app: a thousand members, and one connection that says how they get a message.

A connection to `/control` sends "broadcast" or "sends": the payload then goes to every member by one
`Registry.broadcast`, or by one `await websocket.send_text(...)` each. All other connections are members.
"""

from __future__ import annotations

from typing import Any

from bench.servers.payload import PAYLOAD
from wscore.app import Registry, WebSocket

__all__ = ["app"]

registry = Registry()
members: set[WebSocket] = set()


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Serve a member, or the one who commands."""
    if scope["type"] != "websocket":
        raise NotImplementedError
    websocket = WebSocket(scope, receive, send)
    await websocket.accept()
    if scope["path"] == "/control":
        async for command in websocket.iter_text():
            if command == "broadcast":
                registry.broadcast("all", PAYLOAD)
            else:
                for member in members:
                    await member.send_text(PAYLOAD)
        return
    members.add(websocket)
    try:
        async with registry.join(websocket, rooms=("all",)):
            async for _ in websocket.iter_text():
                pass
    finally:
        members.discard(websocket)
