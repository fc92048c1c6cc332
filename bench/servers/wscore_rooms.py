"""wscore with one room for all, through the Redis (`-`: none) and on the loop that the command line names.

A connection to `/control` that says anything sends the payload to the room; all other connections are members.
"""

from __future__ import annotations

import sys
from functools import partial

from bench.servers.loops import run
from bench.servers.payload import PAYLOAD
from wscore.app import App, Member, RedisBackplane, Registry, WebSocket

app = App(registry=Registry(backplane=None if sys.argv[3] == "-" else RedisBackplane(sys.argv[3])))


@app.websocket("/control")
async def control(websocket: WebSocket, registry: Registry) -> None:
    await websocket.accept()
    async for _ in websocket.iter_text():
        registry.broadcast("all", PAYLOAD)


@app.websocket("/")
async def member(websocket: WebSocket, member: Member) -> None:
    member.enter("all")
    await websocket.accept()
    async for _ in websocket.iter_text():
        pass


async def on_asyncio(port: int) -> None:
    import wscore_asyncio

    async with wscore_asyncio.serve(app, "127.0.0.1", port, access_log=False) as server:
        await server.serve_forever()


if __name__ == "__main__":
    if sys.argv[2] == "trio":
        import trio

        import wscore_trio

        trio.run(partial(wscore_trio.serve, app, "127.0.0.1", int(sys.argv[1]), access_log=False))
    else:
        run(on_asyncio(int(sys.argv[1])), sys.argv[2])
