"""An application on a real socket, on either transport, for tests whose client is blocking."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any

import trio
from anyio.from_thread import start_blocking_portal

import wscore_asyncio
import wscore_trio

BACKENDS = ("asyncio", "trio")


@asynccontextmanager
async def _asyncio_port(app: Any, options: dict[str, Any]) -> AsyncIterator[int]:
    async with wscore_asyncio.serve(app, **options) as server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def _trio_port(app: Any, options: dict[str, Any]) -> AsyncIterator[int]:
    async with trio.open_nursery() as nursery:
        server: wscore_trio.Server = await nursery.start(partial(wscore_trio.serve, app, **options))
        yield server.sockets[0].getsockname()[1]
        server.close()


@contextmanager
def serving(app: Any, backend: str, **options: Any) -> Iterator[int]:
    """Serve `app` in a thread of its own; gives the port on 127.0.0.1."""
    port = {"asyncio": _asyncio_port, "trio": _trio_port}[backend]
    options = {"access_log": False, **options}
    with start_blocking_portal(backend) as portal, portal.wrap_async_context_manager(port(app, options)) as number:
        yield number
