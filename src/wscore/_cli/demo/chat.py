"""The example application: chat rooms, one for each path, on `wscore.app`. It runs on any ASGI server.

    ws://127.0.0.1:8000/lobby?name=ada

Members of a room receive the others' text as "name: text" and their bytes unchanged, and learn who joins and leaves.
The text "/quit" asks the server to close, with code 4000. A client without a name is denied with HTTP 403. Nobody waits
for a slow member: one that lags QUEUE messages behind is closed with 1013.
"""

from __future__ import annotations

from typing import Final

from wscore.app import App, Member, Registry, WebSocket

__all__ = ["app"]

QUEUE: Final = 64
QUIT: Final = 4000  # 4000-4999 are the application's own codes (RFC 6455 7.4.2)

registry = Registry(max_queue=QUEUE, slow="close")
app = App(registry=registry)


@app.websocket("/{room}")
async def chat(websocket: WebSocket, room: str) -> None:
    """Serve one member of one room."""
    name = websocket.query_params.get("name")
    if not name:
        await websocket.close()  # before the accept: HTTP 403
        return
    await websocket.accept()
    async with registry.join(websocket, rooms=[room]) as member:
        registry.broadcast(room, f"* {name} joined, {len(registry.ids(room))} here")
        left = await _listen(websocket, member, name, room)
        member.leave(room)
        registry.broadcast(room, f"* {name} left ({left})")


async def _listen(websocket: WebSocket, member: Member, name: str, room: str) -> str:
    """Pass on what the member says, and return the code and the reason with which the member left."""
    while (event := await websocket.receive())["type"] == "websocket.receive":
        text = event.get("text")
        if text == "/quit":
            member.close(QUIT, f"goodbye, {name}")
        elif text is not None:
            registry.broadcast(room, f"{name}: {text}")
        else:
            registry.broadcast(room, event["bytes"], exclude=[member.id])
    return " ".join(filter(None, (str(event["code"]), event.get("reason"))))
