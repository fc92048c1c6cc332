"""trio-websocket's client."""

from __future__ import annotations

import sys

import trio
from trio_websocket import open_websocket_url

from bench.callers.orders import TEXT, check, orders


async def main(port: int) -> None:
    async with open_websocket_url(f"ws://127.0.0.1:{port}/", message_queue_size=64) as ws:
        for rounds, together in orders():
            for _ in range(rounds):
                for _ in range(together):
                    await ws.send_message(TEXT)
                for _ in range(together):
                    check(await ws.get_message())


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]))
