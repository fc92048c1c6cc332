"""wscore or uvicorn with `attacked_app`: `python -m bench.servers.attacked PORT wscore|uvicorn asyncio|uvloop|trio`."""

from __future__ import annotations

import sys
from functools import partial

from bench.servers.attacked_app import app
from bench.servers.loops import run


async def on_asyncio(port: int) -> None:
    import wscore_asyncio

    async with wscore_asyncio.serve(app, "127.0.0.1", port, access_log=False) as server:
        await server.serve_forever()


def main(port: int, server: str, loop: str) -> None:
    if server == "uvicorn":
        import uvicorn

        # Messages as large as wscore takes by default, or the bombs would be refused.
        uvicorn.run(
            app,
            host="127.0.0.1",
            port=port,
            ws="websockets-sansio",
            ws_max_size=2**24,
            loop=loop,
            log_level="critical",
            access_log=False,
            lifespan="off",
        )
    elif loop == "trio":
        import trio

        import wscore_trio

        trio.run(partial(wscore_trio.serve, app, "127.0.0.1", port, access_log=False))
    else:
        run(on_asyncio(port), loop)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
