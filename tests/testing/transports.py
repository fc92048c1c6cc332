"""Transports for the kit, each started as its users start it: `STARTS` has them by name."""

from __future__ import annotations

import asyncio
import runpy
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
from anyio.from_thread import start_blocking_portal

from tests.serving import serving
from wscore import Application, Config
from wscore.testing.transport import Address, Start

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
BARE = (Path(__file__).parent / "bare_transport.py").read_text()


@contextmanager
def on_library(backend: str, app: Application, config: Config) -> Iterator[Address]:
    """wscore's own transports."""
    with serving(app, backend, config=config) as port:
        yield "127.0.0.1", port


@contextmanager
def blocking(app: Application, config: Config) -> Iterator[Address]:
    serve = runpy.run_path(str(EXAMPLES / "blocking_transport.py"))["serve"]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(app, listener, config), daemon=True).start()
        yield listener.getsockname()


@contextmanager
def bare(app: Application, config: Config, *, source: str = BARE) -> Iterator[Address]:
    """The transport without a driver, or a `source` made of it."""
    names: dict[str, Any] = {"__name__": "bare"}
    exec(compile(source, "bare_transport.py", "exec"), names)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=names["serve"], args=(app, listener, config))
        thread.start()
        yield listener.getsockname()
        listener.shutdown(socket.SHUT_RDWR)  # which ends an accept, as closing does not
        thread.join()


@contextmanager
def on_anyio(
    backend: str, app: Application, config: Config, *, source: str | None = None, tls: Any = None
) -> Iterator[Address]:
    """The example, or a `source` made of it."""
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(source or (EXAMPLES / "anyio_transport.py").read_text(), "anyio_transport.py", "exec"), names)

    @asynccontextmanager
    async def served() -> AsyncIterator[Address]:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        async with listener, anyio.create_task_group() as tasks:
            tasks.start_soon(names["serve"], app, listener, config, tls)
            yield listener.extra(anyio.abc.SocketAttribute.local_address)
            tasks.cancel_scope.cancel()

    with start_blocking_portal(backend) as portal, portal.wrap_async_context_manager(served()) as address:
        yield address


@contextmanager
def on_streams(app: Application, config: Config) -> Iterator[Address]:
    serve = runpy.run_path(str(EXAMPLES / "asyncio_streams_transport.py"))["serve"]

    @asynccontextmanager
    async def served() -> AsyncIterator[Address]:
        server: asyncio.Server = await serve(app, "127.0.0.1", 0, config)
        yield server.sockets[0].getsockname()
        server.close()

    with start_blocking_portal("asyncio") as portal, portal.wrap_async_context_manager(served()) as address:
        yield address


STARTS: dict[str, Start] = {
    "wscore_asyncio": partial(on_library, "asyncio"),
    "wscore_trio": partial(on_library, "trio"),
    "blocking": blocking,
    "anyio on asyncio": partial(on_anyio, "asyncio"),
    "anyio on trio": partial(on_anyio, "trio"),
    "asyncio's streams": on_streams,
}
