"""wscore on asyncio or uvloop."""

from __future__ import annotations

import sys

import wscore_asyncio
from bench.servers.echo_app import app
from bench.servers.loops import run


async def main(port: int) -> None:
    async with wscore_asyncio.serve(app, "127.0.0.1", port, access_log=False) as server:
        await server.serve_forever()


if __name__ == "__main__":
    run(main(int(sys.argv[1])), sys.argv[2])
