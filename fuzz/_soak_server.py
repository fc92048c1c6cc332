"""The soak's server, in a process of its own: `python -m fuzz._soak_server OPTIONS`, which are JSON.

It prints its port, serves until its standard input ends, and tells on `/stats` what it holds: applications that run,
tasks, descriptors, memory, and what was logged but for the failures that are planned. What a path does is its function.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import hashlib
import json
import logging
import os
import random
import signal
import ssl
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.to_thread

from fuzz._soak_processes import counted
from wscore import ServerConfig
from wscore.app import Registry, WebSocket, WebSocketDisconnect

TICK: Final = 0.02  # seconds between two messages that an application sends by itself
CHANCE: Final = random.Random("server")


class Planned(Exception):
    """What the application fails with on purpose."""


class Unplanned(logging.Handler):
    """Keeps what is logged as a warning or worse, but for the failures that are planned."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if not (record.exc_info and isinstance(record.exc_info[1], Planned)):
            self.records.append(self.format(record))


unplanned = Unplanned()
registry = Registry(max_queue=10_000)
running = 0
deaf_for = 0.0


async def messages(websocket: WebSocket) -> AsyncIterator[str | bytes]:
    """Take messages of both kinds until the client has gone."""
    while (message := await websocket.receive())["type"] == "websocket.receive":
        text = message.get("text")
        yield message["bytes"] if text is None else text


async def answer(websocket: WebSocket, data: str | bytes) -> None:
    await (websocket.send_text(data) if isinstance(data, str) else websocket.send_bytes(data))


async def echo(websocket: WebSocket) -> None:
    async for message in messages(websocket):
        await answer(websocket, message)


async def slow(websocket: WebSocket) -> None:
    """An echo that takes its time now and then."""
    async for message in messages(websocket):
        await anyio.sleep(CHANCE.choice((0, 0, 0, TICK)))
        await answer(websocket, message)


async def push(websocket: WebSocket) -> None:
    """Send without end, and never ask for a message."""
    for number in range(1_000_000_000):
        await websocket.send_text(f"{number} " + "x" * CHANCE.choice((0, 100, 10_000)))
        await anyio.sleep(CHANCE.choice((0, 0, TICK)))


async def sink(websocket: WebSocket) -> None:
    """Take messages, and tell at the end what they were."""
    digest = hashlib.sha256()
    async for message in messages(websocket):
        if message == "end":
            await websocket.send_text(digest.hexdigest())
        digest.update(message.encode() if isinstance(message, str) else message)


async def deaf(websocket: WebSocket) -> None:
    """Neither receive nor send for a long time."""
    await anyio.sleep(deaf_for)
    async for _ in messages(websocket):
        pass


async def closes(websocket: WebSocket) -> None:
    await websocket.receive_text()
    await websocket.close(4000, "enough")


async def fails(websocket: WebSocket) -> None:
    await websocket.receive_text()
    raise Planned


async def room(websocket: WebSocket) -> None:
    async with registry.join(websocket, rooms=("all",)):
        async for _ in messages(websocket):
            pass


def resident() -> float:
    """Give the memory that this process has in RAM, in MiB, without what was freed and is kept for later."""
    with contextlib.suppress(AttributeError):  # glibc has it
        ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


async def stats(websocket: WebSocket) -> None:
    gc.collect()
    held = {"connections": running, **counted(), "objects": len(gc.get_objects()), "MiB": resident()}
    await websocket.send_json({**held, "log": unplanned.records[:20]})


BEHAVIOURS: Final = {f"/{each.__name__}": each for each in (echo, slow, push, sink, deaf, closes, fails, room, stats)}


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Do what the path says: refuse, never answer, or accept and behave."""
    global running  # noqa: PLW0603
    running += 1
    try:
        websocket = WebSocket(scope, receive, send)
        if scope["path"] == "/refuse":
            await websocket.close()
        elif scope["path"] == "/never":
            while (await receive())["type"] != "websocket.disconnect":
                pass
        else:
            await websocket.accept()
            await BEHAVIOURS[scope["path"]](websocket)
    except WebSocketDisconnect:
        pass  # the client left before the behaviour was over, as a slow machine may make it
    finally:
        running -= 1


@contextlib.asynccontextmanager
async def serving(backend: str, **options: Any) -> AsyncIterator[int | None]:
    """Serve, and give the port."""
    if backend == "trio":
        import trio

        import wscore_trio

        async with trio.open_nursery() as nursery:
            on_trio: wscore_trio.Server = await nursery.start(partial(wscore_trio.serve, app, **options))
            yield on_trio.port
            on_trio.close()
    else:
        import wscore_asyncio

        async with wscore_asyncio.serve(app, **options) as server:
            yield server.port


async def main(backend: str, config: dict[str, Any], certificate: str | None) -> None:
    global deaf_for  # noqa: PLW0603
    deaf_for = 4 * config["ping_interval"]
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH) if certificate else None
    if context is not None and certificate is not None:
        context.load_cert_chain(certificate)

    async def broadcast() -> None:
        number = 0
        while True:
            await anyio.sleep(TICK)
            registry.broadcast("all", str(number := number + 1))

    options = {"config": ServerConfig(**config), "ssl": context, "lifespan": "off", "access_log": False}
    async with serving(backend, **options) as port, anyio.create_task_group() as tasks:
        tasks.start_soon(broadcast)
        print(port, flush=True)
        await anyio.to_thread.run_sync(sys.stdin.read)
        tasks.cancel_scope.cancel()


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    signal.alarm(given.pop("seconds"))  # whatever becomes of the clients, it ends
    logging.getLogger().addHandler(unplanned)
    loop = {"use_uvloop": True} if given["backend"] == "uvloop" else {}
    name = "trio" if given["backend"] == "trio" else "asyncio"
    anyio.run(partial(main, **given), backend=name, backend_options=loop)
