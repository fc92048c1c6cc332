"""wscore with `broadcast_app`, on asyncio, uvloop or trio."""

from __future__ import annotations

import sys
from functools import partial

from bench.servers.broadcast_app import app
from bench.servers.loops import run


async def on_asyncio(port: int) -> None:
    import wscore_asyncio

    async with wscore_asyncio.serve(app, "127.0.0.1", port, access_log=False) as server:
        await server.serve_forever()


if __name__ == "__main__":
    if sys.argv[2] == "trio":
        import trio

        import wscore_trio

        trio.run(partial(wscore_trio.serve, app, "127.0.0.1", int(sys.argv[1]), access_log=False))
    else:
        run(on_asyncio(int(sys.argv[1])), sys.argv[2])
