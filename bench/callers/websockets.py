"""websockets' client on asyncio, without compression and keepalive."""

from __future__ import annotations

import asyncio
import sys

import websockets.asyncio.client

from bench.callers.orders import TEXT, check, sessions


async def main(port: int) -> None:
    for to, orders in sessions(port):
        uri = f"ws://127.0.0.1:{to}/"
        async with websockets.asyncio.client.connect(uri, compression=None, ping_interval=None, proxy=None) as ws:
            for turns, together in orders:
                for _ in range(turns):
                    for _ in range(together):
                        await ws.send(TEXT)
                    for _ in range(together):
                        check(await ws.recv())


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
