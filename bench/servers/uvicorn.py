"""uvicorn, with the websocket implementation and the loop that the command line names."""

from __future__ import annotations

import sys

import uvicorn

from bench.servers.echo_app import app

if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        ws=sys.argv[2],
        loop=sys.argv[3],
        log_level="error",
        access_log=False,
        lifespan="off",
    )
