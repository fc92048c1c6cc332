"""Drive a client through all cases of Autobahn's fuzzing server.

    python -m fuzz.autobahn asyncio ws://127.0.0.1:9001 ME

The server (`wstest -m fuzzingserver`) plays the cases, judges what the client does, and writes the report under ME.
"""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from typing import Any

import trio

import wscore_asyncio
import wscore_trio
from wscore import Config, ConnectionClosed

LIMIT = 2**25  # messages of 16 MiB come


async def echo_all(connect: Any, url: str, name: str) -> None:
    async with connect(f"{url}/getCaseCount") as ws:
        count = int(await ws.recv())
    for case in range(1, count + 1):
        try:
            async with connect(f"{url}/runCase?case={case}&agent={name}") as ws:
                async for message in ws:
                    await ws.send(message)
        except ConnectionClosed:
            pass  # most cases are about that; the server judges how it was closed
        if case % 50 == 0 or case == count:
            print(f"{case} of {count}", flush=True)
    async with connect(f"{url}/updateReports?agent={name}") as ws:
        async for _ in ws:
            pass


def main(backend: str, url: str, name: str) -> None:
    config = Config(max_message_size=LIMIT, max_queue_size=LIMIT, ping_interval=None)
    if backend == "asyncio":
        asyncio.run(echo_all(partial(wscore_asyncio.connect, config=config), url, name))
    else:
        trio.run(echo_all, partial(wscore_trio.connect, config=config), url, name)


if __name__ == "__main__":
    main(*sys.argv[1:])
