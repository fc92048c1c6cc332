"""The example application: chat rooms, one for each path, in plain ASGI. It runs on any ASGI server, asyncio or trio.

    ws://127.0.0.1:8000/lobby?name=ada

Who is in a room hears the others' text as "name: text" and their bytes as they are, and who comes and goes. The text
"/quit" asks the server to close, with code 4000. Nobody waits for a slow member: each has a short queue and a task that
writes from it, and whoever lets it fill up is closed with 1013. A client without a name is denied with HTTP 403.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

__all__ = ["chat"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

QUEUE = 64  # messages a member may lag behind
QUIT = 4000  # 4000-4999 are the application's own codes (RFC 6455 7.4.2)
TOO_SLOW = 1013


class Member:
    """Somebody in a room: a name, and what is still to be written to them."""

    def __init__(self, name: str, send: Send) -> None:
        """Make a member who is written to with `send`."""
        self.name = name
        self._send = send
        self._queue: MemoryObjectSendStream[Message]
        self._unwritten: MemoryObjectReceiveStream[Message]
        self._queue, self._unwritten = anyio.create_memory_object_stream[Message](QUEUE)
        self._slow = False

    def __enter__(self) -> Member:
        return self

    def __exit__(self, *_: object) -> None:
        self._queue.close()
        self._unwritten.close()

    def tell(self, message: Message) -> None:
        """Leave a message for the member; without waiting, whatever the member does."""
        try:
            self._queue.send_nowait(message)
        except anyio.WouldBlock:
            self._slow = True
            self._queue.close()
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            pass  # leaving

    async def write(self) -> None:
        """Write what is left for the member, until it is a close or the member is gone."""
        with self._unwritten:
            try:
                async for message in self._unwritten:
                    await self._send(message)
                    if message["type"] == "websocket.close":
                        return
                if self._slow:
                    await self._send({"type": "websocket.close", "code": TOO_SLOW, "reason": "too slow"})
            except OSError:
                pass  # the client has left; websocket.disconnect says so too


rooms: defaultdict[str, list[Member]] = defaultdict(list)


async def chat(scope: Message, receive: Receive, send: Send) -> None:
    """Serve one member of one room: the ASGI application."""
    if scope["type"] != "websocket":
        raise NotImplementedError(f"the chat speaks WebSocket, not {scope['type']}")
    await receive()  # websocket.connect
    name = parse_qs(scope["query_string"].decode("ascii", "replace")).get("name", [""])[0]
    if not name:
        await send({"type": "websocket.close"})  # before the accept: HTTP 403
        return
    await send({"type": "websocket.accept"})

    path = scope["path"]
    everybody = rooms[path]
    with Member(name, send) as member:
        everybody.append(member)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(member.write)
            _tell(everybody, {"type": "websocket.send", "text": f"* {name} joined, {len(everybody)} here"})
            try:
                left = await _listen(member, everybody, receive)
            finally:
                everybody.remove(member)
                if not everybody:
                    rooms.pop(path, None)
            _tell(everybody, {"type": "websocket.send", "text": f"* {name} left ({left})"})
            tasks.cancel_scope.cancel()


async def _listen(member: Member, everybody: list[Member], receive: Receive) -> str:
    """Pass on what the member says, and give the code and the reason with which the member left."""
    while (event := await receive())["type"] == "websocket.receive":
        text, data = event.get("text"), event.get("bytes")
        if text == "/quit":
            member.tell({"type": "websocket.close", "code": QUIT, "reason": f"goodbye, {member.name}"})
        elif text is not None:
            _tell(everybody, {"type": "websocket.send", "text": f"{member.name}: {text}"})
        else:
            others = [other for other in everybody if other is not member]
            _tell(others, {"type": "websocket.send", "bytes": data})
    return " ".join(filter(None, (str(event["code"]), event.get("reason"))))


def _tell(members: list[Member], message: Message) -> None:
    for member in members:
        member.tell(message)
