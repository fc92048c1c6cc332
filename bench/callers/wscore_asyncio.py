"""wscore on asyncio."""

from __future__ import annotations

import asyncio
import sys

import wscore_asyncio
from bench.callers.orders import TEXT, check, orders
from wscore import Config


async def main(port: int) -> None:
    config = Config(ping_interval=None, compression=False)
    async with wscore_asyncio.connect(f"ws://127.0.0.1:{port}/", config=config) as ws:
        for rounds, together in orders():
            for _ in range(rounds):
                for _ in range(together):
                    await ws.send(TEXT)
                for _ in range(together):
                    check(await ws.recv())


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
