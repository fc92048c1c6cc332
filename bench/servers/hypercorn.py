"""hypercorn on asyncio or trio."""

from __future__ import annotations

import sys
from functools import partial

from hypercorn.config import Config

from bench.servers.echo_app import app
from bench.servers.loops import run

if __name__ == "__main__":
    config = Config()
    config.bind = [f"127.0.0.1:{sys.argv[1]}"]
    config.loglevel = "ERROR"
    if sys.argv[2] == "trio":
        import hypercorn.trio
        import trio

        trio.run(partial(hypercorn.trio.serve, app, config))
    else:
        import hypercorn.asyncio

        run(hypercorn.asyncio.serve(app, config), sys.argv[2])
