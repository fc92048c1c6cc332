"""aiohttp's own server, on asyncio or uvloop."""

from __future__ import annotations

import asyncio
import sys

from aiohttp import WSMsgType, web

from bench.servers.loops import run


async def echo(request: web.Request) -> web.WebSocketResponse:
    websocket = web.WebSocketResponse(max_msg_size=2**24)
    await websocket.prepare(request)
    async for message in websocket:
        if message.type is WSMsgType.TEXT:
            await websocket.send_str(message.data)
        else:
            await websocket.send_bytes(message.data)
    return websocket


async def main(port: int) -> None:
    app = web.Application()
    app.router.add_get("/", echo)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    run(main(int(sys.argv[1])), sys.argv[2])
