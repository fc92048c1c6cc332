"""aiohttp's client, on asyncio."""

from __future__ import annotations

import asyncio
import sys

import aiohttp

from bench.callers.orders import TEXT, check, sessions


async def main(port: int) -> None:
    for to, orders in sessions(port):
        async with aiohttp.ClientSession() as session, session.ws_connect(f"ws://127.0.0.1:{to}/", compress=0) as ws:
            for turns, together in orders:
                for _ in range(turns):
                    for _ in range(together):
                        await ws.send_str(TEXT)
                    for _ in range(together):
                        check(await ws.receive_str())


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
