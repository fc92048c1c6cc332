"""An ASGI server and its client in memory: what an application is sent and what it sends, one message at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio

from wscore import ClientDisconnected

from ..real_time import PATIENCE


def scope_for(path: str = "/", **changes: Any) -> dict[str, Any]:
    path, _, query = path.partition("?")
    return {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [],
        "client": ("192.0.2.1", 50000),
        "server": ("192.0.2.2", 80),
        "subprotocols": [],
        "state": {},
        "extensions": {},
        **changes,
    }


class Peer:
    """A connection, from the client's side. It behaves as wscore's servers do."""

    def __init__(self, app: Any, scope: dict[str, Any]) -> None:
        self.app = app
        self.scope = scope
        self.error: BaseException | None = None
        self.ended = anyio.Event()
        self.cancel_scope = anyio.CancelScope()
        self.reads = True
        """Whether the client reads; while not, the application's sends wait."""
        self._reads_again = anyio.Event()
        self._gone = False
        self._in, self._incoming = anyio.create_memory_object_stream[dict[str, Any]](1000)
        self._outgoing, self._out = anyio.create_memory_object_stream[dict[str, Any]](1000)
        self._in.send_nowait({"type": "websocket.connect"})

    async def run(self) -> None:
        with self.cancel_scope:
            try:
                await self.app(self.scope, self._incoming.receive, self._send)
            except Exception as error:
                self.error = error
        self.ended.set()

    async def _send(self, message: dict[str, Any]) -> None:
        await anyio.lowlevel.checkpoint()
        while not self.reads and message["type"] == "websocket.send" and not self._gone:
            await self._reads_again.wait()
        if self._gone:
            raise ClientDisconnected(1006, "")
        self._outgoing.send_nowait(dict(message))
        if message["type"] == "websocket.close":
            code, reason = message.get("code", 1000), message.get("reason", "")
            self._in.send_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})

    def say(self, data: str | bytes) -> None:
        self._in.send_nowait({"type": "websocket.receive", "text" if isinstance(data, str) else "bytes": data})

    def read_again(self) -> None:
        self.reads = True
        self._reads_again.set()
        self._reads_again = anyio.Event()

    def leave(self, code: int = 1000, reason: str = "") -> None:
        """Leave: the application is told, and what it sends fails."""
        self._gone = True
        self._reads_again.set()
        self._in.send_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})

    def vanish(self) -> None:
        """Be gone, without a message yet: what the application sends fails."""
        self._gone = True
        self._reads_again.set()

    async def next(self) -> dict[str, Any]:
        with anyio.fail_after(PATIENCE):
            return await self._out.receive()

    async def accepted(self) -> None:
        assert (await self.next())["type"] == "websocket.accept"

    async def text(self) -> str:
        message = await self.next()
        assert message["type"] == "websocket.send", message
        text: str = message["text"]
        return text

    async def close(self) -> tuple[int, str]:
        message = await self.next()
        assert message["type"] == "websocket.close", message
        return message.get("code", 1000), message.get("reason", "")

    async def over(self) -> BaseException | None:
        """Wait for the application's end; gives what it raised."""
        with anyio.fail_after(PATIENCE):
            await self.ended.wait()
        return self.error

    def left(self) -> list[dict[str, Any]]:
        """What was sent and not yet looked at."""
        found: list[dict[str, Any]] = []
        while self._out.statistics().current_buffer_used:
            found.append(self._out.receive_nowait())
        return found

    def _close_streams(self) -> None:
        for stream in (self._in, self._incoming, self._outgoing, self._out):
            stream.close()


@asynccontextmanager
async def connected(app: Any, path: str = "/", **changes: Any) -> AsyncIterator[Peer]:
    """Connect to an application; at the end the client leaves, if it is still there, and the application must end."""
    peer = Peer(app, scope_for(path, **changes))
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(peer.run)
            yield peer
            if not peer.ended.is_set():
                peer.leave(1001)
            await peer.over()
    finally:
        peer._close_streams()


async def settled() -> None:
    """Let every task go on until it waits for something."""
    await anyio.wait_all_tasks_blocked()
