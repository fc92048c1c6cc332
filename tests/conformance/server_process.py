"""A server in a process of its own, for what only a process has: `python server_process.py TRANSPORT APP OPTIONS`.

Options are JSON: a configuration, and "nofile" for the limit on descriptors. It prints its port, serves until its
standard input ends, and prints on standard error what is logged on wscore.error.
"""

from __future__ import annotations

import json
import logging
import resource
import sys
import threading
from functools import partial
from typing import Any

from wscore import Config


async def echo(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message.get("text"), "bytes": message.get("bytes")})


async def undecided(scope: Any, receive: Any, send: Any) -> None:
    """Neither accept nor deny."""
    await receive()
    await receive()


async def deaf(scope: Any, receive: Any, send: Any) -> None:
    """Accept, and then ask for nothing; on /echo be an echo."""
    if scope["path"] == "/echo":
        return await echo(scope, receive, send)
    import anyio

    await receive()
    await send({"type": "websocket.accept"})
    await anyio.sleep_forever()


async def flood(scope: Any, receive: Any, send: Any) -> None:
    """Accept, and send for ever."""
    await receive()
    await send({"type": "websocket.accept"})
    while True:
        await send({"type": "websocket.send", "bytes": bytes(2**16)})


APPS = {"echo": echo, "undecided": undecided, "deaf": deaf, "flood": flood}


def main(transport: str, app: str, options: dict[str, Any]) -> None:
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(name)s %(levelname)s %(message)s")
    nofile = options.pop("nofile", None)
    if nofile is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (nofile, nofile))
    arguments = {"config": Config(**options), "lifespan": "off", "access_log": False}
    if transport == "trio":
        import trio

        import wscore_trio

        async def run_trio() -> None:
            token = trio.lowlevel.current_trio_token()
            async with trio.open_nursery() as nursery:
                server = await nursery.start(partial(wscore_trio.serve, APPS[app], **arguments))
                tell(server.port, partial(token.run_sync_soon, nursery.cancel_scope.cancel))

        trio.run(run_trio)
    else:
        import asyncio

        import wscore_asyncio

        async def run_asyncio() -> None:
            stop = asyncio.Event()
            async with wscore_asyncio.serve(APPS[app], **arguments) as server:
                tell(server.port, partial(asyncio.get_running_loop().call_soon_threadsafe, stop.set))
                await stop.wait()
                server.abort()

        asyncio.run(run_asyncio())


def tell(port: int | None, stop: Any) -> None:
    """Print the port, and stop when standard input ends."""
    print(port, flush=True)

    def wait() -> None:
        sys.stdin.read()
        stop()

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))
