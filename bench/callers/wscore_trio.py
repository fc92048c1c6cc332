"""wscore on trio."""

from __future__ import annotations

import sys

import trio

import wscore_trio
from bench.callers.orders import TEXT, check, sessions
from wscore import Config


async def main(port: int) -> None:
    config = Config(ping_interval=None, compression=False)
    for to, orders in sessions(port):
        async with wscore_trio.connect(f"ws://127.0.0.1:{to}/", config=config) as ws:
            for turns, together in orders:
                for _ in range(turns):
                    for _ in range(together):
                        await ws.send(TEXT)
                    for _ in range(together):
                        check(await ws.recv())


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]))
