"""wscore on asyncio."""

from __future__ import annotations

import asyncio
import sys

import wscore_asyncio
from bench.callers.orders import TEXT, check, sessions
from wscore import Config


async def main(port: int) -> None:
    config = Config(ping_interval=None, compression=False)
    for to, orders in sessions(port):
        async with wscore_asyncio.connect(f"ws://127.0.0.1:{to}/", config=config) as ws:
            for turns, together in orders:
                for _ in range(turns):
                    for _ in range(together):
                        await ws.send(TEXT)
                    for _ in range(together):
                        check(await ws.recv())


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
