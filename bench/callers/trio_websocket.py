"""trio-websocket's client."""

from __future__ import annotations

import sys

import trio
from trio_websocket import open_websocket_url

from bench.callers.orders import TEXT, check, sessions


async def main(port: int) -> None:
    for to, orders in sessions(port):
        async with open_websocket_url(f"ws://127.0.0.1:{to}/", message_queue_size=64) as ws:
            for turns, together in orders:
                for _ in range(turns):
                    for _ in range(together):
                        await ws.send_message(TEXT)
                    for _ in range(together):
                        check(await ws.get_message())


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]))
