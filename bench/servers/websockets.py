"""websockets' own server, on asyncio, uvloop or trio."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

from bench.servers.loops import run


async def echo(websocket: Any) -> None:
    async for message in websocket:
        await websocket.send(message)


async def on_asyncio(port: int) -> None:
    from websockets.asyncio.server import serve

    async with serve(echo, "127.0.0.1", port, max_size=2**24) as server:
        await server.serve_forever()


if __name__ == "__main__":
    if sys.argv[2] == "trio":
        import trio
        from websockets.trio.server import serve

        trio.run(partial(serve, echo, int(sys.argv[1]), host="127.0.0.1", max_size=2**24))
    else:
        run(on_asyncio(int(sys.argv[1])), sys.argv[2])
