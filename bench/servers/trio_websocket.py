"""trio-websocket's own server."""

from __future__ import annotations

import sys
from functools import partial

import trio
from trio_websocket import ConnectionClosed, WebSocketRequest, serve_websocket


async def echo(request: WebSocketRequest) -> None:
    websocket = await request.accept()
    try:
        while True:
            await websocket.send_message(await websocket.get_message())
    except ConnectionClosed:
        pass


if __name__ == "__main__":
    trio.run(partial(serve_websocket, echo, "127.0.0.1", int(sys.argv[1]), None, max_message_size=2**24))
